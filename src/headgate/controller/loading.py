"""From what people wrote to a snapshot whose endpoints still carry names, or to reasons."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from headgate.config import ConfigError, load
from headgate.config import compile as compile_snapshot
from headgate.spec import Snapshot

if TYPE_CHECKING:
    from headgate.config.document import Document
    from headgate.config.problems import Problem
    from headgate.controller.certificates.findings import Finding

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


def equip(
    snapshot: Snapshot, previous: Snapshot | None, document: Document
) -> tuple[Snapshot, list[Problem]]:
    """The snapshot with certificates and keys in it, and what was found in their files. Raises LoadError when
    something that was not served before cannot be used: nothing shall change then. At start, what cannot be
    used is served with nothing, and everything else as it should be.
    """
    if not uses_files(snapshot):
        return snapshot, []
    from headgate.controller.certificates.furnishing import furnish  # loads a library that most need not

    furnished = furnish(snapshot, previous)
    problems = [placed(finding, document) for finding in furnished.findings]
    if furnished.refused:
        raise LoadError([str(problem) for problem in problems], REFUSED)
    return furnished.snapshot, problems


def uses_files(snapshot: Snapshot) -> bool:
    """Whether there is anything to read beside the configuration itself."""
    return any(listener.tls is not None for listener in snapshot.listeners) or any(
        endpoint.scheme == "https" for service in snapshot.services for endpoint in service.endpoints
    )


def placed(finding: Finding, document: Document) -> Problem:
    """A finding as a problem at the place where the file is named."""
    warning = finding.severity == "warning"
    problem = document.problem(finding.path, finding.message, finding.hint, warning=warning)
    return dataclasses.replace(problem, value="")


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
    snapshot, found = equip(snapshot, previous, loaded.document)
    return snapshot, [*problems, *map(str, found)]
