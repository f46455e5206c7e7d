"""Progressive delivery for Kubernetes: observe, plan, apply. ARCHITECTURE.md is the map."""
