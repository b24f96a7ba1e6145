"""Questions to all workers about what only they know, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

PATIENCE = 2.0  # for a worker that is busy, or dies meanwhile


@dataclass
class _Open:
    """A question that was not answered by all yet."""

    complete: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Any] = field(default_factory=list)
    asked: int | None = None  # workers

    def check(self) -> None:
        if self.asked is not None and len(self.answers) >= self.asked:
            self.complete.set()


class Questions:
    """`send` carries a message to whoever passes questions on."""

    def __init__(self, send: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._open: dict[int, _Open] = {}

    async def ask(self, what: str, of: str) -> list[Any]:
        """The answers of all workers that give one soon."""
        number = next(self._numbers)
        question = self._open[number] = _Open()
        try:
            self._send("ask", {"number": number, "what": what, "of": of})
            async with asyncio.timeout(PATIENCE):
                await question.complete.wait()
        except TimeoutError:
            pass  # what came is better than nothing
        finally:
            del self._open[number]
        return question.answers

    def asked(self, number: int, workers: int) -> None:
        """A question is on its way to so many."""
        if question := self._open.get(number):
            question.asked = workers
            question.check()

    def answered(self, number: int, answer: Any) -> None:
        """A worker answers."""
        if question := self._open.get(number):
            question.answers.append(answer)
            question.check()
