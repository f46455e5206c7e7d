"""Talking to an API server: transport, caches, queue, lease, events."""
