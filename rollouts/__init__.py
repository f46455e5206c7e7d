"""Progressive delivery for Kubernetes: observe, plan, apply. ARCHITECTURE.md is the map."""

__version__ = "0.1.0"
