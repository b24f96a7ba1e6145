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
        self.tasks = [asyncio.create_task(self._serve(number)) for number in range(COUNT)]

    async def serve(self, balance: spec.Balance) -> None:
        addresses = tuple(backend.address for backend in self.backends)
        await self.stage.serve(endpoints=addresses, service={"balance": balance})

    async def ask(self, *lines: str, path: str = "/") -> int:
        client = await self.stage.client()
        answer = await client.ask(post(*lines, method="GET", path=path))
        client.close()
        return int(answer.body)

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
