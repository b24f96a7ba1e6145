"""Attempts after the first and beside it: when they are made, when not, and that both is counted."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headgate import spec
from headgate.core.attempts import AttemptWord, BudgetWord, Cause, Obstacle
from headgate.core.cells import Word
from headgate.core.shared import SharedTable
from headgate.shm.names import attempts_cell, service_cell
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import ENDPOINT, GET, OK, ROUTE, Backend, End, Stage, post, until

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
LAST = BUSY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")  # and the next try has another connection
SHARES = (spec.ServiceShare(service="backend"),)


@contextmanager
def backends(count: int) -> Iterator[list[Backend]]:
    made = [Backend() for _ in range(count)]
    try:
        yield made
    finally:
        for backend in made:
            backend.close()


async def serve(
    stage: Stage,
    ends: list[Backend],
    retry: dict[str, Any] | None = None,
    hedge: spec.Hedge | None = None,
    budget: spec.RetryBudget | None = None,
    **more: Any,
) -> None:
    policy = None
    if retry is not None:
        policy = spec.Retry(**{"attempts": 2, "causes": (), "backoff": 0.0, **retry})
    await stage.serve(
        endpoints=tuple(end.address for end in ends),
        route={"services": SHARES, "retry": policy, "hedge": hedge},
        service={"retry_budget": budget},
        **more,
    )


def counted(stage: Stage, word: int, index: int = 0) -> int:
    return SharedTable(memoryview(stage.shared)).cell(attempts_cell("all")).read(word + index)


def retried(stage: Stage, cause: Cause) -> int:
    return counted(stage, AttemptWord.RETRIED, cause)


def not_retried(stage: Stage, obstacle: Obstacle) -> int:
    return counted(stage, AttemptWord.NOT_RETRIED, obstacle)


async def asked(backend: Backend, answer: bytes = b"") -> End:
    """The backend's end of a new connection, whose request is read and answered."""
    end = await backend.accept()
    await end.request()
    await end.send(answer)
    return end


async def test_a_status_is_tried_at_the_next_endpoint(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"statuses": (503,)})
        client = await stage.client()
        await client.send(GET)
        await asked(one, BUSY)
        await asked(two, OK)
        assert (await client.response()).body == b"ok"
        assert retried(stage, Cause.ON_STATUS) == stage.word(ROUTE, Word.RETRIES) == 1
        await stage.quiet()
        assert stage.word(ENDPOINT, Word.RESPONSES_5XX) == 1
        assert stage.word(ENDPOINT + 1, Word.RESPONSES_2XX) == 1


async def test_the_connection_of_an_answer_that_was_put_aside_is_used_again(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,)})
    client = await stage.client()
    await client.send(GET)
    first = await asked(stage.backend, BUSY[:-4])
    await asked(stage.backend, OK)
    assert (await client.response()).body == b"ok"
    await first.send(b"bu", b"sy")
    await stage.quiet()
    await until(lambda: stage.word(ENDPOINT, Word.OPEN) == 2, "both connections to rest")
    await client.send(GET)
    await first.request()
    await first.send(OK)
    assert (await client.response()).body == b"ok"


@pytest.mark.parametrize(
    "rest", [b"Content-Length: 70000\r\n\r\nbusy", b"Transfer-Encoding: chunked\r\n\r\n"]
)
async def test_what_is_long_or_has_no_length_is_not_read_for_nobody(stage: Stage, rest: bytes) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,)})
    client = await stage.client()
    await client.send(GET)
    first = await asked(stage.backend, b"HTTP/1.1 503 No\r\n" + rest)
    await asked(stage.backend, OK)
    assert (await client.response()).body == b"ok"
    await first.end()


async def test_what_follows_an_answer_that_was_put_aside_ends_the_connection(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,)})
    client = await stage.client()
    await client.send(GET)
    first = await asked(stage.backend, BUSY[:-4])
    await asked(stage.backend, OK)
    assert (await client.response()).body == b"ok"
    await first.send(b"busyHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    await first.end()


async def test_the_last_answer_goes_through_as_it_came(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"statuses": (503,)})
        client = await stage.client()
        await client.send(GET)
        await asked(one, BUSY)
        await asked(two, BUSY.replace(b"busy", b"full"))
        answer = await client.response()
        assert (answer.status, answer.body) == (503, b"full")
        assert not_retried(stage, Obstacle.NO_ATTEMPT) == 1


async def test_other_answers_are_left_alone(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"statuses": (502, 503)})
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    assert (await client.response()).status == 500
    assert not any(retried(stage, cause) for cause in Cause if cause < Cause.CAUSES)


