"""traceparent."""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from headgate.middleware import Exchange, Middleware, option
from headgate.middleware.options import Percent

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
MOST_MEMBERS = 32
SAMPLED, RANDOM = 1, 2


class Traceparent(Middleware):
    """Begin a trace where none is on its way (W3C Trace Context, level 2). A valid traceparent is passed on
    as it came; one that is not is replaced, and what tracestate said with it is removed.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        sample: Percent = option("How many of the traces that begin here are marked as sampled.", 100.0)
        accept: Literal["anyone", "trusted"] = option(
            "Whose traces go on: everybody's, or those of trusted proxies.", "anyone"
        )

    counters: ClassVar = {
        "begun": "Traces that began here.",
        "malformed": "Requests whose traceparent or tracestate was malformed.",
    }

    def prepare(self) -> None:
        self._share = self.options.sample / 100
        self._from_anyone = self.options.accept == "anyone"

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        known = headers.get("traceparent")
        if known is not None and (self._from_anyone or exchange.trusted):
            if is_traceparent(known):
                state = headers.get("tracestate")
                if state is not None and not is_tracestate(state):
                    del headers["tracestate"]
                    self.worker.count("malformed")
                return
            self.worker.count("malformed")
        # Section 3.2: without a traceparent nobody may read the tracestate.
        headers.pop("tracestate")
        headers["traceparent"] = new_traceparent(sampled=random.random() < self._share)  # noqa: S311 - no secret
        self.worker.count("begun")


def is_traceparent(text: str) -> bool:
    """Section 3.2; of a version that is not known yet, what this one says of it (section 3.2.2.3)."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return False
    version, trace, parent, _, more = found.groups()
    return (
        version != "ff"
        and trace.strip("0") != ""
        and parent.strip("0") != ""
        and not (version == "00" and more)
    )


def is_tracestate(text: str) -> bool:
    """Section 3.3.1: up to 32 members `key=value`, no key twice; empty ones do not count."""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = set()
    for member in members:
        key, equals, value = member.partition("=")
        if not equals or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            return False
        keys.add(key)
    return len(keys) == len(members) <= MOST_MEMBERS


def new_traceparent(*, sampled: bool) -> str:
    """Of version 00, with random ids, and the flag that says so."""
    digits = os.urandom(24).hex()
    trace, parent = digits[:32], digits[32:]
    if trace.strip("0") == "" or parent.strip("0") == "":
        return new_traceparent(sampled=sampled)
    return f"00-{trace}-{parent}-{RANDOM | SAMPLED if sampled else RANDOM:02x}"
