"""From a file or Python data to a checked configuration."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from headgate.config.compilation import compile  # noqa: A004
from headgate.config.document import Document
from headgate.config.messages import translate
from headgate.config.middlewares import (
    config_with,
    problems_of_chains,
    problems_of_instances,
    warnings_of_files,
)
from headgate.config.model import Config
from headgate.config.model.scalars import NAME_PATTERN
from headgate.config.problems import ConfigError, Problem, quoted
from headgate.config.reader import read
from headgate.config.references import errors_between, warnings_between
from headgate.config.workers import MAX_WORKERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.middleware.description import Description

_LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gave: the model (None when there is an error) and all problems in the order of the file.

    `readable` is False when the file itself could not be read. `document` knows where everything stands.
    """

    problems: list[Problem]
    model: Config | None
    readable: bool = True
    document: Document = field(default_factory=Document, repr=False)

    @property
    def errors(self) -> list[Problem]:
        """The problems that make the configuration unusable."""
        return [problem for problem in self.problems if problem.severity == "error"]


def load(
    path: str | Path | None = None, text: str | None = None, environ: Mapping[str, str] = os.environ
) -> Loaded:
    """The configuration in a file, or in `text` (then `path` only names it in messages). Without both,
    HEADGATE_CONFIG names the file. HEADGATE_WORKERS, HEADGATE_ZONE and HEADGATE_LOG go before what the file
    says. Never raises for what people wrote; see `problems`.
    """
    path = path or (environ.get("HEADGATE_CONFIG") if text is None else None)
    file = str(path) if path is not None else ""
    if text is None:
        if not path:
            return _unreadable("", "no file is named", "name one, or set HEADGATE_CONFIG")
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            return _unreadable(file, f"the file cannot be read: {error.strerror}", "")
        except UnicodeDecodeError as error:
            return _unreadable(file, f"byte {error.start} of the file is not UTF-8", "save it as UTF-8")
        except ValueError:
            return _unreadable(quoted(file), "no file has such a name", "")
    document = read(text, file, environ)
    if document.place.line == 0 and not document.problems:
        document.data, document.place.line, document.place.column = {}, 1, 1  # nothing but comments
    return _checked(document, environ)


def validate(data: Mapping[str, Any] | Config) -> Loaded:
    """The configuration in Python data of the same shape as the file, or the problems of a model."""
    if isinstance(data, Config):
        return _checked(Document(data=data.model_dump(exclude_unset=True)), {})
    return _checked(Document(data=dict(data)), {})


def _unreadable(file: str, message: str, hint: str) -> Loaded:
    return Loaded([Problem(file=file, message=message, hint=hint)], None, readable=False)


def _checked(document: Document, environ: Mapping[str, str]) -> Loaded:
    problems = list(document.problems)
    if document.written and document.data is None:
        document.data = {}
    model: Config | None = None
    descriptions: dict[str, Description] = {}
    if document.written or not problems:
        folder = str(Path(document.file).parent) if document.file else ""
        kind, descriptions, foreign = config_with(document, folder)
        problems += foreign
        try:
            model = kind.model_validate(document.data)
        except ValidationError as error:
            problems += translate(error, document, kind)
        problems += errors_between(document)
        if not any(problem.severity == "error" for problem in problems):
            problems += warnings_between(document)
    if model is not None:
        model = _with_environment(model, environ, problems)
        model._descriptions = descriptions
        _mark(model, document)
    problems = _sorted(problems, document)
    if any(problem.severity == "error" for problem in problems) or model is None:
        return Loaded(problems, None, document=document)
    problems = _sorted(problems + _routing(model, document), document)
    usable = all(problem.severity == "warning" for problem in problems)
    return Loaded(problems, model if usable else None, document=document)


def _sorted(problems: list[Problem], document: Document) -> list[Problem]:
    """In the order of the file; where the form is broken, nothing is said about the content."""
    form = dict.fromkeys(document.problems)
    broken = {(problem.line, problem.column) for problem in form if problem.line}
    kept = [
        problem
        for problem in dict.fromkeys(problems)
        if problem in form or (problem.line, problem.column) not in broken
    ]
    return sorted(kept, key=lambda problem: (problem.line, problem.column))


def _with_environment(model: Config, environ: Mapping[str, str], problems: list[Problem]) -> Config:
    changes: dict[str, Any] = {}
    if workers := environ.get("HEADGATE_WORKERS", ""):
        if workers == "auto":
            changes["workers"] = "auto"
        elif re.fullmatch("[0-9]{1,4}", workers) and 1 <= int(workers) <= MAX_WORKERS:
            changes["workers"] = int(workers)
        else:
            problems.append(
                Problem(
                    path="HEADGATE_WORKERS",
                    value=workers,
                    message=f"{quoted(workers)} is neither auto nor a number of workers",
                    hint=f"write auto, or a number from 1 to {MAX_WORKERS}",
                )
            )
    if level := environ.get("HEADGATE_LOG", ""):
        if level in _LOG_LEVELS:
            changes["log_level"] = level
        else:
            problems.append(
                Problem(
                    path="HEADGATE_LOG",
                    value=level,
                    message=f"{quoted(level)} is no level of the log",
                    hint=f"write one of {', '.join(_LOG_LEVELS)}",
                )
            )
    if zone := environ.get("HEADGATE_ZONE", ""):
        if re.fullmatch(NAME_PATTERN, zone):
            changes["zone"] = zone
        else:
            problems.append(
                Problem(
                    path="HEADGATE_ZONE",
                    value=zone,
                    message=f"{quoted(zone)} is no name of a zone",
                    hint="use letters, digits, hyphens, underscores and dots",
                )
            )
    if not changes:
        return model
    return model.model_copy(update={"process": model.process.model_copy(update=changes)})


def _mark(model: Config, document: Document) -> None:
    """Tell each route where it was written, and the whole where its files are."""
    if document.file:
        model._folder = str(Path(document.file).parent)
    if document.written:
        for index, route in enumerate(model.routes):
            place, _ = document.find(("routes", index))
            route._where = f"{document.file}:{place.line}" if document.file else f"line {place.line}"


def _routing(model: Config, document: Document) -> list[Problem]:
    """What only the compiled routes can tell: warnings about those that an earlier one leaves nothing to."""
    from headgate.core.routing import RoutingTable

    try:
        snapshot = compile(model)
        table = RoutingTable(snapshot.routes, listeners=[each.name for each in snapshot.listeners])
        if problems := problems_of_chains(snapshot, document) + problems_of_instances(
            model, snapshot, document
        ):
            return problems
    except ConfigError as error:
        return list(error.problems)
    except ValueError as error:
        return [Problem(file=document.file, path="routes", message=str(error))]
    problems = warnings_of_files(model, document)
    for index, by in table.shadowed():
        first, _ = document.find(("routes", by))
        where = f" in line {first.line}" if document.written else f" (routes[{by}])"
        problems.append(
            document.problem(
                ("routes", index),
                f"the route {quoted(model.routes[index].name)} can never match: "
                f"{quoted(model.routes[by].name)}{where} takes all of its requests",
                "make one of them narrower, give this one a higher priority, or remove it",
                warning=True,
            )
        )
    return problems
