"""A Prometheus-compatible query endpoint for the sandbox: real PromQL, a stated subset."""
