"""ip_allow and ip_deny."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from socket import AF_INET, AF_INET6, inet_pton
from typing import ClassVar, Final, TypeVar

from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.files import WatchedFiles, lines_of
from headgate.middleware.options import File, Ranges
from headgate.middleware.refusal import refusal

T = TypeVar("T")

# ::ffff:0:0/96, where IPv4 lies in IPv6 (RFC 4291 section 2.5.5.2).
_MAPPED: Final = 0xFFFF << 32
_REMEMBERED: Final = 4096
_SORTED: Final = 4096
# A thread that reads a long file lets the loop have its turn after so many lines.
_LINES: Final = 500


class Addresses:
    """A set of addresses. IPv4 written as IPv6 is IPv4; ::/0 is IPv6 only."""

    def __init__(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        found: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for version, first, last in ranges:
            found[version].append((first, last))
        self._four: Sequence[int] = array("Q", _edges(found[4]))
        self._six: Sequence[int] = _edges(found[6])
        self._known: dict[str, bool] = {}

    def __contains__(self, client: str) -> bool:
        known = self._known.get(client)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[client] = self._find(client)
        return known

    def _find(self, client: str) -> bool:
        try:
            version, number, _ = range_of(client.partition("%")[0])
        except ValueError:
            return False  # a client without an address, on a socket of the file system
        return bisect_right(self._four if version == 4 else self._six, number) % 2 == 1


def _slowly(items: Iterable[T]) -> Iterator[T]:
    for number, item in enumerate(items, 1):
        if number % _LINES == 0:
            time.sleep(1e-4)
        yield item


def _edges(ranges: list[tuple[int, int]]) -> list[int]:
    """Where it begins to be inside, and where it ends, in turns: an address with an odd number of edges up to
    it is inside.
    """
    # In parts, for a thread cannot be interrupted while it sorts.
    parts = [sorted(ranges[at : at + _SORTED]) for at in range(0, len(ranges), _SORTED)]
    edges: list[int] = []
    for first, last in _slowly(merge(*parts)):
        if edges and first <= edges[-1]:
            edges[-1] = max(edges[-1], last + 1)
        else:
            edges += (first, last + 1)
    return edges


def range_of(text: str) -> tuple[int, int, int]:
    """4 or 6, first and last address of an address or CIDR range. Raises ValueError."""
    address, slash, length = text.partition("/")
    family, bits = (AF_INET6, 128) if ":" in address else (AF_INET, 32)
    try:
        number = int.from_bytes(inet_pton(family, address), "big")
    except (OSError, ValueError):
        raise ValueError(
            f"{text!r} is no address or range: write for example 10.0.0.0/8 or 2001:db8::/32"
        ) from None
    ones = bits
    if slash:
        if not (length.isascii() and length.isdigit() and int(length[:4]) <= bits):
            raise ValueError(f"{text!r} is no range: behind the slash stands 0 to {bits}")
        ones = int(length)
    hosts = (1 << (bits - ones)) - 1
    first, last = number & ~hosts, number | hosts
    if bits == 128 and ones >= 96 and first >> 32 == 0xFFFF:
        return 4, first - _MAPPED, last - _MAPPED
    return (6 if bits == 128 else 4), first, last


class AddressList(Middleware):
    """Lets clients pass by their addresses."""

    @dataclass(frozen=True, slots=True)
    class Options:
        ranges: Ranges = option("Addresses and CIDR ranges.", (), example=["10.0.0.0/8", "2001:db8::/32"])
        files: tuple[File, ...] = option(
            "Files with one address or range on each line; `#` begins a comment. They are read again when "
            "they change, within two seconds.",
            (),
            example=["offices.txt"],
        )

    counters: ClassVar[Mapping[str, str]] = {"refused": "Exchanges refused because of the client's address."}

    def prepare(self) -> None:
        if not self.options.ranges and not self.options.files:
            raise ValueError("no addresses are named: write `ranges`, `files` or both")
        self._files = WatchedFiles(self.worker, self.options.files, self._addresses)

    async def close(self) -> None:
        self._files.close()

    def _addresses(self, contents: dict[str, bytes]) -> Addresses:
        ranges = [range_of(text) for text in self.options.ranges]
        for path, content in contents.items():
            for where, line in _slowly(lines_of(path, content)):
                try:
                    ranges.append(range_of(line))
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from None
        return Addresses(ranges)

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        looking = self._files.look()
        return self._decide(exchange) if looking is None else self._later(looking, exchange)

    async def _later(self, looking: Awaitable[None], exchange: Exchange) -> Reply | None:
        await looking
        return self._decide(exchange)

    def _decide(self, exchange: Exchange) -> Reply | None:
        raise NotImplementedError

    def _refused(self, exchange: Exchange) -> Reply:
        self.worker.count("refused")
        return refusal(exchange, 403, "Requests from your address are not allowed here.")


class IpAllow(AddressList):
    """Let only clients with certain addresses pass; others get 403."""

    def _decide(self, exchange: Exchange) -> Reply | None:
        return None if exchange.client in self._files.value else self._refused(exchange)


class IpDeny(AddressList):
    """Refuse clients with certain addresses with 403."""

    def _decide(self, exchange: Exchange) -> Reply | None:
        return self._refused(exchange) if exchange.client in self._files.value else None