async def test_an_answer_without_a_body_leaves_its_connection_open(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,)})
    client = await stage.client()
    await client.send(GET)
    end = await asked(stage.backend, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    await end.request()
    await end.send(OK)
    assert (await client.response()).status == 200


@pytest.mark.parametrize("allowed", [False, True])
async def test_methods_that_are_not_idempotent(stage: Stage, allowed: bool) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,), "methods": ("POST",) * allowed})
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"abc"))
    await asked(stage.backend, LAST)
    if allowed:
        end = await stage.backend.accept()
        assert (await end.request()).body == b"abc"
        await end.send(OK)
    assert (await client.response()).status == (200 if allowed else 503)
    assert not_retried(stage, Obstacle.NO_METHOD) == (not allowed)


@pytest.mark.parametrize("size", [1000, 100_000])
async def test_the_body_is_sent_again_up_to_a_bound(stage: Stage, size: int) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,)}, limits=spec.RouteLimits(buffer_bytes=65536))
    client = await stage.client()
    # The head first, so that the body passes a connection that is there.
    await client.send(post(f"Content-Length: {size}", method="PUT"))
    end = await stage.backend.accept()
    await end.read(lambda rest: b"\r\n\r\n" in rest)
    await client.send(bytes(size))
    await end.request()
    await end.send(LAST)
    if size == 1000:
        end = await stage.backend.accept()
        assert (await end.request()).body == bytes(size)
        await end.send(OK)
    assert (await client.response()).status == (200 if size == 1000 else 503)
    assert not_retried(stage, Obstacle.NO_BODY) == (size != 1000)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_ends_before_an_answer(stage: Stage, how: str) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"causes": ("reset",)})
        client = await stage.client()
        await client.send(GET)
        getattr(await asked(one), how)()
        await asked(two, OK)
        assert (await client.response()).status == 200
        assert retried(stage, Cause.ON_RESET) == 1


async def test_nothing_is_tried_again_once_an_answer_began(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"causes": ("reset",)})
    client = await stage.client()
    await client.send(GET)
    (await asked(stage.backend, OK[:-1])).reset()
    await client.end()
    assert stage.backend.untouched()
    assert retried(stage, Cause.ON_RESET) == 0


async def test_time_for_each_try(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"causes": ("timeout",), "per_try_timeout": 0.05})
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        await asked(two, OK)
        assert (await client.response()).status == 200
        await slow.end()
        assert retried(stage, Cause.ON_TIMEOUT) == 1
        assert stage.word(ENDPOINT, Word.TIMEOUTS) == 1


async def test_time_for_each_try_without_a_retry(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"attempts": 1, "per_try_timeout": 0.05})
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend)
    assert (await client.response()).status == 504


async def test_connecting_again_to_the_only_endpoint(stage: Stage) -> None:
    backend = stage.backend
    backend.socket.close()
    backend.socket = socket.create_server(("127.0.0.1", 0))
    backend.socket.setblocking(False)
    with socket.socket() as bound:  # which refuses connections until it listens
        bound.bind(("127.0.0.1", 0))
        backend.port = bound.getsockname()[1]
        policy = {"causes": ("connect",), "backoff": 0.2, "backoff_most": 0.2, "attempts": 10}
        await serve(stage, [backend], policy)
        client = await stage.client()
        await client.send(GET)
        await until(lambda: retried(stage, Cause.ON_CONNECT), "a retry")
        backend.socket.close()
        backend.socket = bound
        bound.listen()
        bound.setblocking(False)
        await asked(backend, OK)
        assert (await client.response()).status == 200


async def test_retry_after(stage: Stage) -> None:
    later = LAST.replace(b"\r\n\r\n", b"\r\nRetry-After: 1\r\n\r\n")
    await serve(stage, [stage.backend], {"statuses": (503,), "retry_after": 2.0})
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend, later)
    begun = stage.loop.time()
    await asked(stage.backend, OK)
    assert stage.loop.time() - begun > 0.9
    assert (await client.response()).status == 200
    await client.send(GET)
    await stage.backend.ends[-1].request()
    await stage.backend.ends[-1].send(later.replace(b": 1\r", b": 3\r"))
    assert (await client.response()).status == 503
    assert not_retried(stage, Obstacle.NO_TIME) == 1


