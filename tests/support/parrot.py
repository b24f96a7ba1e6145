"""A backend that says what it was asked, for tests of what changes requests and responses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from support.asking import Answer
from support.backend import Connection, RecordingBackend
from support.messages import Message

ANSWER = "x-answer"  # fields that the response shall have: "Name: value", with "|" between them
STATUS = "x-status"
SIZE = "x-size"  # spaces behind what is said


def echoing() -> RecordingBackend:
    """The backend; its answers are what `heard` reads."""
    return RecordingBackend(_echo)


def _echo(request: Message, connection: Connection) -> None:
    heard: dict[str, Any] = {"method": request.method, "target": request.target, "fields": request.fields}
    body = (
        b"" if request.method == "HEAD" else json.dumps(heard).encode() + b" " * int(request.get(SIZE) or 0)
    )
    more = [line for line in (request.get(ANSWER) or "").split("|") if line]
    lines = [f"HTTP/1.1 {request.get(STATUS) or 200} X", f"Content-Length: {len(body)}", *more, "", ""]
    connection.send("\r\n".join(lines).encode("latin-1") + body)


@dataclass
class Heard:
    """What the backend was asked; names of fields are lower case."""

    method: str
    target: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for known, value in self.fields if known == name]


def heard(answer: Answer) -> Heard:
    """What the backend was asked before it gave this answer."""
    said = json.loads(answer.body)
    return Heard(said["method"], said["target"], [(name.lower(), value) for name, value in said["fields"]])
