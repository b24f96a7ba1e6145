"""YAML text to a `Document`.

The schema is the YAML 1.2 core schema: only `true` and `false` are booleans (`on`, `off`, `yes`, `no` are
texts), `010` and `12:30` are texts. Keys are always texts; a key twice is an error; tags of one's own are
errors. Anchors, aliases and `<<` work; depth and size after expansion are bounded. Variables (`${VAR}`,
`${VAR:-default}`, `$${` for a plain `${`) are replaced inside values, which then are texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from headgate.config.core_schema import resolve
from headgate.config.document import Document, Place
from headgate.config.problems import Problem, dotted, quoted
from headgate.config.syntax import syntax_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_CHARACTERS = 32 * 1024 * 1024

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset((None, "!", *(_TAG + name for name in ("str", "int", "float", "bool", "null"))))
_COLLECTION_TAGS = frozenset((None, "!", _TAG + "map", _TAG + "seq"))
_variable = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_variable_body = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def read(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """The document in a text. Never raises; what is wrong is in `problems`, and `data` is what could be
    read (None after an error of syntax).
    """
    document = Document(file)
    if len(text) > MAX_CHARACTERS:
        document.problems.append(
            Problem(file=file, message=f"has {len(text)} characters, {MAX_CHARACTERS} are possible")
        )
        return document
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        document.problems.append(
            Problem(
                file=file,
                line=line,
                column=1,
                message="a character is half of a surrogate pair",
                hint="save the file as UTF-8",
            )
        )
        return document
    reader = _Reader(document, environ)
    try:
        reader.run(text)
    except yaml.YAMLError as error:
        document.data, document.place = None, Place()
        document.problems.append(syntax_problem(error, text, file))
    except _FormError as error:
        document.data, document.place = None, Place()
        document.problems.append(error.problem)
    return document


class _FormError(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: dict[str, Any] | list[Any]
    place: Place
    anchor: str | None
    first: int  # nodes before this one
    key: str | None = None  # waits for its value
    key_position: tuple[int, int] = (0, 0)
    key_plain: bool = False
    height: int = 0  # levels inside
    merges: list[tuple[Any, Place]] = field(default_factory=list)


@dataclass(slots=True)
class _Anchor:
    value: Any
    place: Place
    nodes: int
    height: int


class _Reader:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchor | None] = {}  # None: still open
        self.nodes = 0

    def run(self, text: str) -> None:
        loader = yaml.CSafeLoader(text)
        documents = 0
        try:
            while loader.check_event():
                event = loader.get_event()
                if isinstance(event, yaml.ScalarEvent):
                    self.scalar(event)
                elif isinstance(event, yaml.CollectionStartEvent):
                    self.begin(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self.end()
                elif isinstance(event, yaml.AliasEvent):
                    self.alias(event)
                elif isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self.stop(event, "a second document begins here", "keep one document in a file")
        finally:
            loader.dispose()

    def error(self, event: Any, message: str, hint: str = "", value: str = "") -> None:
        line, column = _position(event)
        self.document.problems.append(
            Problem(
                file=self.document.file,
                line=line,
                column=column,
                path=self.path(),
                value=value,
                message=message,
                hint=hint,
            )
        )

    def path(self) -> str:
        """Where in the data the reader is."""
        return dotted(
            frame.key or "" if isinstance(frame.value, dict) else len(frame.value) for frame in self.stack
        )

    def stop(self, event: Any, message: str, hint: str = "") -> None:
        line, column = _position(event)
        raise _FormError(
            Problem(file=self.document.file, line=line, column=column, message=message, hint=hint)
        )

    def scalar(self, event: Any) -> None:
        line, column = _position(event)
        text: str = event.value
        plain = event.implicit[0] and not event.style
        if event.tag not in _SCALAR_TAGS:
            self.error(event, "tags such as !name are not supported", "remove the tag")
        if self.expects_key():
            self.key(text, (line, column), plain)
            return
        self.count(event, 1)
        place = Place(line, column, text)
        value: Any = text
        if "${" in text:
            value = self.expand(event, text)
            place.variable = True
        elif event.tag == _TAG + "str":
            pass
        elif plain or (event.tag or "").startswith(_TAG):
            value = resolve(text)
        self.put(value, place, event.anchor, 1, 0)

    def expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def key(self, text: str, position: tuple[int, int], plain: bool) -> None:
        frame = self.stack[-1]
        frame.key, frame.key_position, frame.key_plain = text, position, plain

    def begin(self, event: Any) -> None:
        if self.expects_key():
            self.stop(event, "a key must be a text, not a list or a mapping")
        if event.tag not in _COLLECTION_TAGS:
            self.error(event, "tags such as !name are not supported", "remove the tag")
        if len(self.stack) >= MAX_DEPTH:
            self.stop(event, f"this is more than {MAX_DEPTH} levels deep")
        line, column = _position(event)
        frame: _Frame
        if isinstance(event, yaml.MappingStartEvent):
            frame = _Frame({}, Place(line, column, children={}), event.anchor, self.nodes)
        else:
            frame = _Frame([], Place(line, column, children=[]), event.anchor, self.nodes)
        self.count(event, 1)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(frame)

    def end(self) -> None:
        frame = self.stack.pop()
        for value, place in frame.merges:
            self.merge(frame, value, place)
        self.put(frame.value, frame.place, frame.anchor, self.nodes - frame.first, frame.height + 1)

    def alias(self, event: Any) -> None:
        if self.expects_key():
            self.stop(event, "a key must be a text, not an alias")
        if event.anchor not in self.anchors:
            self.stop(event, f"no anchor &{event.anchor} comes before this alias")
        anchor = self.anchors[event.anchor]
        if anchor is None:
            self.stop(event, f"the alias *{event.anchor} stands inside its own anchor")
            return
        if len(self.stack) + anchor.height > MAX_DEPTH:
            self.stop(event, f"this is more than {MAX_DEPTH} levels deep")
        self.count(event, anchor.nodes)
        self.put(anchor.value, anchor.place, None, anchor.nodes, anchor.height)

    def count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self.stop(event, f"the file has more than {MAX_NODES} values, aliases included")

    def put(self, value: Any, place: Place, anchor: str | None, nodes: int, height: int) -> None:
        """The value is complete: into the collection around it, or to the document."""
        if anchor:
            self.anchors[anchor] = _Anchor(value, place, nodes, height)
        if not self.stack:
            self.document.data, self.document.place = value, place
            return
        frame = self.stack[-1]
        frame.height = max(frame.height, height)
        if isinstance(frame.value, list):
            frame.value.append(value)
            assert isinstance(frame.place.children, list)
            frame.place.children.append(place)
            return
        assert frame.key is not None
        key, frame.key = frame.key, None
        if key == "<<" and frame.key_plain:
            frame.merges.append((value, place))
        elif key in frame.value:
            self.twice(frame, key)
        else:
            frame.value[key] = value
            frame.place.keys[key] = frame.key_position
            assert isinstance(frame.place.children, dict)
            frame.place.children[key] = place

    def twice(self, frame: _Frame, key: str) -> None:
        first, (line, column) = frame.place.keys[key], frame.key_position
        self.document.problems.append(
            Problem(
                file=self.document.file,
                line=line,
                column=column,
                value=key,
                message=f"the key {quoted(key)} stands here twice, first in line {first[0]}, "
                f"column {first[1]}",
                hint="remove one of the two",
            )
        )

    def merge(self, frame: _Frame, value: Any, place: Place) -> None:
        """`<<`: the keys of other mappings, as far as they are not here already."""
        sources: Iterable[tuple[Any, Place]] = [(value, place)]
        if isinstance(value, list) and isinstance(place.children, list):
            sources = zip(value, place.children, strict=True)
        for source, origin in sources:
            if not isinstance(source, dict) or not isinstance(origin.children, dict):
                self.document.problems.append(
                    Problem(
                        file=self.document.file,
                        line=place.line,
                        column=place.column,
                        message="<< takes a mapping or a list of mappings",
                        hint="write `<<: *anchor`",
                    )
                )
                return
            assert isinstance(frame.value, dict)
            assert isinstance(frame.place.children, dict)
            for key, item in source.items():
                if key not in frame.value:
                    frame.value[key] = item
                    frame.place.keys[key] = origin.keys[key]
                    frame.place.children[key] = origin.children[key]

    def expand(self, event: Any, text: str) -> str:
        """The text with its variables replaced."""

        def replace(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            body = _variable_body.fullmatch(match[1]) if match[2] else None
            if body is None:
                self.error(
                    event,
                    f"{quoted(match[0])} is not a variable",
                    "write ${NAME} or ${NAME:-default}, and $${ for a plain ${",
                    match[0],
                )
                return ""
            name, default = body.groups()
            found = self.environ.get(name, "")
            if found or (default is None and name in self.environ):
                return found
            if default is None:
                self.error(
                    event,
                    f"the variable {name} is not set",
                    f"set it, or write a default: ${{{name}:-...}}",
                    match[0],
                )
                return ""
            return str(default)

        return _variable.sub(replace, text)


def _position(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