async def test_the_deadline_comes_first(stage: Stage) -> None:
    later = BUSY.replace(b"\r\n\r\n", b"\r\nRetry-After: 2\r\n\r\n")
    limits = spec.RouteLimits(request_timeout=1.5)
    await serve(stage, [stage.backend], {"statuses": (503,), "retry_after": 5.0}, limits=limits)
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend, later)
    assert (await client.response()).status == 503
    assert not_retried(stage, Obstacle.NO_TIME) == 1


async def test_a_budget_that_is_spent(stage: Stage) -> None:
    await serve(
        stage, [stage.backend], {"statuses": (503,)}, budget=spec.RetryBudget(percent=0, per_second=1)
    )
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend, LAST)
    end = await asked(stage.backend, BUSY)
    assert (await client.response()).status == 503
    for _ in range(2):
        await client.send(GET)
        await end.request()
        await end.send(BUSY)
        assert (await client.response()).status == 503
    assert not_retried(stage, Obstacle.NO_BUDGET) == 2
    cell = SharedTable(memoryview(stage.shared)).cell(service_cell("backend"))
    assert cell.read(BudgetWord.BUDGET_SPENT) == 2


async def test_a_client_that_leaves_in_the_pause(stage: Stage) -> None:
    await serve(stage, [stage.backend], {"statuses": (503,), "backoff": 60.0, "backoff_most": 60.0})
    client = await stage.client()
    await client.send(GET)
    await asked(stage.backend, BUSY)
    await until(lambda: retried(stage, Cause.ON_STATUS), "the retry")
    client.reset()
    await stage.quiet()
    assert stage.backend.untouched()


async def accepted(backend: Backend) -> Http2End:
    end = Http2End((await backend.accept()).socket, server=True)
    await end.begin()
    return end


async def test_a_status_over_http2(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"statuses": (503,)}, scheme="h2c")
        client = await stage.client()
        await client.send(post("Content-Length: 3", method="PUT", body=b"abc"))
        first = await accepted(one)
        request = await first.request()
        await first.respond(request, status=503, body=b"busy")
        second = await accepted(two)
        again = await second.request()
        assert again.body == b"abc"
        await second.respond(again, body=b"ok")
        assert (await client.response()).body == b"ok"
        await first.until(lambda: request.over)
        assert not first.ended  # the connection is still of use


async def test_a_refused_stream_goes_elsewhere_whatever_the_method(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"causes": ("refused",)}, scheme="h2c")
        client = await stage.client()
        await client.send(post("Content-Length: 3", body=b"abc"))
        first = await accepted(one)
        await first.reset_stream((await first.request()).stream, 7)
        second = await accepted(two)
        again = await second.request()
        assert again.body == b"abc"
        await second.respond(again, body=b"ok")
        assert (await client.response()).body == b"ok"
        assert retried(stage, Cause.ON_REFUSED) == 1


@pytest.mark.parametrize("status", ["14", "5"])
async def test_a_status_of_grpc(stage: Stage, status: str) -> None:
    await serve(stage, [stage.backend], {"grpc_statuses": (14,), "methods": ("POST",)}, scheme="h2c")
    client = Http2End((await stage.client()).socket)
    await client.begin()
    call = await client.start(
        "POST", fields=[("content-type", "application/grpc"), ("te", "trailers")], end=False
    )
    await client.send_body(call.stream, bytes(5))
    end = await accepted(stage.backend)
    fields = [("content-type", "application/grpc")]
    await end.respond(await end.request(), fields=[*fields, ("grpc-status", status)])
    if status == "14":
        again = await end.request()
        assert again.body == bytes(5)
        await end.respond(again, fields=[*fields, ("grpc-status", "0")])
    answer = await client.answer(call)
    assert answer.get("grpc-status") == ("0" if status == "14" else "5")


# --- Hedges ---

HEDGE = spec.Hedge(delay=0.05, percent=100.0)


