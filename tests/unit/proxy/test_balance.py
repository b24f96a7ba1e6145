"""Which endpoint an exchange goes to: the key that a service asks for, over reloads and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from headgate import spec
from unit.proxy.stage import OK, Backend, Stage, post

COUNT = 4


class Crowd:
    """Several backends that say which of them they are."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.backends = [stage.backend, *(Backend() for _ in range(COUNT - 1))]
        self.slow: dict[int, float] = {}  # seconds, by number
        self.refusing: set[int] = set()  # those that answer 429, at once
        self.tasks = [asyncio.create_task(self._serve(number)) for number in range(COUNT)]

    async def serve(self, balance: spec.Balance) -> None:
        addresses = tuple(backend.address for backend in self.backends)
        await self.stage.serve(endpoints=addresses, service={"balance": balance})

    async def ask(self, *lines: str, path: str = "/") -> int:
        client = await self.stage.client()
        answer = await client.ask(post(*lines, method="GET", path=path))
        client.close()
        return int(answer.body) if answer.status == 200 else -1

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for backend in self.backends[1:]:
            backend.close()

    async def _serve(self, number: int) -> None:
        while True:
            with suppress(AssertionError):
                upstream = await self.backends[number].accept()
                await upstream.request()
                await asyncio.sleep(self.slow.get(number, 0))
                if number in self.refusing:
                    await upstream.send(OK.replace(b"200 OK", b"429 Too Many Requests")[:-2] + b"xx")
                    upstream.close()
                    continue
                await upstream.send(OK.replace(b"Length: 2", b"Length: 1")[:-2] + b"%d" % number)
                upstream.close()


@pytest.fixture
async def crowd(stage: Stage) -> AsyncIterator[Crowd]:
    made = Crowd(stage)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "balance",
    [
        spec.Balance("consistent_hash", "header", "x-user"),
        spec.Balance("consistent_hash", "cookie", "user", "maglev"),
        spec.Balance("rendezvous", "query", "user"),
    ],
    ids=lambda balance: f"{balance.algorithm}-{balance.key}",
)
async def test_equal_keys_go_to_the_same_endpoint(crowd: Crowd, balance: spec.Balance) -> None:
    async def ask(user: str) -> int:
        return await crowd.ask(f"X-User: {user}", f"Cookie: a=1; user={user}", path=f"/?user={user}")

    await crowd.serve(balance)
    users = [f"user {number}".replace(" ", "-") for number in range(24)]
    before = [await ask(user) for user in users]
    assert len(set(before)) > 1
    await crowd.serve(balance)
    assert [await ask(user) for user in users] == before


async def test_a_request_without_the_key_goes_anywhere(crowd: Crowd) -> None:
    await crowd.serve(spec.Balance("rendezvous", "header", "x-user"))
    assert len({await crowd.ask() for _ in range(40)}) > 1


async def test_one_client_goes_to_one_endpoint(crowd: Crowd) -> None:
    await crowd.serve(spec.Balance("ip_hash"))
    assert len({await crowd.ask() for _ in range(12)}) == 1


async def test_the_first_is_taken(crowd: Crowd) -> None:
    await crowd.serve(spec.Balance("first_available"))
    assert {await crowd.ask() for _ in range(12)} == {0}


async def test_a_slow_endpoint_is_left_alone(crowd: Crowd) -> None:
    """After the first slow answer, and asked again when that is forgotten."""
    await crowd.serve(spec.Balance("least_time"))
    crowd.slow[2] = 0.2
    first = [await crowd.ask() for _ in range(2 * COUNT)]
    assert first.count(2) <= 1
    assert 2 not in [await crowd.ask() for _ in range(30)]


async def test_refusals_draw_nobody(crowd: Crowd) -> None:
    """They are the fastest answers."""
    await crowd.serve(spec.Balance("least_time"))
    crowd.refusing.add(1)
    crowd.slow = dict.fromkeys((0, 2, 3), 0.01)
    assert [await crowd.ask() for _ in range(40)].count(-1) <= 1
