"""A worker: one process with one event loop that serves snapshots; it knows no configuration file."""
