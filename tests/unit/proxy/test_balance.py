"""Which endpoint an exchange goes to: the key that a service asks for, over reloads and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

import pytest

from headgate import spec
from headgate.core.load import Load, WholeLoad
from headgate.core.rotation import HealthWord, RotationWord
from headgate.core.shared import SharedTable
from headgate.core.tables import settle
from headgate.shm.names import endpoint_cell, load_cell, service_cell, whole_load_cell
from unit.proxy.stage import OK, Backend, Stage, post, until

COUNT = 4


class Crowd:
    """Several backends that say which of them they are."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.backends = [stage.backend, *(Backend() for _ in range(COUNT - 1))]
        self.slow: dict[int, float] = {}  # seconds, by number
        self.refusing: set[int] = set()  # those that answer 429, at once
        self.tasks = [asyncio.create_task(self._serve(number)) for number in range(COUNT)]

    async def serve(self, balance: spec.Balance, workers: int = 1) -> None:
        addresses = tuple(backend.address for backend in self.backends)
        await self.stage.serve(
            endpoints=addresses, service={"balance": balance}, process=spec.Process(workers=workers)
        )

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
    """After its first slow answer."""
    await crowd.serve(spec.Balance("least_time"))
    crowd.slow[2] = 0.2
    for _ in range(20 * COUNT):  # chance has to come to it once
        if await crowd.ask() == 2:
            break
    else:
        pytest.fail("never asked")
    assert 2 not in [await crowd.ask() for _ in range(30)]


async def test_refusals_draw_nobody(crowd: Crowd) -> None:
    """They are the fastest answers."""
    await crowd.serve(spec.Balance("least_time"))
    crowd.refusing.add(1)
    crowd.slow = dict.fromkeys((0, 2, 3), 0.01)
    assert [await crowd.ask() for _ in range(40)].count(-1) <= 1


def load_of(crowd: Crowd, number: int, slot: int, workers: int) -> Load:
    """What another worker counts at an endpoint."""
    address = crowd.backends[number].address
    name = load_cell("backend", f"{address.host}:{address.port}", address)
    return Load(SharedTable(memoryview(crowd.stage.shared)).cell(name), slot, workers)


@pytest.mark.parametrize("algorithm", ["least_requests", "power_of_two", "least_time"])
async def test_what_other_workers_have_in_flight_counts(crowd: Crowd, algorithm: str) -> None:
    await crowd.serve(spec.Balance(algorithm), workers=2)
    assert sorted({await crowd.ask() for _ in range(60)}) == [0, 1, 2, 3]
    other = load_of(crowd, 2, 1, 2)
    for _ in range(1000):
        other.enter()
    assert 2 not in [await crowd.ask() for _ in range(60)]
    load_of(crowd, 2, 1, 2)  # it was killed, and the next one starts in its slot
    for number in (0, 1, 3):  # whoever was slow by chance: by time, the others are not better
        load_of(crowd, number, 1, 2).note(5.0, asyncio.get_running_loop().time())
    assert 2 in [await crowd.ask() for _ in range(60)]


async def test_the_bound_of_load_counts_all_workers(crowd: Crowd) -> None:
    balance = spec.Balance("consistent_hash", "header", "x-user", bounded_load=1.25)
    await crowd.serve(balance, workers=2)
    (owner,) = {await crowd.ask("X-User: a") for _ in range(10)}
    other = load_of(crowd, owner, 1, 2)
    other.join(WholeLoad(SharedTable(memoryview(crowd.stage.shared)).cell(whole_load_cell("backend")), 1, 2))
    for _ in range(20):
        other.enter()
    assert owner not in {await crowd.ask("X-User: a") for _ in range(10)}


async def test_latency_that_another_worker_measured_counts(crowd: Crowd) -> None:
    await crowd.serve(spec.Balance("least_time"), workers=2)
    assert sorted({await crowd.ask() for _ in range(40)}) == [0, 1, 2, 3]
    load_of(crowd, 1, 1, 2).note(5.0, asyncio.get_running_loop().time())
    assert 1 not in [await crowd.ask() for _ in range(40)]


async def test_counts_go_on_over_reloads(crowd: Crowd) -> None:
    """Also where nobody counted before, and where an endpoint is away meanwhile."""
    await crowd.serve(spec.Balance("round_robin"))
    crowd.slow = dict.fromkeys(range(COUNT), 0.2)
    asking = [asyncio.create_task(crowd.ask()) for _ in range(COUNT)]
    await until(
        lambda: sum(crowd.stage.runtime.live.services["backend"].in_flight) == COUNT, "all to be asked"
    )
    await crowd.serve(spec.Balance("least_requests"))
    lent = [load_of(crowd, number, -1, 1) for number in range(COUNT)]
    assert [load.used() for load in lent] == [1] * COUNT
    kept = crowd.backends
    await crowd.stage.serve(endpoints=(kept[0].address,), service={"balance": spec.Balance("least_requests")})
    await crowd.serve(spec.Balance("least_requests"))
    assert [load.used() for load in lent] == [1] * COUNT
    await asyncio.gather(*asking)
    assert [load.used() for load in lent] == [0] * COUNT


@pytest.mark.parametrize("table", ["ring", "maglev"])
async def test_tables_follow_weights_from_a_thread(crowd: Crowd, table: Literal["ring", "maglev"]) -> None:
    """Until the new one is there, the old one is used."""
    balance = spec.Balance("consistent_hash", "header", "x-user", table)
    await crowd.serve(balance)
    users = [f"X-User: {number}" for number in range(60)]
    before = [await crowd.ask(user) for user in users]
    assert 5 < before.count(0) < 30
    shared = SharedTable(memoryview(crowd.stage.shared))
    address = crowd.backends[0].address
    cell = shared.cell(endpoint_cell("backend", f"{address.host}:{address.port}", address))
    cell.write(HealthWord.ORDERS, (60 + 1) << 8)
    shared.cell(service_cell("backend")).increase(RotationWord.ROTATION_CHANGES)
    await crowd.ask(users[0])
    settle()
    after = [await crowd.ask(user) for user in users]
    assert after.count(0) > 50
    assert all(one == other for one, other in zip(before, after, strict=True) if one == 0)
    # A snapshot begins with the weights of the file, and goes on with those of the operator.
    await crowd.serve(balance)
    await crowd.ask(users[0])
    settle()
    assert [await crowd.ask(user) for user in users] == after
