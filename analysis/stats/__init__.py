"""Statistics of verdicts. Pure."""
