"""Limits in a Redis, without a proxy around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis as Client

from headgate.middleware.builtin.redis_rates import Decision, Redis, RedisRates
from headgate.spec import Secret
from support.hooks import Alone
from support.redis import RedisServer

HOUR = 3600 * 10**9


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as started:
        yield started


@asynccontextmanager
async def rates(
    url: str, name: str, rate: float = 1 / 3600, burst: int = 5, worker: Alone | None = None
) -> AsyncIterator[RedisRates]:
    options = Redis(url=Secret(url), timeout=10.0)
    made = RedisRates(options, name, rate, burst, worker or Alone())
    yield made
    await made.close()


async def test_a_burst_over_two_machines(server: RedisServer) -> None:
    async with rates(server.url, "a") as one, rates(server.url, "a") as other:
        found = [await (one, other)[number % 2].take("k") for number in range(7)]
        assert [decision.remaining for decision in found if decision is not None] == [4, 3, 2, 1, 0, 0, 0]
        assert found[0] == Decision(0, HOUR, 4)
        for decision in found[5:]:
            assert decision is not None
            assert 0.9 * HOUR < decision.wait <= HOUR
            assert 4.9 * HOUR < decision.reset <= 5 * HOUR
        fresh = await other.take("another")
        assert fresh is not None
        assert fresh.wait == 0


async def test_what_is_to_be_decided_at_once_goes_in_one_call(server: RedisServer) -> None:
    with Client(port=server.port) as client:
        async with rates(server.url, "b", burst=20) as limit:
            await limit.take("warm")  # connected, and the script is known
            client.config_resetstat()
            found = await asyncio.gather(*[limit.take("k") for _ in range(50)])
        assert sum(decision is not None and decision.wait == 0 for decision in found) == 20
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 1


async def test_the_server_never_learns_a_key_and_forgets_what_came_back(server: RedisServer) -> None:
    with Client(port=server.port) as client:
        client.flushall()
        async with rates(server.url, "c", rate=1000.0) as limit:
            await limit.take("secret")
        (name,) = client.keys()
        assert name.startswith(b"headgate:")
        assert b"secret" not in name
        assert 0 < client.pttl(name) <= 1002


async def test_without_an_answer_in_time_nobody_waits_for_it() -> None:
    """A server that accepts and says nothing; a second later than that it is looked at again."""
    accepted: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    worker = Alone()
    limit = RedisRates(Redis(Secret(f"redis://:hidden@127.0.0.1:{port}"), timeout=0.05), "d", 1.0, 1, worker)
    assert await asyncio.gather(*[limit.take(str(number)) for number in range(3)]) == [None] * 3
    assert not limit.near
    assert await limit.take("later") is None  # at once
    assert worker.lines == ["Redis does not answer (no answer in time): the limit is kept here"]
    await limit.close()
    for writer in accepted:
        writer.close()
    listening.close()
