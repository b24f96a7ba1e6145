"""Names of endpoints to addresses, again and again, without ever blocking or forgetting a good answer.

Names are looked up as the system's files say (/etc/hosts, /etc/resolv.conf), and again when their
answer's time to live is over. Where a name has IPv4 addresses, those are used and its IPv6 ones are not:
`localhost` has both almost everywhere, and services listen on one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from headgate.base.errors import Refusal
from headgate.config.addresses import parse_endpoint
from headgate.spec import Address, Endpoint, Service, Snapshot

if TYPE_CHECKING:
    import aiodns

SHORTEST_SECONDS = 1.0  # between two looks at one name
LONGEST_SECONDS = 300.0
FIRST_RETRY_SECONDS = 1.0  # after a failure, doubling
LONGEST_RETRY_SECONDS = 30.0
START_SECONDS = 2.0  # how long a new snapshot waits for its names


def is_name(host: str) -> bool:
    """Whether `host` must be looked up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host)
    return False


def names(snapshot: Snapshot) -> set[str]:
    """The names of all endpoints of a snapshot as it was compiled."""
    return {
        address.host
        for service in snapshot.services
        for endpoint in service.endpoints
        for address in endpoint.addresses
        if is_name(address.host)
    }


def as_compiled(snapshot: Snapshot) -> Snapshot:
    """A resolved snapshot with the names in it again, from the endpoints as people wrote them."""

    def unresolved(endpoint: Endpoint) -> Endpoint:
        try:
            address = parse_endpoint(endpoint.name).address
        except Refusal:
            return endpoint
        return msgspec.structs.replace(endpoint, addresses=(address,))

    return _with_endpoints(snapshot, unresolved)


def _with_endpoints(snapshot: Snapshot, change: Callable[[Endpoint], Endpoint]) -> Snapshot:
    services: Iterator[Service] = (
        msgspec.structs.replace(service, endpoints=tuple(change(endpoint) for endpoint in service.endpoints))
        for service in snapshot.services
    )
    return msgspec.structs.replace(snapshot, services=tuple(services))


@dataclass(slots=True)
class Answer:
    """What is known of a name. No addresses: it never resolved."""

    addresses: tuple[str, ...] = ()
    failures: int = 0


Lookup = Callable[[str], Awaitable[tuple[tuple[str, ...], float]]]


