"""How the three roles log: one line a record to stderr, with the role's name in it."""

from __future__ import annotations

import logging
import sys
import time

LEVELS = ("debug", "info", "warning", "error")


class _Line(logging.Formatter):
    """`2026-01-31T12:00:00.123Z warning worker 0: text`"""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{stamp}.{int(record.msecs):03d}Z {record.levelname.lower()} {self._role}: {text}"


def open_log(role: str, level: str) -> logging.Logger:
    """The logger "headgate" of this process, writing to stderr. An unknown or empty level is info."""
    logger = logging.getLogger("headgate")
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_Line(role))
    logger.addHandler(stream)
    logger.propagate = False
    set_level(logger, level)
    return logger


def set_level(logger: logging.Logger, level: str) -> None:
    """Let records of `level` and above through."""
    logger.setLevel(level.upper() if level in LEVELS else "INFO")
