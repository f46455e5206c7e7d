"""Virtual time, scenarios played in it, faults injected into them, and the rules that must hold."""
