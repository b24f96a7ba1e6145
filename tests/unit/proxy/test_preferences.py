"""Zones, tiers and subsets in the path of exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from headgate import spec
from headgate.core.rotation import HealthWord, ProbeState, RotationWord
from headgate.core.shared import SharedCell, SharedTable
from headgate.shm.names import endpoint_cell, service_cell
from unit.proxy.stage import Stage
from unit.proxy.test_balance import COUNT, Crowd

LEVELS_BLOCK = 12


@pytest.fixture
async def crowd(stage: Stage) -> AsyncIterator[Crowd]:
    made = Crowd(stage)
    yield made
    await made.close()


async def serve(crowd: Crowd, changes: list[dict[str, Any]], **more: Any) -> None:
    """Serve with these changes of endpoints."""
    replace = msgspec.structs.replace
    addresses = tuple(backend.address for backend in crowd.backends)
    snapshot = crowd.stage.snapshot(endpoints=addresses, **more)
    (service,) = snapshot.services
    endpoints = tuple(replace(one, **change) for one, change in zip(service.endpoints, changes, strict=True))
    changed = replace(service, endpoints=endpoints, levels_metric=LEVELS_BLOCK)
    runtime = crowd.stage.runtime
    runtime.commit(runtime.prepare(replace(snapshot, services=(changed,))))
    if crowd.stage.acceptor is None:
        crowd.stage.acceptor = runtime.listen("web", crowd.stage.listening.detach())


def cell(crowd: Crowd, name: str) -> SharedCell:
    return SharedTable(memoryview(crowd.stage.shared)).cell(name)


def fell_ill(crowd: Crowd, *numbers: int) -> None:
    for number in range(COUNT):
        address = crowd.backends[number].address
        found = cell(crowd, endpoint_cell("backend", f"{address.host}:{address.port}", address))
        state = ProbeState.PROBE_UNHEALTHY if number in numbers else ProbeState.PROBE_HEALTHY
        found.write(HealthWord.PROBE_STATE, state)
    cell(crowd, service_cell("backend")).increase(RotationWord.ROTATION_CHANGES)


ZONES: list[dict[str, Any]] = [{"level": 0}, {"level": 0}, {"level": 1}, {"level": 1}]
VERSIONS: list[dict[str, Any]] = [
    {"labels": (("version", f"v{version}"),)} for version in (1, 1, 1, 2)
]  # fmt: skip


def subset(version: str) -> tuple[tuple[str, str], ...]:
    return (("version", version),)


async def test_another_zone_takes_over(crowd: Crowd) -> None:
    await serve(crowd, ZONES)
    assert {await crowd.ask() for _ in range(12)} == {0, 1}
    fell_ill(crowd, 0)
    found = [await crowd.ask() for _ in range(20)]
    assert found.count(1) == 14  # 70 %
    assert set(found) == {1, 2, 3}
    fell_ill(crowd, 0, 1)
    assert {await crowd.ask() for _ in range(12)} == {2, 3}


async def test_an_attempt_that_failed_goes_on_in_another_zone(crowd: Crowd) -> None:
    await serve(crowd, ZONES)
    for number in (0, 1):
        crowd.tasks[number].cancel()
        await asyncio.gather(crowd.tasks[number], return_exceptions=True)
        crowd.backends[number].close()
    assert {await crowd.ask() for _ in range(8)} == {2, 3}


async def test_sticky_clients_stay_where_they_are(crowd: Crowd) -> None:
    """Also in another zone, when their own can have everybody again."""
    sticky = spec.Sticky(by="header", name="X-Stay", metric=11)
    await serve(crowd, ZONES, service={"sticky": sticky})
    fell_ill(crowd, 0, 1)
    client = await crowd.stage.client()
    answer = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    client.close()
    token, endpoint = answer.get("x-stay"), int(answer.body)
    fell_ill(crowd)
    assert {await crowd.ask(f"X-Stay: {token}") for _ in range(8)} == {endpoint}
    assert {await crowd.ask() for _ in range(8)} == {0, 1}


async def test_a_route_asks_for_a_subset(crowd: Crowd) -> None:
    shares = (spec.ServiceShare("backend", subset=subset("v2")),)
    await serve(crowd, VERSIONS, route={"services": shares})
    assert {await crowd.ask() for _ in range(8)} == {3}
    fell_ill(crowd, 3)
    assert {await crowd.ask() for _ in range(8)} == {3}  # ill as it is: others are not what was asked for


async def test_an_ill_subset_falls_back_where_that_is_wanted(crowd: Crowd) -> None:
    shares = (spec.ServiceShare("backend", subset=subset("v2")),)
    await serve(crowd, VERSIONS, route={"services": shares}, service={"subset_fallback": True})
    fell_ill(crowd, 3)
    assert {await crowd.ask() for _ in range(12)} == {0, 1, 2}
    fell_ill(crowd)
    assert {await crowd.ask() for _ in range(8)} == {3}


async def test_no_endpoint_of_a_subset_is_left(crowd: Crowd) -> None:
    shares = (spec.ServiceShare("backend", subset=subset("v3")),)
    await serve(crowd, VERSIONS, route={"services": shares})
    assert await crowd.ask() == -1


async def test_a_split_by_subset(crowd: Crowd) -> None:
    shares = (
        spec.ServiceShare("backend", weight=3, variant="old", subset=subset("v1"), metric=13),
        spec.ServiceShare("backend", weight=1, variant="new", subset=subset("v2"), metric=14),
    )
    await serve(crowd, VERSIONS, route={"services": shares})
    found = [await crowd.ask() for _ in range(40)]
    assert found.count(3) == 10
    assert {found.count(number) for number in range(3)} == {10}


async def test_a_subset_shares_the_limits_of_its_service(crowd: Crowd) -> None:
    limit = spec.Concurrency(limit=1, queue=0)
    shares = (
        spec.ServiceShare("backend", variant="old", subset=subset("v1"), metric=13),
        spec.ServiceShare("backend", variant="new", subset=subset("v2"), metric=14),
    )
    await serve(crowd, VERSIONS, route={"services": shares}, service={"concurrency": limit})
    crowd.slow = dict.fromkeys(range(COUNT), 0.3)
    found = await asyncio.gather(*(crowd.ask() for _ in range(6)))
    assert found.count(-1) == 5


async def test_a_subset_shares_the_endpoints_and_breakers_of_its_service(crowd: Crowd) -> None:
    shares = (
        spec.ServiceShare("backend", metric=13),
        spec.ServiceShare("backend", variant="new", subset=subset("v2"), metric=14),
    )
    breaker = spec.Breaker(scope="endpoint", consecutive=2)
    await serve(crowd, VERSIONS, route={"services": shares}, service={"breaker": breaker})
    live = crowd.stage.runtime.live
    (part,) = live.subsets.values()
    assert all(
        one is other for one, other in zip(part.endpoints, live.services["backend"].endpoints, strict=True)
    )
    crowd.tasks[3].cancel()
    await asyncio.gather(crowd.tasks[3], return_exceptions=True)
    crowd.backends[3].close()
    found = [await crowd.ask() for _ in range(12)]
    # Of the whole service others answer; the subset has nobody else, and its breaker opens for both.
    assert found.count(-1) == 6
    assert {one for one in found if one >= 0} == {0, 1, 2}
