"""Routers: from a split to the objects that should exist, and how to verify them. Pure."""
