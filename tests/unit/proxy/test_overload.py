"""Breakers, limits of concurrency and shedding, as exchanges meet them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any

import pytest

from headgate import spec
from headgate.core.breaker import BreakerState, BreakerWord, since_in, state_in
from headgate.core.cells import Word
from headgate.core.permits import Permits, PermitWord
from headgate.core.shared import SharedCell, SharedTable
from headgate.shm.names import OVERLOAD_CELL, permits_cell, service_cell
from support import Message
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import GET, LISTENER, OK, ROUTE, SERVICE, Backend, End, Stage, post, until

BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
BREAKER = spec.Breaker(error_ratio=0.0, consecutive=2, open_seconds=60.0, longest_seconds=60.0, trials=1)


def cell(stage: Stage, name: str) -> SharedCell:
    return SharedTable(memoryview(stage.shared)).cell(name)


def limited(**policy: Any) -> dict[str, Any]:
    return {"service": {"concurrency": spec.Concurrency(**policy)}}


async def answered(client: End, upstream: End, answer: bytes) -> Message:
    await client.send(GET)
    await upstream.request()
    await upstream.send(answer)
    return await client.response()


async def opened(stage: Stage, breaker: spec.Breaker = BREAKER, **more: Any) -> End:
    """A client of a service whose breaker has just been opened by two answers."""
    await stage.serve(service={"breaker": breaker}, **more)
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(BROKEN)
    assert (await client.response()).status == 500
    assert (await answered(client, upstream, BROKEN)).status == 500
    return client


# --- Breakers ---


async def test_an_open_breaker_answers_with_retry_after(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "headgate"):
        client = await opened(stage)
        refused = await client.ask(GET)
    assert refused.status == 503
    assert 1 <= int(refused.get("retry-after") or "") <= 60
    assert refused.get("proxy-status") == "headgate; error=destination_unavailable"
    assert [record.message for record in caplog.records] == ["breaker of backend: open for 60 s"]
    assert cell(stage, service_cell("backend")).read(BreakerWord.BREAKER_REFUSED) == 1
    assert stage.word(SERVICE, Word.REJECTED) == stage.word(ROUTE, Word.REJECTED) == 1


async def test_an_open_breaker_gives_the_fixed_reply(stage: Stage) -> None:
    reply = spec.Respond(status=200, body="later", headers=(("X-Fixed", "yes"),))
    client = await opened(stage, spec.Breaker(error_ratio=0.0, consecutive=2, respond=reply))
    answer = await client.ask(GET)
    assert (answer.status, answer.body, answer.get("x-fixed")) == (200, b"later", "yes")


async def test_reload_keeps_the_state(stage: Stage) -> None:
    client = await opened(stage)
    await stage.serve(service={"breaker": BREAKER})
    assert (await client.ask(GET)).status == 503


async def test_a_trial_closes_it(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    quick = spec.Breaker(error_ratio=0.0, consecutive=2, open_seconds=0.05, trials=1)
    client = await opened(stage, quick)
    state = cell(stage, service_cell("backend"))
    since = since_in(state)
    await until(lambda: time.monotonic() >= since + 0.051, "the breaker to let a trial through")
    trial = await stage.client()
    with caplog.at_level(logging.INFO, "headgate"):
        await trial.send(GET)
        await until(lambda: state_in(state) is BreakerState.HALF_OPEN, "a trial")
        upstream = stage.backend.ends[0]
        await upstream.request()
        await upstream.send(OK)
        assert (await trial.response()).status == 200
    assert [record.message for record in caplog.records][1:] == [
        "breaker of backend: half-open, trying again",
        "breaker of backend: closed",
    ]
    assert (await answered(client, upstream, OK)).status == 200


async def test_an_endpoint_with_an_open_breaker_is_passed_over(stage: Stage) -> None:
    other = Backend()
    each = spec.Breaker(scope="endpoint", error_ratio=0.0, consecutive=1, open_seconds=60.0)
    await stage.serve(endpoints=(stage.backend.address, other.address), service={"breaker": each})
    client = await stage.client()
    await client.send(GET)
    bad = await stage.backend.accept()
    await bad.request()
    await bad.send(BROKEN)
    assert (await client.response()).status == 500
    await client.send(GET)
    good = await other.accept()
    await good.request()
    await good.send(OK)
    assert (await client.response()).status == 200
    for _ in range(4):
        assert (await answered(client, good, OK)).status == 200
    await answered(client, good, BROKEN)
    refused = await client.ask(GET)
    assert refused.status == 503
    assert 1 <= int(refused.get("retry-after") or "") <= 60
    other.close()


async def test_another_service_answers_for_one_with_an_open_breaker(stage: Stage) -> None:
    other = Backend()
    snapshot = stage.snapshot(
        service={"breaker": spec.Breaker(error_ratio=0.0, consecutive=1, fallback="spare")}
    )
    spare = spec.Service(
        name="spare",
        host="spare.example",
        endpoints=(spec.Endpoint(name="spare", addresses=(other.address,), metric=8),),
        metric=9,
    )
    await stage.serve()
    stage.runtime.commit(
        stage.runtime.prepare(
            spec.Snapshot(
                version=7,
                listeners=snapshot.listeners,
                routes=snapshot.routes,
                services=(*snapshot.services, spare),
            )
        )
    )
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(BROKEN)
    assert (await client.response()).status == 500
    await client.send(GET)
    upstream = await other.accept()
    assert (await upstream.request()).get("host") == "spare.example"
    await upstream.send(OK)
    assert (await client.response()).status == 200
    await stage.quiet()
    assert stage.word(9, Word.RESPONSES_2XX) == 1
    other.close()


@pytest.mark.parametrize(("status", "opens"), [(14, True), (4, True), (5, False), (0, False)])
async def test_a_failed_grpc_call_is_a_failure(stage: Stage, status: int, opens: bool) -> None:
    await stage.serve(service={"breaker": spec.Breaker(error_ratio=0.0, consecutive=1, open_seconds=60.0)})
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\ngrpc-status: %d\r\nContent-Length: 0\r\n\r\n" % status)
    assert (await client.response()).status == 200
    state = state_in(cell(stage, service_cell("backend")))
    assert (state == BreakerState.OPEN) is opens


def again(**more: Any) -> dict[str, Any]:
    """A route whose exchanges have several attempts."""
    return {"services": (spec.ServiceShare(service="backend"),), **more}


async def test_a_retry_asks_the_breaker(stage: Stage) -> None:
    await stage.serve(
        service={"breaker": spec.Breaker(error_ratio=0.0, consecutive=1, open_seconds=60.0)},
        route=again(retry=spec.Retry(attempts=3, statuses=(500,), backoff=0.0)),
    )
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(BROKEN)
    refused = await client.response()
    assert (refused.status, refused.get("proxy-status")) == (503, "headgate; error=destination_unavailable")
    assert await upstream.silent(0.05)
    assert stage.backend.untouched()


async def test_a_hedge_that_the_breaker_refuses_takes_nothing_from_the_first(stage: Stage) -> None:
    refused = cell(stage, service_cell("backend"))
    await stage.serve(
        service={"breaker": spec.Breaker(error_ratio=0.0, consecutive=1, open_seconds=60.0)},
        route=again(hedge=spec.Hedge(delay=0.2, percent=100.0)),
    )
    slow, bad = await clients_of(stage, 2)
    ends = [await stage.backend.accept(), await stage.backend.accept()]
    for end in ends:
        await end.request()
    await ends[1].send(BROKEN)
    assert (await bad.response()).status == 500
    await until(lambda: refused.read(BreakerWord.BREAKER_REFUSED) == 1, "the hedge to be refused")
    await ends[0].send(OK)
    assert (await slow.response()).status == 200


# --- How many run at a time ---


async def clients_of(stage: Stage, count: int, request: bytes = GET) -> list[End]:
    """Clients that have asked, one after the other."""
    clients = []
    for _ in range(count):
        before = begun(stage)
        client = await stage.client()
        await client.send(request)
        await until(lambda before=before: begun(stage) > before, "the exchange to begin")  # type: ignore[misc]  # a default keeps the value of this turn
        clients.append(client)
    return clients


def begun(stage: Stage) -> int:
    """Exchanges so far, those that are over, too."""
    words = (Word.IN_FLIGHT, Word.RESPONSES_2XX, Word.RESPONSES_5XX, Word.ABORTED)
    return sum(stage.word(LISTENER, word) for word in words)


def waiting(stage: Stage, block: int = SERVICE) -> int:
    return stage.word(block, Word.OPEN)


async def test_who_is_too_many_waits_for_its_turn(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=60.0))
    first, second, third = await clients_of(stage, 3)
    upstream = await stage.backend.accept()
    await until(lambda: waiting(stage) == 2, "two to wait")
    for client in (first, second, third):
        assert (await upstream.request()).method == "GET"
        assert await upstream.silent(0.02)
        await upstream.send(OK)
        assert (await client.response()).status == 200
    assert cell(stage, permits_cell("service", "backend")).read(PermitWord.QUEUED) == 2
    assert stage.backend.untouched()


async def test_retries_are_part_of_what_runs(stage: Stage) -> None:
    """Between two attempts the permit is kept, and afterwards given back once."""
    await stage.serve(
        **limited(limit=1, queue_timeout=60.0),
        route=again(retry=spec.Retry(attempts=2, statuses=(500,), backoff=0.02)),
    )
    clients = await clients_of(stage, 2)
    upstream = await stage.backend.accept()
    for client in clients:
        await upstream.request()
        await upstream.send(BROKEN)
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200
    assert stage.backend.untouched()
    assert Permits(cell(stage, permits_cell("service", "backend")), -1, 1).used() == 0


async def test_a_body_that_came_meanwhile_goes_up(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=60.0))
    (first,) = await clients_of(stage, 1)
    upstream = await stage.backend.accept()
    await upstream.request()
    (second,) = await clients_of(stage, 1, post("Content-Length: 5", body=b"hel"))
    await second.send(b"lo")
    await upstream.send(OK)
    assert (await first.response()).status == 200
    assert (await upstream.request()).body == b"hello"
    await upstream.send(OK)
    assert (await second.response()).status == 200


async def test_a_full_queue_refuses(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue=1, queue_timeout=60.0))
    first, second = await clients_of(stage, 2)
    third = await stage.client()
    refused = await third.ask(GET)
    assert (refused.status, refused.get("retry-after")) == (503, "1")
    assert refused.get("proxy-status") == "headgate; error=connection_limit_reached"
    assert cell(stage, permits_cell("service", "backend")).read(PermitWord.REFUSED_FULL) == 1
    assert stage.word(ROUTE, Word.REJECTED) == 1
    upstream = await stage.backend.accept()
    for client in (first, second):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200


async def test_nobody_waits_without_a_queue(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue=0))
    await clients_of(stage, 1)
    assert (await (await stage.client()).ask(GET)).status == 503


async def test_who_waits_too_long_is_refused(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=0.03))
    _, second = await clients_of(stage, 2)
    assert (await second.response()).status == 503
    assert cell(stage, permits_cell("service", "backend")).read(PermitWord.REFUSED_TIMEOUT) == 1


async def test_a_client_that_leaves_frees_its_place(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue=1, queue_timeout=60.0))
    first, second = await clients_of(stage, 2)
    second.reset()
    await until(lambda: waiting(stage) == 0, "its place to be free")
    (third,) = await clients_of(stage, 1)
    upstream = await stage.backend.accept()
    for client in (first, third):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200
    assert cell(stage, permits_cell("service", "backend")).read(PermitWord.LEFT) == 1


async def test_the_deadline_of_the_exchange_holds_in_the_queue_too(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=60.0), limits=spec.RouteLimits(request_timeout=0.3))
    first, second = await clients_of(stage, 2)
    assert (await first.response()).status == (await second.response()).status == 504
    assert waiting(stage) == 0


async def test_the_permit_of_a_client_that_left_is_given_back(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=60.0))
    first, second = await clients_of(stage, 2)
    await stage.backend.accept()
    first.reset()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await second.response()).status == 200


async def test_streams_of_one_connection_wait_each_for_itself(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue=2, queue_timeout=60.0))
    client = Http2End((await stage.client()).socket)
    await client.begin()
    first, second, third = [await client.start() for _ in range(3)]
    fourth = await client.start()
    assert (await client.answer(fourth)).status == 503
    assert fourth.get("retry-after") == "1"
    await until(lambda: waiting(stage) == 2, "two to wait")
    await client.reset_stream(second.stream)
    await until(lambda: waiting(stage) == 1, "its place to be free")
    upstream = await stage.backend.accept()
    for asked in (first, third):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.answer(asked)).status == 200


async def test_in_a_crowd_who_came_last_goes_first_and_who_waited_longest_makes_room(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue=2, queue_timeout=60.0))
    first, oldest, older = await clients_of(stage, 3)
    crowd = time.monotonic() + 0.11  # more than a burst
    await until(lambda: time.monotonic() > crowd, "the queue to be a crowd")
    (newest,) = await clients_of(stage, 1)
    assert (await oldest.response()).status == 503
    upstream = await stage.backend.accept()
    for client in (first, newest, older):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200
    assert cell(stage, permits_cell("service", "backend")).read(PermitWord.REFUSED_DISPLACED) == 1


async def test_who_is_more_important_goes_first_and_takes_a_place(stage: Stage) -> None:
    await stage.serve(
        **limited(limit=1, queue=2, queue_timeout=60.0),
        trusted_proxies=("127.0.0.1",),
        overload=spec.Overload(importance_header="x-importance"),
    )
    first, usual = await clients_of(stage, 2)
    (low,) = await clients_of(stage, 1, post("X-Importance: low", method="GET"))
    (high,) = await clients_of(stage, 1, post("X-Importance: high", method="GET"))
    assert (await low.response()).status == 503
    upstream = await stage.backend.accept()
    for client in (first, high, usual):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200


async def test_strangers_cannot_say_how_important_they_are(stage: Stage) -> None:
    await stage.serve(
        **limited(limit=1, queue=1, queue_timeout=60.0),
        overload=spec.Overload(importance_header="x-importance"),
    )
    await clients_of(stage, 2)
    client = await stage.client()
    assert (await client.ask(post("X-Importance: high", method="GET"))).status == 503


async def test_a_route_and_its_service_both_limit(stage: Stage) -> None:
    route = {
        "services": (spec.ServiceShare(service="backend"),),
        "concurrency": spec.Concurrency(limit=2, queue_timeout=60.0),
    }
    await stage.serve(**limited(limit=1, queue_timeout=60.0), route=route)
    clients = await clients_of(stage, 3)
    await until(lambda: (waiting(stage), waiting(stage, ROUTE)) == (1, 1), "one at each gate")
    upstream = await stage.backend.accept()
    for client in clients:
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200


async def test_endpoints_have_a_limit_each(stage: Stage) -> None:
    other = Backend()
    await stage.serve(
        endpoints=(stage.backend.address, other.address), **limited(endpoint=1, queue_timeout=60.0)
    )
    clients = await clients_of(stage, 3)
    ends = [await stage.backend.accept(), await other.accept()]
    assert waiting(stage) == 1
    for end, client in zip(ends, clients, strict=False):
        await end.request()
        await end.send(OK)
        assert (await client.response()).status == 200
        if client is clients[0]:
            await end.request()  # the third is here now
            assert waiting(stage) == 0
            await end.send(OK)
            assert (await clients[2].response()).status == 200
    other.close()


async def test_a_reload_keeps_permits_and_who_waits(stage: Stage) -> None:
    await stage.serve(**limited(limit=1, queue_timeout=60.0))
    first, second = await clients_of(stage, 2)
    await stage.serve(**limited(limit=2, queue_timeout=60.0))
    upstreams = [await stage.backend.accept(), await stage.backend.accept()]
    for client, upstream in zip((first, second), upstreams, strict=True):
        await upstream.request()
        await upstream.send(OK)
        assert (await client.response()).status == 200
    await stage.serve()
    assert (await answered(first, stage.backend.ends[-1], OK)).status == 200


# --- Shedding ---


async def test_low_importance_is_shed_first_and_high_never(stage: Stage) -> None:
    await stage.serve(
        overload=spec.Overload(lag=1.0, importance_header="x-importance"), trusted_proxies=("127.0.0.1",)
    )
    stage.runtime.context.shed_level = 1
    client = await stage.client()
    refused = await client.ask(post("X-Importance: low", method="GET"))
    assert (refused.status, refused.get("retry-after")) == (503, "1")
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).status == 200
    stage.runtime.context.shed_level = 2
    assert (await client.ask(GET)).status == 503
    await client.send(post("X-Importance: high", method="GET"))
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).status == 200
    shed = cell(stage, OVERLOAD_CELL)
    assert [shed.read(1), shed.read(2)] == [1, 1]


async def test_lag_sets_who_is_shed(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.serve(overload=spec.Overload(lag=0.1))
    context = stage.runtime.context
    with caplog.at_level(logging.WARNING, "headgate"):
        levels = []
        for lag in (0.15, 0.15, 0.15, 0.4, 0.4, 0.0, 0.0, 0.0, 0.0):
            context.admission.sweep(lag)
            levels.append(context.shed_level)
    assert levels == [0, 1, 1, 2, 2, 1, 0, 0, 0] or levels == sorted(levels[:5]) + levels[5:]
    assert levels[1] == 1
    assert max(levels) == 2
    assert levels[-1] == 0
    assert caplog.records[0].message == "overload: what is of low importance is shed"


async def test_memory_sets_who_is_shed(stage: Stage) -> None:
    context = stage.runtime.context
    await stage.serve(overload=spec.Overload(memory=1 << 50))
    context.admission.sweep(0.0)
    assert context.shed_level == 0
    await stage.serve(overload=spec.Overload(memory=1 << 10))
    context.admission.sweep(0.0)
    assert context.shed_level == 2
    await stage.serve()
    context.admission.sweep(0.0)
    assert context.shed_level == 0


# --- All together ---


async def test_a_tunnel_is_an_answer(stage: Stage) -> None:
    """A service of nothing but WebSockets closes its breaker by a tunnel that begins."""
    quick = spec.Breaker(error_ratio=0.0, consecutive=2, open_seconds=0.05, trials=1)
    await opened(stage, quick)
    state = cell(stage, service_cell("backend"))
    since = since_in(state)
    await until(lambda: time.monotonic() >= since + 0.051, "the breaker to let a trial through")
    client = await stage.client()
    await client.send(post("Connection: upgrade", "Upgrade: websocket", method="GET"))
    upstream = stage.backend.ends[0]
    await upstream.request_head()
    await upstream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert (await client.response()).status == 101
    assert state_in(state) is BreakerState.CLOSED


async def test_a_full_pool_is_no_failure_of_the_service(stage: Stage) -> None:
    await stage.serve(
        service={"breaker": spec.Breaker(error_ratio=0.0, consecutive=1)},
        pool=spec.Pool(connections=1, waiting=0),
    )
    first, _ = await clients_of(stage, 2)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await first.response()).status == 200
    assert (await answered(first, upstream, OK)).status == 200


async def test_many_that_come_and_go(stage: Stage) -> None:
    """Whatever clients do, no more run than may, all are answered, and all permits come back."""
    chance = random.Random(7)
    await stage.serve(
        **limited(limit=3, queue=10, queue_timeout=0.05),
        trusted_proxies=("127.0.0.1",),
        overload=spec.Overload(importance_header="x-importance"),
    )
    running = most = resets = 0

    async def answer(end: End) -> None:
        nonlocal running, most
        while True:
            await end.read(lambda rest: b"\r\n\r\n" in rest, 60.0)
            if end.ended:
                return
            await end.request()
            running += 1
            most = max(most, running)
            await asyncio.sleep(chance.uniform(0.0, 0.004))
            running -= 1
            await end.send(OK)

    async def accept() -> None:
        while True:
            sock, _ = await stage.loop.sock_accept(stage.backend.socket)
            stage.backend.ends.append(End(sock))
            tasks.append(stage.loop.create_task(answer(stage.backend.ends[-1])))

    async def ask(client: End) -> None:
        nonlocal resets
        importance = chance.choice(("high", "normal", "low"))
        for _ in range(10):
            await client.send(post(f"X-Importance: {importance}", method="GET"))
            if chance.random() < 0.05:
                client.reset()
                resets += 1
                return
            assert (await client.response()).status in (200, 503)

    tasks = [stage.loop.create_task(accept())]
    clients = [await stage.client() for _ in range(40)]
    await asyncio.gather(*map(ask, clients))
    for client in clients:
        client.close()
    await stage.quiet()
    permits = Permits(cell(stage, permits_cell("service", "backend")), -1, 1)
    assert permits.used() == 0
    # One whose client left is still at the backend when the next one is let in.
    assert 3 <= most <= 3 + resets
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
