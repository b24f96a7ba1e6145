"""The supervisor: owns listening sockets, the shared memory and the child processes; parses nothing."""

from __future__ import annotations

import sys

from headgate.supervisor.options import Options

__all__ = ["Options", "main"]


def main(options: Options) -> int:
    """Run Headgate in the foreground until it is told to stop; returns the exit code.

    0: stopped as asked. 1: the configuration is refused, or serving failed. 2: the environment is at
    fault: an unreadable file, a port in use, a missing right.
    """
    if options.config is None and options.config_text is None:
        sys.stderr.write("headgate: no configuration; name a file with -c FILE or in HEADGATE_CONFIG\n")
        return 2
    if options.single:
        from importlib import import_module

        code: int = import_module("headgate.single").main(options)
        return code
    from headgate.supervisor.supervisor import Supervisor

    return Supervisor(options).run()
