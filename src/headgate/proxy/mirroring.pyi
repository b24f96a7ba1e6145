import logging

from headgate.proxy.snapshot import LiveSnapshot

def attach_mirrors(live: LiveSnapshot, memory: memoryview, log: logging.Logger) -> None: ...
