"""Middlewares without a proxy around them: a worker to ask, and an exchange to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from headgate.middleware import Exchange, Fetched, FetchFailed, Middleware, Worker
from headgate.middleware.description import instance_of


class Alone(Worker):
    """Counts and keeps what is asked of it. `answers`: what `fetch` gives, the last one again and again."""

    def __init__(self, *answers: Fetched | FetchFailed) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.threads = 0

    async def fetch(self, url: str, **_: Any) -> Fetched:
        """The next answer."""
        self.asked.append(url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, FetchFailed):
            raise answer
        return answer

    async def in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In this thread."""
        self.threads += 1
        return function(*args, **kwargs)

    def count(self, name: str, by: int = 1) -> None:
        """Into `counts`."""
        self.counts[name] += by

    def observe(self, name: str, value: float) -> None:
        """Nobody looks."""

    def shared(self, key: str) -> Any:
        """There is nobody to share with."""
        raise NotImplementedError

    def log(self, text: str, *args: object, level: int = 20) -> None:  # noqa: ARG002 - as a Worker has it
        """Into `lines`."""
        self.lines.append(text % args)


def made(kind: type[Middleware], options: Mapping[str, Any], worker: Worker | None = None) -> Any:
    """An instance, with options as the snapshot has them."""
    return instance_of(kind, "tested", options, worker or Alone())


class Fields(dict[str, str]):
    """Fields by name, whatever its case."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def all(self, name: str) -> list[str]:
        value = self.get(name)
        return [] if value is None else [value]

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def pop(self, name: str, default: Any = None) -> Any:
        return super().pop(name.lower(), default)


class FakeRequest:
    """What hooks ask of a request."""

    def __init__(self, fields: Mapping[str, str], **facts: Any) -> None:
        self.headers = Fields({name.lower(): value for name, value in fields.items()})
        self.query: str | None = None
        self.method, self.path, self.authority, self.scheme = "GET", "/", "a.example", "http"
        vars(self).update(facts)


class FakeExchange:
    """What hooks ask of an exchange."""

    def __init__(
        self, fields: Mapping[str, str] | None = None, client: str = "192.0.2.1", **facts: Any
    ) -> None:
        self.state: dict[object, object] = {}
        self.request = FakeRequest(fields or {}, **facts)
        self.client = client
        self.user: str | None = None
        self.tls: Any = None


def exchange(fields: Mapping[str, str] | None = None, client: str = "192.0.2.1", **facts: Any) -> Exchange:
    """An exchange with a request of these fields."""
    made: Any = FakeExchange(fields, client, **facts)
    return made  # type: ignore[no-any-return]  # as far as hooks can tell it is one
