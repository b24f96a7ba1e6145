from collections.abc import Iterable, Sequence
from typing import final

from headgate.core.explanation import Explanation
from headgate.core.handshake import Handshake
from headgate.core.order import Route
from headgate.core.regex import check_regex as check_regex

@final
class RoutingTable:
    listeners: tuple[str, ...]
    def __init__(self, routes: Iterable[Route], *, listeners: Iterable[str] = ()) -> None: ...
    def captures(self, route: int, path: bytes) -> dict[str, str]: ...
    def explain(
        self,
        method: str,
        host: str,
        path: str,
        query: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        client: str | None = None,
        listener: str = "",
        handshake: Handshake | None = None,
    ) -> Explanation: ...
    def winner(
        self,
        method: str,
        host: str,
        path: str,
        query: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        client: str | None = None,
        listener: str = "",
        handshake: Handshake | None = None,
    ) -> int: ...
    def shadowed(self) -> list[tuple[int, int]]: ...
    def measure(
        self,
        requests: Sequence[tuple[str, str, str, str | None, Sequence[tuple[str, str]]]],
        rounds: int,
    ) -> float: ...
