"""Probes: each endpoint is asked regularly whether it is well, once for all workers."""
