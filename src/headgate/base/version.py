"""The version of this package, read once: later its files may not be readable any more."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("headgate")
