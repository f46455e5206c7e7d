"""The sandbox's API server on a socket: wire formats around ``sandbox.apiserver``."""
