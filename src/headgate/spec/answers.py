"""Answers that Headgate gives itself."""

from __future__ import annotations

from headgate.spec.data import Data


class Respond(Data, frozen=True):
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
