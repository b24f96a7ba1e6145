"""Middlewares as people write them, good and bad ones, for the tests of the interface."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from headgate.middleware import BodyTooLarge, Exchange, Middleware, Piece, Reply, StateKey, option

BEGUN = StateKey[str]("begun")


class Marks(Middleware):
    """Mark a request and its response, and see the exchange end."""

    counters = {"ended": "Exchanges that ended"}
    histograms = {"size": "Bytes of responses"}

    @dataclass(frozen=True, slots=True)
    class Options:
        """Options."""

        mark: str = option("The mark.", "seen")

    def on_request(self, exchange: Exchange) -> None:
        exchange.request.headers["x-mark"] = self.options.mark
        exchange.user = "somebody"
        exchange.state[BEGUN] = exchange.request.path

    def on_response(self, exchange: Exchange) -> None:
        exchange.response.headers["x-mark"] = self.options.mark
        exchange.response.headers["x-began"] = exchange.state[BEGUN]

    def on_done(self, exchange: Exchange) -> None:
        self.worker.count("ended")
        self.worker.observe("size", exchange.bytes_out)


class Answers(Middleware):
    """Answer some paths."""

    def on_request(self, exchange: Exchange) -> Reply | None:
        if exchange.request.path.endswith("/answer"):
            return Reply(418, "short and stout\n", {"X-Why": "because"})
        if exchange.request.path.endswith("/injected"):
            return Reply(200, "", {"X-A": "b\r\nX-C: d"})
        return None


class Waits(Middleware):
    """Wait before the request, and before the response."""

    async def on_request(self, exchange: Exchange) -> None:
        await asyncio.sleep(0.01)
        exchange.request.headers["x-waited"] = "yes"

    async def on_response(self, exchange: Exchange) -> None:
        await asyncio.sleep(0.01)
        exchange.response.headers["x-waited"] = "yes"

    async def on_done(self, exchange: Exchange) -> None:
        await asyncio.sleep(0.01)
        assert exchange.response.headers["x-waited"] == "yes"
        self.worker.log("ended %s with %d", exchange.request.path, exchange.status)


class Reads(Middleware):
    """Read bodies whole, and send others."""

    async def on_request(self, exchange: Exchange) -> Reply | None:
        try:
            body = await exchange.request.body(limit=10_000)
        except BodyTooLarge:
            if exchange.request.headers.get("x-catch"):
                return Reply(422, "too long\n")
            raise
        exchange.request.replace_body(body.upper())
        return None

    async def on_response(self, exchange: Exchange) -> None:
        exchange.response.replace_body((await exchange.response.body(limit=1 << 20))[::-1])


class Shouts(Middleware):
    """Change bodies piece by piece, both ways."""

    bodies = "both"

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data.upper() + (b"!" if piece.last else b"")


class SlowlyShouts(Middleware):
    """The same, but each piece has to wait."""

    bodies = "both"

    async def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        await asyncio.sleep(0.002)
        return piece.data.upper() + (b"!" if piece.last else b"")


class Counts(Middleware):
    """Look at bodies and leave them as they are."""

    bodies = "both"
    changes_length = False
    counters = {"bytes": "Bytes seen"}

    def on_body(self, exchange: Exchange, piece: Piece) -> None:
        self.worker.count("bytes", len(piece.data))


class Raises(Middleware):
    """Raise in the hook that the path names."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.path.endswith("/request"):
            raise KeyError("no such thing")

    def on_response(self, exchange: Exchange) -> None:
        if exchange.request.path.endswith("/response"):
            raise SystemExit("not even this ends a worker")

    def on_body(self, exchange: Exchange, piece: Piece) -> None:
        if exchange.request.path.endswith("/body"):
            raise RuntimeError("in the middle")

    def on_done(self, exchange: Exchange) -> None:
        if exchange.request.path.endswith("/done"):
            raise ValueError("too late")


class Nonsense(Middleware):
    """Return what no hook returns."""

    def on_request(self, exchange: Exchange) -> Reply | None:
        return 42  # type: ignore[return-value]  # which is the point


class Forever(Middleware):
    """Wait for ever."""

    async def on_request(self, exchange: Exchange) -> None:
        await asyncio.get_running_loop().create_future()


class Blocks(Middleware):
    """Hold up the event loop for as long as the query says."""

    def on_request(self, exchange: Exchange) -> None:
        for name, value in exchange.request.parameters:
            if name == "block":
                time.sleep(float(value))


class Loops(Middleware):
    """Never come back."""

    def on_request(self, exchange: Exchange) -> None:
        while True:
            pass


class Eats(Middleware):
    """Keep as many bytes as the query says, take some time (`linger`), or never come back (`hang`)."""

    def prepare(self) -> None:
        self.kept: list[bytes] = []

    def on_request(self, exchange: Exchange) -> Awaitable[None] | None:
        ((name, value),) = exchange.request.parameters
        self.kept.append(b"x" * int(value))
        while name == "hang":
            time.sleep(0.01)
        return asyncio.sleep(1.5) if name == "linger" else None


class Names(Middleware):
    """Answer with the number of the worker's process."""

    def on_request(self, exchange: Exchange) -> Reply:
        return Reply(200, str(os.getpid()))


class Burns(Middleware):
    """Take processor time when the query says so."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.query == "burn":
            end = time.thread_time() + 0.05
            while time.thread_time() < end:
                pass
        exchange.request.headers["x-burns"] = "here"


class Chooses(Middleware):
    """Send the exchange to the service that the query names."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.query:
            exchange.use_service(exchange.request.query)


class Keeps(Middleware):
    """Keep exchanges although they are over."""

    kept: list[Exchange]

    def prepare(self) -> None:
        self.kept = []

    def on_request(self, exchange: Exchange) -> Reply | None:
        if exchange.request.path.endswith("/look"):
            return Reply(200, "\n".join(self._look(old) for old in self.kept))
        self.kept.append(exchange)
        return None

    @staticmethod
    def _look(old: Exchange) -> str:
        try:
            return old.request.headers["host"]
        except RuntimeError as error:
            return str(error)


class Particular(Middleware):
    """Refuse some options."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """Options."""

        word: str = option("Any word but one.")

    def prepare(self) -> None:
        if self.options.word == "bad":
            raise ValueError("the word is bad; write another")


NOT_ONE = "this is no class"
