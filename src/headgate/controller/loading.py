"""From what people wrote to a snapshot whose endpoints still carry names, or to reasons."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from headgate.config import ConfigError, load
from headgate.config import compile as compile_snapshot
from headgate.spec import Snapshot

REFUSED = 1  # exit codes when it fails at start
UNREADABLE = 2


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the configuration comes from: a file, or a text handed over at start."""

    path: str | None
    text: bytes | None = None
    workers: int | None = None  # in place of what it says

    @property
    def name(self) -> str:
        """How people call it."""
        return self.path or "the command line"


class LoadError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: list[str], code: int) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.code = code


def load_snapshot(provider: Provider, previous: Snapshot | None, version: int) -> tuple[Snapshot, list[str]]:
    """The snapshot, and warnings. Raises LoadError with every problem of the configuration."""
    text = None if provider.text is None else provider.text.decode()
    loaded = load(path=provider.path, text=text)
    problems = [str(problem) for problem in loaded.problems]
    if loaded.model is None:
        raise LoadError(problems, REFUSED if loaded.readable else UNREADABLE)
    try:
        snapshot = compile_snapshot(loaded.model, previous=previous, version=version)
    except ConfigError as error:
        raise LoadError([str(problem) for problem in error.problems], REFUSED) from None
    if provider.workers:
        process = msgspec.structs.replace(snapshot.process, workers=provider.workers)
        snapshot = msgspec.structs.replace(snapshot, process=process)
    return snapshot, problems