async def test_the_second_attempt_answers_first(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        await asked(two, OK)
        assert (await client.response()).body == b"ok"
        await slow.end()  # cancelled
        assert counted(stage, AttemptWord.HEDGES_SENT) == counted(stage, AttemptWord.HEDGES_WON) == 1
        await stage.quiet()
        assert stage.gauges.keys() <= {"connections", "worker connections", "register", "open 1", "open 5"}
        assert stage.word(ENDPOINT + 1, Word.RESPONSES_2XX) == 1


async def test_the_first_attempt_answers_first(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        hedge = await asked(two)
        await slow.send(OK)
        assert (await client.response()).body == b"ok"
        await hedge.end()
        assert counted(stage, AttemptWord.HEDGES_LOST) == 1
        assert counted(stage, AttemptWord.HEDGES_WON) == 0


async def test_the_first_attempt_fails_while_the_second_is_on_its_way(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        hedge = await asked(two)
        slow.reset()
        await asyncio.sleep(0.02)
        await hedge.send(OK)
        assert (await client.response()).body == b"ok"


async def test_the_second_attempt_fails(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        (await asked(two)).reset()
        await until(lambda: stage.word(ENDPOINT + 1, Word.FAILURES), "the failure")
        await slow.send(OK)
        assert (await client.response()).body == b"ok"


async def test_a_second_attempt_that_cannot_connect(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        two.close()
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        await until(lambda: stage.word(ENDPOINT + 1, Word.FAILURES), "the failure")
        await slow.send(OK)
        assert (await client.response()).body == b"ok"


async def test_a_bad_answer_does_not_win(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"statuses": (503,)}, hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        await asked(two, BUSY)
        await until(lambda: stage.word(ENDPOINT + 1, Word.RESPONSES_5XX), "the answer")
        await slow.send(OK)
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize(
    "request_",
    [post("Content-Length: 0"), GET.replace(b"\r\n\r\n", b"\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")],
)
async def test_what_is_not_hedged(stage: Stage, request_: bytes) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(request_)
        end = await asked(one)
        assert await end.silent(0.15)
        assert two.untouched()
        await end.send(OK)
        assert (await client.response()).status == 200


async def test_a_body_goes_with_both(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(post("Content-Length: 3", method="PUT", body=b"abc"))
        await asked(one)
        end = await two.accept()
        assert (await end.request()).body == b"abc"
        await end.send(OK)
        assert (await client.response()).status == 200


async def test_a_budget_for_hedges(stage: Stage) -> None:
    await serve(stage, [stage.backend], hedge=spec.Hedge(delay=0.03, percent=50.0))
    client = await stage.client()
    await client.send(GET)
    end = await asked(stage.backend)
    await until(lambda: counted(stage, AttemptWord.HEDGES_WITHHELD), "the decision")
    await end.send(OK)
    assert (await client.response()).status == 200
    await client.send(GET)
    await end.request()
    hedge = await asked(stage.backend, OK)
    assert (await client.response()).status == 200
    assert counted(stage, AttemptWord.HEDGES_SENT) == 1
    assert hedge is stage.backend.ends[-1]


async def test_a_client_that_leaves_two_attempts(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        ends = [await asked(one), await asked(two)]
        client.reset()
        for end in ends:
            await end.end()
        await stage.quiet()


async def test_interim_answers_of_the_second_attempt_are_nobodys(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE)
        client = await stage.client()
        await client.send(GET)
        slow = await asked(one)
        hedge = await asked(two, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert await client.silent(0.05)
        await hedge.send(OK)
        assert (await client.response()).body == b"ok"
        await slow.end()


async def test_hedges_over_http2(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE, scheme="h2c")
        client = await stage.client()
        await client.send(GET)
        first = await accepted(one)
        slow = await first.request()
        second = await accepted(two)
        await second.respond(await second.request(), body=b"ok")
        assert (await client.response()).body == b"ok"
        await first.until(lambda: slow.reset == 8)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_hedge_of_a_grpc_call(stage: Stage, allowed: bool) -> None:
    """Calls are POST: they are made twice only where `retry.methods` says that they may be."""
    fields = [("content-type", "application/grpc"), ("te", "trailers")]
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"methods": ("POST",) * allowed}, hedge=HEDGE, scheme="h2c")
        client = Http2End((await stage.client()).socket)
        await client.begin()
        call = await client.start("POST", fields=fields, end=False)
        await client.send_body(call.stream, bytes(5))
        first = await accepted(one)
        slow = await first.request()
        if allowed:
            second = await accepted(two)
            again = await second.request()
            assert again.body == bytes(5)
            assert again.get("te") == "trailers"
            await second.respond(again, fields=[*fields[:1], ("grpc-status", "0")])
            await first.until(lambda: slow.reset == 8)
        else:
            await first.respond(slow, fields=[*fields[:1], ("grpc-status", "0")])
        assert (await client.answer(call)).get("grpc-status") == "0"
        assert counted(stage, AttemptWord.HEDGES_SENT) == allowed


async def test_a_second_attempt_that_a_breaker_refuses(stage: Stage) -> None:
    """What answers for an open breaker answers nobody who has another attempt."""
    with backends(2) as (one, two):
        breaker = spec.Breaker(consecutive=1, open_seconds=60.0, respond=spec.Respond(status=299))
        await stage.serve(
            endpoints=(one.address, two.address),
            route={"services": SHARES, "hedge": spec.Hedge(delay=0.3, percent=100.0)},
            service={"breaker": breaker},
        )
        client, other = await stage.client(), await stage.client()
        await client.send(GET)
        slow = await asked(one)
        await other.send(GET)
        await asked(two, BUSY)
        assert (await other.response()).status == 503
        await until(lambda: counted(stage, AttemptWord.HEDGES_SENT), "the hedge")
        assert await client.silent(0.05)
        assert two.untouched()
        await slow.send(OK)
        assert (await client.response()).status == 200


async def test_a_connection_of_http2_that_ends(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"causes": ("reset",)}, scheme="h2c")
        client = await stage.client()
        await client.send(GET)
        first = await accepted(one)
        await first.request()
        first.reset()
        second = await accepted(two)
        await second.respond(await second.request(), body=b"ok")
        assert (await client.response()).body == b"ok"
        assert retried(stage, Cause.ON_RESET) == 1


# --- What is recorded ---


async def record(stage: Stage) -> dict[str, Any]:
    await stage.quiet()
    stage.runtime.context.write_records()
    found: dict[str, Any] = json.loads(stage.records.text)
    return {name: found.get(name) for name in ("attempts", "retried", "not_retried", "hedge")}


async def test_the_record_of_a_retry(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], {"statuses": (503,)}, access_log=spec.AccessLog())
        client = await stage.client()
        await client.send(GET)
        await asked(one, BUSY)
        await asked(two, BUSY)
        assert (await client.response()).status == 503
        found = await record(stage)
        assert found == {"attempts": 2, "retried": "status", "not_retried": "attempts", "hedge": None}


async def test_the_record_of_a_hedge(stage: Stage) -> None:
    with backends(2) as (one, two):
        await serve(stage, [one, two], hedge=HEDGE, access_log=spec.AccessLog())
        client = await stage.client()
        await client.send(GET)
        await asked(one)
        await asked(two, OK)
        assert (await client.response()).status == 200
        found = await record(stage)
        assert found == {"attempts": 2, "retried": None, "not_retried": None, "hedge": "second"}


# --- Deadlines of the request's own ---


async def deadline(stage: Stage, value: str, *, trusted: bool = True) -> End:
    """A client that says how long it waits."""
    await stage.serve(trusted_proxies=("127.0.0.0/8",) if trusted else ())
    client = await stage.client()
    await client.send(GET.replace(b"\r\n\r\n", f"\r\nX-Request-Timeout: {value}\r\n\r\n".encode()))
    return client


@pytest.mark.parametrize(
    ("value", "pattern", "unit"),
    [("5", r"[0-9.]+", 1), ("5s", r"[0-9.]+s", 1), ("5000ms", r"[0-9]+ms", 1000)],
)
async def test_a_deadline_is_passed_on_as_what_is_left(
    stage: Stage, value: str, pattern: str, unit: int
) -> None:
    client = await deadline(stage, value)
    end = await stage.backend.accept()
    (left,) = (await end.request()).all("x-request-timeout")
    assert re.fullmatch(pattern, left)
    assert 1 < float(left.rstrip("ms")) / unit <= 5
    await end.send(OK)
    assert (await client.response()).status == 200


async def test_a_deadline_that_passes(stage: Stage) -> None:
    client = await deadline(stage, "50ms")
    await asked(stage.backend)
    assert (await client.response()).status == 504


async def test_strangers_set_no_deadlines(stage: Stage) -> None:
    client = await deadline(stage, "1ms", trusted=False)
    end = await stage.backend.accept()
    assert (await end.request()).all("x-request-timeout") == []
    assert await client.silent(0.4)
    await end.send(OK)
    assert (await client.response()).status == 200


@pytest.mark.parametrize("value", ["", "-1", "soon", "1m", "1e3", "5 s"])
async def test_a_deadline_that_is_none(stage: Stage, value: str) -> None:
    client = await deadline(stage, value)
    assert (await client.response()).status == 400


async def test_a_deadline_can_only_be_lower(stage: Stage) -> None:
    await stage.serve(trusted_proxies=("127.0.0.0/8",), limits=spec.RouteLimits(request_timeout=0.05))
    client = await stage.client()
    await client.send(GET.replace(b"\r\n\r\n", b"\r\nX-Request-Timeout: 100\r\n\r\n"))
    end = await stage.backend.accept()
    assert (await end.request()).all("x-request-timeout")[0].startswith("0.0")
    assert (await client.response()).status == 504
