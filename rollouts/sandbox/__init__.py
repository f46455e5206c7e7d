"""The embedded cluster: an API server and the controllers around it."""
