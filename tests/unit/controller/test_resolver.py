import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest

from headgate.controller import resolver as module
from headgate.controller.resolver import Resolver, SystemNames, as_compiled, is_name, names
from headgate.spec import Address, Endpoint, Service, Snapshot
from support.names import NameServer

LOG = logging.getLogger("test")


class Names:
    """A name system: what it answers can be changed; counts the questions."""

    def __init__(self, **answers: tuple[str, ...]) -> None:
        self.answers = answers
        self.seconds = 0.0
        self.asked: list[str] = []

    async def __call__(self, name: str) -> tuple[tuple[str, ...], float]:
        self.asked.append(name)
        await asyncio.sleep(0)
        if name not in self.answers:
            raise OSError(4, "Domain name not found")
        return self.answers[name], self.seconds


def snapshot(*endpoints: str) -> Snapshot:
    def address(text: str) -> Address:
        host, _, port = text.rpartition(":")
        return Address(host=host.strip("[]"), port=int(port))

    return Snapshot(
        services=(
            Service(
                name="s",
                endpoints=tuple(Endpoint(name=e, addresses=(address(e),), weight=2) for e in endpoints),
            ),
        )
    )


def hosts(snapshot: Snapshot) -> list[list[str]]:
    return [[address.host for address in endpoint.addresses] for endpoint in snapshot.services[0].endpoints]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "START_SECONDS", 0.2)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.b", True),
        ("localhost", True),
        ("1.2.3.4", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_is_name(host: str, expected: bool) -> None:
    assert is_name(host) is expected


async def test_names_become_addresses_and_the_rest_stays() -> None:
    resolver = Resolver(LOG, lambda: None, Names(app=("10.0.0.1", "10.0.0.2")))
    compiled = snapshot("app:80", "127.0.0.1:81", "[::1]:82")
    assert names(compiled) == {"app"}
    assert await resolver.learn(names(compiled)) == []
    resolved = resolver.resolve(compiled)
    assert hosts(resolved) == [["10.0.0.1", "10.0.0.2"], ["127.0.0.1"], ["::1"]]
    assert {address.port for address in resolved.services[0].endpoints[0].addresses} == {80}
    assert resolved.services[0].endpoints[0].weight == 2
    assert as_compiled(resolved) == compiled
    resolver.close()


async def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    changes: list[int] = []
    system = Names()
    resolver = Resolver(LOG, lambda: changes.append(1), system)
    compiled = snapshot("app:80")
    assert await resolver.learn(names(compiled)) == ["app"]
    assert hosts(resolver.resolve(compiled)) == [[]]
    resolver.watch({"app"})
    await until(lambda: resolver.failures >= 2)
    assert not changes
    system.answers["app"] = ("10.0.0.1",)
    await until(lambda: changes)
    assert hosts(resolver.resolve(compiled)) == [["10.0.0.1"]]
    resolver.close()


async def test_the_last_good_answer_stays_on_errors(caplog: pytest.LogCaptureFixture) -> None:
    changes: list[int] = []
    system = Names(app=("10.0.0.1",))
    resolver = Resolver(LOG, lambda: changes.append(1), system)
    compiled = snapshot("app:80")
    await resolver.learn(names(compiled))
    del system.answers["app"]
    await until(lambda: resolver.failures >= 3)
    assert hosts(resolver.resolve(compiled)) == [["10.0.0.1"]]
    assert not changes
    assert [record.message for record in caplog.records] == [
        "the name app does not resolve: Domain name not found; its last addresses stay in use"
    ]
    system.answers["app"] = ("10.0.0.2",)
    await until(lambda: changes)
    assert hosts(resolver.resolve(compiled)) == [["10.0.0.2"]]
    resolver.close()


async def test_the_time_to_live_says_when_to_ask_again() -> None:
    system = Names(app=("10.0.0.1",))
    system.seconds = 3600.0
    resolver = Resolver(LOG, lambda: None, system)
    await resolver.learn({"app"})
    resolver.watch({"app"})
    await asyncio.sleep(0.05)
    assert system.asked == ["app"]
    resolver.close()


async def test_only_watched_names_are_followed() -> None:
    system = Names(a=("10.0.0.1",), b=("10.0.0.2",))
    resolver = Resolver(LOG, lambda: None, system)
    await resolver.learn({"a", "b"})
    resolver.watch({"b"})
    system.asked.clear()
    await until(lambda: len(system.asked) > 3)
    assert set(system.asked) == {"b"}
    resolver.close()


async def test_a_silent_name_system_delays_but_does_not_stop() -> None:
    async def silence(_: str) -> tuple[tuple[str, ...], float]:
        await asyncio.sleep(3600)
        raise AssertionError

    resolver = Resolver(LOG, lambda: None, silence)
    async with asyncio.timeout(5):
        assert await resolver.learn({"app"}) == ["app"]
    resolver.close()


async def test_one_that_takes_over_begins_with_what_is_served() -> None:
    changes: list[int] = []
    compiled = snapshot("app:80")
    first = Resolver(LOG, lambda: None, Names(app=("10.0.0.1",)))
    await first.learn(names(compiled))
    served = first.resolve(compiled)
    first.close()
    system = Names()
    second = Resolver(LOG, lambda: changes.append(1), system)
    second.seed(served)
    second.watch(names(as_compiled(served)))
    assert second.resolve(as_compiled(served)) == served
    system.answers["app"] = ("10.0.0.9",)
    await until(lambda: changes)
    assert hosts(second.resolve(compiled)) == [["10.0.0.9"]]
    second.close()


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


async def test_a_name_server_says_addresses_and_how_long(name_server: NameServer) -> None:
    look_up = SystemNames([name_server.address])
    name_server.addresses = ["10.0.0.2", "::5", "10.0.0.1"]
    name_server.seconds = 77
    assert await look_up("app.test") == (("10.0.0.1", "10.0.0.2"), 77.0)
    name_server.addresses = ["::5"]
    assert await look_up("other.test") == (("::5",), 77.0)
    name_server.addresses = []
    with pytest.raises(OSError, match="server returned general failure"):
        await look_up("third.test")


async def test_the_systems_own_names() -> None:
    resolver = Resolver(LOG, lambda: None)
    compiled = snapshot("localhost:80", "no-such-name.invalid:80")
    assert await resolver.learn(names(compiled)) == ["no-such-name.invalid"]
    assert hosts(resolver.resolve(compiled)) == [["127.0.0.1"], []]
    resolver.close()
