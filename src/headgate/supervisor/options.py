"""What the command line hands to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. Either `config`, a path, or `config_text`, the bytes of a file that is in no folder."""

    config: str | None = None
    config_text: bytes | None = None
    workers: int | None = None  # in place of what the file says
    log: str | None = None  # level, in place of what the file says
    single: bool = False  # all roles in this process
