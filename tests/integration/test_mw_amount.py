"""rate_limit, concurrency and body_limit, with real processes and two workers."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support import peers
from support.asking import Answer, Client
from support.content import content
from support.http2 import Http2Wire
from support.ports import free_port
from support.processes import kill_worker
from support.product import Product, until

SIZE = 10_000
MIDDLEWARES: dict[str, dict[str, Any]] = {
    "burst": {"type": "rate_limit", "rate": "1/h", "burst": 5, "key": "header:X-Key"},
    "dry": {"type": "rate_limit", "rate": "1/h", "burst": 5, "key": "header:X-Key", "dry_run": True},
    "both": {"type": "rate_limit", "rate": "1/h", "burst": 2, "key": ["header:X-Key", "cookie:id", "route"]},
    "few": {"type": "concurrency", "limit": 2, "key": "header:X-Key", "status": 503, "retry_after": "2s"},
    "small": {"type": "body_limit", "request": SIZE, "response": SIZE},
}


def configuration(origin: str) -> dict[str, Any]:
    return {
        "process": {"workers": 2, "drain_timeout": "1s"},
        "access_log": "off",
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}},
        "routes": [
            {"name": name, "match": {"headers": {"x-case": name}}, "middlewares": [name], "service": "origin"}
            for name in MIDDLEWARES
        ],
        "middlewares": MIDDLEWARES,
        "services": {"origin": {"endpoints": [origin]}},
    }


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with peers.origin(tmp_path_factory.mktemp("origin")) as address:
        yield address


@pytest.fixture(scope="module")
def product(origin: str) -> Iterator[Product]:
    with Product(configuration(origin)) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def http2(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def connected(product: Product, http2: bool) -> Client:
    return Client(int(product.config["listeners"]["web"]["bind"].rpartition(":")[2]), http2=http2)


def ask(product: Product, http2: bool, case: str, key: str = "", path: str = "/text/", **more: Any) -> Answer:
    """On a connection of its own, so that any worker may have it."""
    fields = {"x_case": case, "x_key": f"{key}-{http2}", **more.pop("fields", {})}
    with connected(product, http2) as client:
        return client.ask(path, fields, **more)


def reload(product: Product) -> None:
    version = product.metric("headgate_snapshot_version")
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") > version, "the reload")


def test_the_burst_is_one_for_all_workers_and_outlives_reloads(product: Product, http2: bool) -> None:
    answers = [ask(product, http2, "burst", "a") for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.all("ratelimit") for answer in answers] == [
        [f'"burst";r={left};t={3600 * (5 - left)}'] for left in (4, 3, 2, 1, 0)
    ]
    assert answers[0].all("ratelimit-policy") == ['"burst";q=5;w=18000']
    for after_reload in (False, True):
        if after_reload:
            reload(product)
        refused = [ask(product, http2, "burst", "a") for _ in range(4)]
        assert [answer.status for answer in refused] == [429] * 4
        assert all(3500 < int(answer.all("retry-after")[0]) <= 3600 for answer in refused)
        assert refused[0].body.startswith(b"More requests than the limit allows: try again in ")
    assert ask(product, http2, "burst", "b").status == 200


def test_who_wants_json_is_refused_in_json(product: Product, http2: bool) -> None:
    answers = [ask(product, http2, "burst", "json", fields={"accept": "application/json"}) for _ in range(6)]
    assert answers[-1].status == 429
    assert answers[-1].all("content-type") == ["application/json"]
    assert b'"detail": "More requests than the limit allows' in answers[-1].body


def test_a_call_of_grpc_is_refused_in_its_own_words(product: Product) -> None:
    fields = {"content-type": "application/grpc", "te": "trailers"}
    answers = [ask(product, True, "burst", "grpc", fields=fields, method="POST", body=b"") for _ in range(6)]
    assert answers[-1].status == 200
    assert answers[-1].all("grpc-status") == ["14"]  # what gRPC makes of 429
    assert "try again in" in answers[-1].all("grpc-message")[0]


def test_a_dry_run_refuses_nothing(product: Product, http2: bool) -> None:
    assert [ask(product, http2, "dry", "a").status for _ in range(8)] == [200] * 8
    until(
        lambda: "middleware dry: dry run: 127.0.0.1 on route dry is beyond the limit" in product.log, "a line"
    )


def test_keys_of_several_parts(product: Product, http2: bool) -> None:
    def statuses(cookie: str) -> list[int]:
        return [ask(product, http2, "both", "a", fields={"cookie": cookie}).status for _ in range(3)]

    assert statuses("id=1") == [200, 200, 429]
    assert statuses("other=1; id=2") == [200, 200, 429]
    assert statuses("id=1; id=2") == [429] * 3  # of several with one name the first counts


def stalled(product: Product, http2: bool, key: str) -> list[Client]:
    """Two clients whose answers never end."""
    running = [connected(product, http2) for _ in range(2)]
    for client in running:
        client.begin("/stall/100/10", {"x_case": "few", "x_key": f"{key}-{http2}"})
    product.shows("headgate_route_in_flight", 2, route="few")
    return running


def test_so_many_at_a_time_in_all_workers(product: Product, http2: bool) -> None:
    def status() -> int:
        return ask(product, http2, "few", "a").status

    running = stalled(product, http2, "a")
    refused = ask(product, http2, "few", "a")
    assert refused.all("retry-after") == ["2"]
    assert refused.body == b"More requests at a time than the limit allows: try again in 2 s.\n"
    assert product.metric("headgate_middleware_denied_total", middleware="few") >= 1
    assert ask(product, http2, "few", "b").status == 200
    running[0].close()
    until(lambda: status() == 200, "a place")
    running[1].close()


@pytest.mark.parametrize("chunked", [False, True])
def test_the_size_of_requests(product: Product, http2: bool, chunked: bool) -> None:
    """As their heads say, or as they come: Http2Wire says no length, and http.client for bytes does."""
    whole, longer = content(1, SIZE), content(1, SIZE + 1)

    def posted(body: bytes) -> Answer:
        more: dict[str, Any] = {"fields": {"content_length": str(len(body))}} if http2 and not chunked else {}
        sent: Any = iter([body]) if chunked and not http2 else body
        return ask(product, http2, "small", path="/sum/1", method="POST", body=sent, **more)

    answer = posted(whole)
    assert (answer.status, answer.body) == (200, str(SIZE).encode())
    refused = posted(longer)
    assert refused.status == 413
    assert product.metric("headgate_middleware_request_too_large_total", middleware="small") >= 1
    assert chunked or refused.body == b"A request's body has 10KB at most here.\n"


def test_the_size_of_responses(product: Product, http2: bool) -> None:
    for kind in ("bytes", "chunks"):
        assert ask(product, http2, "small", path=f"/{kind}/{SIZE}/1").body == content(1, SIZE)
    refused = ask(product, http2, "small", path=f"/bytes/{SIZE + 1}/1")
    assert (refused.status, refused.body) == (502, b"The service's answer is too large.\n")
    cut = ask(product, http2, "small", path=f"/bytes/{SIZE + 1}/1", method="HEAD")
    assert (cut.status, cut.body) == (200, b"")


def test_a_response_that_has_begun_is_cut_visibly(product: Product, http2: bool) -> None:
    path = f"/chunks/{100 * SIZE}/1"
    if http2:
        with Http2Wire.connected(int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])) as wire:
            assert wire.fetch(("x-case", "small"), path=path).reset is not None
    else:
        with pytest.raises(http.client.IncompleteRead):
            ask(product, http2, "small", path=path)


def test_what_a_killed_worker_held_comes_back(origin: str) -> None:
    """Its places are free when the next one starts in its slot; what it took of rates stays taken."""
    product = Product(configuration(origin))
    try:
        assert [ask(product, False, "burst").status for _ in range(6)] == [200] * 5 + [429]
        running = stalled(product, False, "")
        assert ask(product, False, "few").status == 503
        for number in range(2):
            kill_worker(product, number)
        for client in running:
            client.close()

        def answered(case: str) -> int:
            try:
                return ask(product, False, case).status
            except OSError:
                return 0

        until(lambda: answered("few") == 200, "their places")
        assert ask(product, False, "burst").status == 429
    finally:
        product.stop(check=False)