class Resolver:
    """Keeps the names that `watch` was last given resolved; `on_change` tells of new addresses."""

    def __init__(
        self, log: logging.Logger, on_change: Callable[[], None], lookup: Lookup | None = None
    ) -> None:
        """`lookup(name)` gives addresses and seconds to live once awaited, or raises OSError."""
        self._log = log
        self._on_change = on_change
        self._lookup: Lookup = lookup or SystemNames()
        self._answers: dict[str, Answer] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._first: dict[str, asyncio.Event] = {}
        self.failures = 0  # look-ups that failed, in all

    def seed(self, snapshot: Snapshot) -> None:
        """Begin with the addresses in a resolved snapshot, for a controller that takes over."""
        for service in snapshot.services:
            for endpoint in service.endpoints:
                for name in self._names_of(endpoint):
                    hosts = tuple(address.host for address in endpoint.addresses)
                    self._answers.setdefault(name, Answer(hosts))

    @staticmethod
    def _names_of(endpoint: Endpoint) -> Iterator[str]:
        try:
            address = parse_endpoint(endpoint.name).address
        except Refusal:
            return
        if is_name(address.host):
            yield address.host

    async def learn(self, wanted: Iterable[str]) -> list[str]:
        """Look up names that are new, for a limited time; returns those without an address, sorted."""
        wanted = set(wanted)
        for name in wanted:
            self._follow(name)
        waits = [self._first[name].wait() for name in wanted]
        if waits:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*waits), START_SECONDS)
        return sorted(name for name in wanted if not self._answers[name].addresses)

    def watch(self, wanted: Iterable[str]) -> None:
        """Follow these names, and no others any more."""
        wanted = set(wanted)
        for name in wanted:
            self._follow(name)
        for name in self._tasks.keys() - wanted:
            self._tasks.pop(name).cancel()
            del self._answers[name], self._first[name]

    def _follow(self, name: str) -> None:
        if name in self._tasks:
            return
        answer = self._answers.setdefault(name, Answer())
        first = self._first[name] = asyncio.Event()
        if answer.addresses:
            first.set()
        self._tasks[name] = asyncio.get_running_loop().create_task(self._keep(name, answer, first))

    async def _keep(self, name: str, answer: Answer, first: asyncio.Event) -> None:
        while True:
            try:
                addresses, seconds = await self._lookup(name)
            except OSError as error:
                pause = self._failed(name, answer, error)
            else:
                pause = self._answered(name, answer, addresses, seconds, first.is_set())
            first.set()
            await asyncio.sleep(pause)

    def _failed(self, name: str, answer: Answer, error: OSError) -> float:
        if answer.failures == 0:
            kept = "its last addresses stay in use" if answer.addresses else "its endpoints get no exchanges"
            self._log.warning("the name %s does not resolve: %s; %s", name, error.strerror or error, kept)
        answer.failures += 1
        self.failures += 1
        pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(answer.failures - 1, 10))
        return pause * random.uniform(0.9, 1.1)  # noqa: S311  spreads load, hides nothing

    def _answered(
        self, name: str, answer: Answer, addresses: tuple[str, ...], seconds: float, known: bool
    ) -> float:
        if answer.failures:
            self._log.info("the name %s resolves again", name)
            answer.failures = 0
        if addresses != answer.addresses:
            answer.addresses = addresses
            if known:
                self._log.info("the name %s has the addresses %s now", name, ", ".join(addresses))
                self._on_change()
        return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)

    def resolve(self, compiled: Snapshot) -> Snapshot:
        """The snapshot with numbers in place of names, as far as they are known."""
        return _with_endpoints(compiled, self._resolved)

    def _resolved(self, endpoint: Endpoint) -> Endpoint:
        if not any(is_name(address.host) for address in endpoint.addresses):
            return endpoint
        addresses: list[Address] = []
        for address in endpoint.addresses:
            if not is_name(address.host):
                addresses.append(address)
            elif address.host in self._answers:
                found = self._answers[address.host].addresses
                addresses += [Address(host=host, port=address.port) for host in found]
        return msgspec.structs.replace(endpoint, addresses=tuple(addresses))

    def close(self) -> None:
        """Stop looking."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


class SystemNames:
    """Looks names up with c-ares, as the files of the system say, or at `nameservers` (`address:port`)."""

    def __init__(self, nameservers: Sequence[str] | None = None) -> None:
        self._nameservers = nameservers
        self._resolver: aiodns.DNSResolver | None = None

    async def __call__(self, name: str) -> tuple[tuple[str, ...], float]:
        import aiodns  # only a configuration with names pays for it

        if self._resolver is None:
            self._resolver = aiodns.DNSResolver(self._nameservers, timeout=2.0, tries=2)
        try:
            found = await self._resolver.getaddrinfo(name, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise OSError(*_reason(error)) from None
        by_family: dict[int, set[str]] = {socket.AF_INET: set(), socket.AF_INET6: set()}
        for node in found.nodes:
            host = node.addr[0]
            by_family[node.family].add(host.decode() if isinstance(host, bytes) else host)
        addresses = by_family[socket.AF_INET] or by_family[socket.AF_INET6]
        if not addresses:
            raise OSError(0, "it has no addresses")
        seconds = min(node.ttl for node in found.nodes)
        return tuple(sorted(addresses, key=ipaddress.ip_address)), float(seconds)


def _reason(error: Exception) -> tuple[int, str]:
    code, text = (*error.args, 0, "no answer")[:2]
    return int(code), str(text).lower()
