"""A worker: one process with one event loop that serves snapshots; it knows no configuration file."""

# Modules that are imported only when they are needed; before rights are given up, all of them are.
LATER = ("headgate.observe.sinks",)
