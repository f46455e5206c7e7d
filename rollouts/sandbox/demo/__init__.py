"""The demo: an application, traffic, Prometheus and a story told from the cluster's state."""
