"""Metric providers: each turns one configured query into a measurement."""
