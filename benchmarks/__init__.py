"""Headgate beside its peers: CPU per request, latency, memory and start, in one run.

``python -m benchmarks`` measures and prints; ``python -m benchmarks report`` renders
``docs/benchmarks.md`` from the newest results. Every proxy has one core and one worker; the load
generator and the backend share another core.
"""
