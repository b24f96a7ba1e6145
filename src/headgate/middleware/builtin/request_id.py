"""request_id."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import ClassVar, Literal

from headgate.middleware import Exchange, Middleware, option
from headgate.middleware.field_rules import FieldRules

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RequestId(Middleware):
    """Give each request an id under a name and in a form of your own. Endpoints, the client and the log get
    the same.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        header: str = option("The field that carries it.", "X-Request-Id", example="X-Correlation-Id")
        format: Literal["uuid4", "hex", "ulid"] = option(
            "`uuid4`, 32 hexadecimal digits, or a ULID, which sorts by time.", "uuid4"
        )
        accept: bool = option("Whether an id that a trusted proxy sends is kept.", True)
        response: bool = option("Whether the client gets it.", True)

    counters: ClassVar = {"accepted": "Requests that kept the id of a trusted proxy."}

    def prepare(self) -> None:
        FieldRules(remove=[self.options.header])  # which says what is wrong with the name
        self._new = _FORMATS[self.options.format]

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        if (
            self.options.accept
            and exchange.trusted
            and self._accepts(exchange, headers.get(self.options.header))
        ):
            return
        exchange.request_id = new = self._new()
        headers[self.options.header] = new

    def _accepts(self, exchange: Exchange, known: str | None) -> bool:
        if known is None:
            return False
        try:
            exchange.request_id = known
        except ValueError:  # it would not be fit for logs
            return False
        self.worker.count("accepted")
        return True

    def on_response(self, exchange: Exchange) -> None:
        if self.options.response:
            exchange.response.headers[self.options.header] = exchange.request_id


def uuid4() -> str:
    """RFC 9562 section 5.4."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def hexadecimal() -> str:
    """32 digits."""
    return os.urandom(16).hex()


def ulid() -> str:
    """48 bits of milliseconds and 80 random ones, in Crockford's base 32."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


_FORMATS = {"uuid4": uuid4, "hex": hexadecimal, "ulid": ulid}
