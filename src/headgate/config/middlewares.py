"""Middlewares of the file: their classes, their chains, and what of them goes into the snapshot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from headgate import spec
from headgate.config.model.middlewares import (
    BUILT_IN_SECTIONS,
    DESCRIPTIONS,
    TYPES,
    Chain,
    Unknown,
    middleware_of,
)
from headgate.config.model.options import PrivateFile, RelativeFile, SecretFile, section_of
from headgate.config.model.root import Config
from headgate.config.model.scalars import Name
from headgate.config.model.section import Section
from headgate.config.problems import ConfigError, Problem, quoted
from headgate.middleware.description import CheckedWorker, instance_of
from headgate.middleware.resolution import class_of, edition_of, is_path, published
from headgate.spec.chains import MOST_MIDDLEWARES, too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.config.document import Document
    from headgate.middleware.description import Description

# Other people's modules may do anything while they are imported.
IMPORT_SECONDS = 20.0


def config_with(
    document: Document, folder: str
) -> tuple[type[Config], dict[str, Description], list[Problem]]:
    """The model of a file that names middlewares of other people: with their options, as their classes say in
    a process of their own. And what is wrong with those classes.
    """
    wanted = dict(_foreign(document))
    if not wanted:
        return Config, {}, []
    kinds = sorted(set(wanted.values()))
    answers = _ask([{"type": kind, "folder": folder} for kind in kinds])
    asked = dict(zip(kinds, answers, strict=True))
    descriptions = {kind: answer["description"] for kind, answer in asked.items() if "error" not in answer}
    errors = {kind: answer["error"] for kind, answer in asked.items() if "error" in answer}
    problems = [
        _unusable(document, name, kind, errors[kind]) for name, kind in wanted.items() if kind in errors
    ]
    sections = [section_of(kind, description) for kind, description in descriptions.items()]
    sections += [_unknown(kind) for kind in errors]
    kind: Any = middleware_of([*BUILT_IN_SECTIONS.values(), *sections])
    field = Config.model_fields["middlewares"]
    model = create_model(
        "Config",
        __base__=Config,
        __doc__=Config.__doc__,
        middlewares=(
            Annotated[dict[Name, kind], *field.metadata],
            Field(default={}, description=field.description),
        ),
    )
    return model, descriptions, problems


def _unusable(document: Document, name: str, kind: str, reason: str) -> Problem:
    path = ("middlewares", name, "type")
    if document.find(path)[0].variable:  # what it holds is nobody's business
        return document.problem(path, "no middleware of this type can be had")
    return document.problem(path, f"{quoted(kind)} cannot be used: {reason}")


def _unknown(kind: str) -> type[Section]:
    field: Any = (Literal[kind], ...)
    made: type[Section] = create_model(f"Unknown{abs(hash(kind))}", __base__=Unknown, type=field)
    return made


def _foreign(document: Document) -> Iterator[tuple[str, str]]:
    """Names and types of middlewares that are not built in but may exist."""
    data = document.data if isinstance(document.data, dict) else {}
    middlewares = data.get("middlewares")
    known: dict[str, str] | None = None
    for name, middleware in middlewares.items() if isinstance(middlewares, dict) else ():
        kind = middleware.get("type") if isinstance(middleware, dict) else None
        if not isinstance(kind, str) or kind in TYPES:
            continue
        if known is None:
            known = published()
        if is_path(kind) or kind in known:
            yield name, kind


def _ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a throw-away process says of classes: a description or an error for each."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "headgate.middleware.description"],
            input=json.dumps(questions),
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
        answers: list[dict[str, Any]] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        reason = f"importing it takes more than {IMPORT_SECONDS:g} s"
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        reason = f"importing it ended the process (exit code {done.returncode}): {last}"
    else:
        return answers
    if len(questions) == 1:
        return [{"error": reason}]
    return [_ask([question])[0] for question in questions]  # each alone tells which one it is


def flattened(model: Config, names: Iterable[str]) -> tuple[str, ...]:
    """Names of middlewares with chains replaced by what is in them."""
    found: list[str] = []
    for name in names:
        middleware = model.middlewares[name]
        found += flattened(model, middleware.middlewares) if isinstance(middleware, Chain) else (name,)
    return tuple(found)


def compiled(model: Config, blocks: dict[str, int]) -> tuple[spec.Middleware, ...]:
    """Those of the file, but chains. Raises ConfigError when a file with a secret cannot be read."""
    return tuple(
        _compiled(model, name, middleware, blocks)
        for name, middleware in model.middlewares.items()
        if not isinstance(middleware, Chain)
    )


def _compiled(model: Config, name: str, middleware: Any, blocks: dict[str, int]) -> spec.Middleware:
    folder = Path(model.folder)
    description = model.descriptions.get(middleware.type) or DESCRIPTIONS.get(middleware.type, {})
    options = {
        key: _plain(getattr(middleware, key), folder, f"middlewares.{name}.{key}")
        for key in type(middleware).model_fields
        if key in middleware.model_fields_set - {"type", "budget"}
    }
    budget = middleware.budget
    return spec.Middleware(
        name=name,
        type=middleware.type,
        options=options,
        budget=(
            spec.Budget(cpu=budget.cpu or 0.0, wait=budget.wait or 0.0, bypass=budget.on_exceed == "bypass")
            if budget is not None
            else spec.Budget()
        ),
        folder=str(folder.resolve()) if middleware.type not in TYPES else "",
        files=(files := tuple(description.get("files", ())) if model.process.development else ()),
        edition=edition_of(files) if files else "",
        counters=tuple(description.get("counters", {}).items()),
        histograms=tuple(description.get("histograms", {}).items()),
        metric=blocks[f"middleware:{name}"],
    )


def _plain(value: Any, folder: Path, where: str) -> Any:
    """A value of an option as the snapshot has it."""
    if isinstance(value, Section):
        return {key: _plain(getattr(value, key), folder, where) for key in value.model_fields_set}
    if isinstance(value, dict):
        return {key: _plain(item, folder, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, folder, where) for item in value]
    if isinstance(value, RelativeFile):
        return str((folder / value).resolve())
    if isinstance(value, SecretFile):
        return _secret_in((folder / value).resolve(), where)
    return value


def _secret_in(path: Path, where: str) -> spec.Secret:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(path=where, message=f"{path} cannot be read: {error}")]) from None
    if not text:
        raise ConfigError([Problem(path=where, message=f"{path} is empty", hint="write the secret into it")])
    return spec.Secret(text)


def problems_of_chains(snapshot: spec.Snapshot, document: Document) -> list[Problem]:
    """Routes whose requests could meet more middlewares than there can be."""
    return [
        document.problem(
            ("routes", number, "middlewares"),
            reason,
            f"take some of them out: {MOST_MIDDLEWARES} are possible",
        )
        for number, reason in too_long(snapshot)
    ]


def problems_of_instances(model: Config, snapshot: spec.Snapshot, document: Document) -> list[Problem]:
    """What instances say of their options when they are made."""
    foreign = [each for each in snapshot.middlewares if each.type in model.descriptions]
    found = {}
    for middleware in snapshot.middlewares:
        if middleware.type in DESCRIPTIONS:
            try:
                instance_of(class_of(middleware.type), middleware.name, middleware.options, CheckedWorker())
            except (ValueError, OSError) as error:
                found[middleware.name] = str(error)
    if foreign:
        questions = [
            {
                "type": each.type,
                "folder": each.folder,
                "name": each.name,
                "options": _revealed(each.options),
            }
            for each in foreign
        ]
        for each, answer in zip(foreign, _ask(questions), strict=True):
            if "error" in answer:
                found[each.name] = answer["error"]
    return [
        document.problem(("middlewares", name), f"{quoted(name)}: {reason}", key=True)
        for name, reason in found.items()
    ]


def _revealed(value: Any) -> Any:
    """Options for a process of our own that makes an instance of them."""
    if isinstance(value, spec.Secret):
        return value.text
    if isinstance(value, dict):
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, (list, tuple)) else value


def warnings_of_files(model: Config, document: Document) -> list[Problem]:
    """Files with secrets, or hashes of them, that everybody of the machine may read."""
    return [
        document.problem(
            ("middlewares", name),
            f"{path} holds {what}, and every user of this machine may read it",
            f"chmod 640 {path}",
            key=True,
            warning=True,
        )
        for name, middleware in model.middlewares.items()
        for path, what in _secret_files(middleware, Path(model.folder))
        if path.is_file() and path.stat().st_mode & 0o004
    ]


def _secret_files(value: Any, folder: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, SecretFile):
        yield folder / value, "a secret"
    elif isinstance(value, PrivateFile):
        yield folder / value, "hashes of secrets"
    elif isinstance(value, Section):
        for key in value.model_fields_set:
            yield from _secret_files(getattr(value, key), folder)
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _secret_files(item, folder)
