"""What limits count by: `key` of rate_limit, concurrency and bandwidth."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from headgate.core.rates import network_of
from headgate.middleware import Exchange, StateKey
from headgate.middleware.options import Kind

PrefixBits = Annotated[int, Kind("int", 1, 128)]
ErrorStatus = Annotated[int, Kind("int", 400, 599)]
KeyOf = Callable[[Exchange], str]

# Claims of the token that a middleware before this one has verified.
CLAIMS: StateKey[Mapping[str, Any]] = StateKey("claims")

HELP = (
    "What is counted by: `client_ip`, `user` (whom a middleware before this one named), `route`, "
    "`header:NAME`, `cookie:NAME`, `claim:NAME` (of a verified token), or several of these together. "
    "Requests that have not got it count together."
)
PREFIX_HELP = "So many bits of an IPv6 address are one client: a subscriber has at least a /64."

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_WORDS = ("client_ip", "user", "route", "header:NAME", "cookie:NAME", "claim:NAME")


def key_of(parts: tuple[str, ...], ipv6_prefix: int) -> KeyOf:
    """The function that gives the key of an exchange. Raises ValueError for what nobody can count by."""
    found = [_part(part, ipv6_prefix) for part in parts]
    if not found:
        return lambda _exchange: ""
    if len(found) == 1:
        return found[0]
    return lambda exchange: "\0".join([part(exchange) for part in found])  # no field can have a NUL


def _part(text: str, ipv6_prefix: int) -> KeyOf:
    kind, colon, name = text.partition(":")
    if colon and name:
        if kind == "header":
            if not _FIELD_NAME.fullmatch(name):
                raise ValueError(f"key: {name!r} is no name of a field; write for example header:X-Api-Key")
            return lambda exchange: exchange.request.headers.get(name, "")
        if kind == "cookie":
            return lambda exchange: exchange.request.cookies.get(name, "")
        if kind == "claim":
            return lambda exchange: str(exchange.state.get(CLAIMS, {}).get(name, ""))
    elif not colon and kind in _PLAIN:
        return _PLAIN[kind](ipv6_prefix)
    near = difflib.get_close_matches(text.replace(":", ":NAME") if not name else text, _WORDS, 1, 0.5)
    meant = f"did you mean {near[0]}?" if near else f"write {', '.join(_WORDS)}, or several of these"
    raise ValueError(f"key: {text!r} is nothing that can be counted by; {meant}")


def _client_ip(ipv6_prefix: int) -> KeyOf:
    return lambda exchange: network_of(exchange.client, ipv6_prefix)


def _user(_: int) -> KeyOf:
    return lambda exchange: exchange.user or ""


def _route(_: int) -> KeyOf:
    return lambda exchange: exchange.route


_PLAIN = {"client_ip": _client_ip, "user": _user, "route": _route}
