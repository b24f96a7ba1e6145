"""The interface of middlewares on the running product: hooks, bodies, errors, and what they cost others."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.asking import Answer, Client
from support.echo import EchoBackend
from support.product import Product, merge, proxying, until
from support.specimens import running

CHAINS = {
    "all": ["Marks", "Answers"],
    "waits": ["Marks", "Waits"],
    "reads": ["Reads"],
    "shouts": ["Shouts"],
    "slowly": ["SlowlyShouts", "Counts"],
    "counts": ["Counts"],
    "raises": ["Marks", "Raises"],
    "nonsense": ["Nonsense"],
    "forever": ["Marks", "Forever"],
    "burns": ["Burns"],
    "chooses": ["Chooses"],
    "keeps": ["Keeps"],
    "chain": ["several"],
    "plain": [],
}
MIDDLEWARES: dict[str, dict[str, Any]] = {
    name: {"type": f"specimens:{name}"} for chain in CHAINS.values() for name in chain if name != "several"
} | {
    "several": {"type": "chain", "middlewares": ["Marks", "Counts"]},
    "Late": {"type": "specimens:Marks", "mark": "late"},
}
MIDDLEWARES["Forever"]["budget"] = {"wait": "100ms"}
MIDDLEWARES["Burns"]["budget"] = {"cpu": "5ms", "on_exceed": "bypass"}
ROUTES = [
    {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": chain, "service": "backend"}
    for name, chain in CHAINS.items()
]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with EchoBackend() as backend, EchoBackend() as other:
        config = proxying(
            backend.address,
            access_log={"format": "json", "path": "stdout"},
            middlewares=MIDDLEWARES,
            routes=[*ROUTES, {"name": "other", "match": {"path": "/other/*"}, "service": "other"}],
            services={"other": {"endpoints": [other.address], "middlewares": ["Late"]}},
        )
        with running(config) as made:
            yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


def got(answer: Answer) -> dict[str, str]:
    """What the backend got."""
    fields: dict[str, str] = json.loads(answer.all("x-got")[0])
    return fields


def counted(product: Product, name: str, **labels: str) -> float:
    return product.metric(f"headgate_middleware_{name}", **labels)


# --- Hooks ---


def test_heads_are_changed_both_ways(product: Product, client: Client) -> None:
    ended = counted(product, "ended_total", middleware="Marks")
    answer = client.ask("/all/x", {"x_mark": "forged"})
    assert (answer.status, answer.body) == (200, b"empty")
    assert got(answer)["x-mark"] == "seen"
    assert (answer.all("x-mark"), answer.all("x-began")) == (["seen"], ["/all/x"])
    assert product.shows("headgate_middleware_ended_total", ended + 1, middleware="Marks")
    record = until(
        lambda: [line for line in product.log.splitlines() if '"path":"/all/x"' in line], "the record"
    )[-1]
    assert json.loads(record)["user"] == "somebody"


def test_a_reply_is_seen_by_those_before_only(product: Product, client: Client) -> None:
    before = counted(product, "replies_total", middleware="Answers")
    answer = client.ask("/all/answer")
    assert (answer.status, answer.body) == (418, b"short and stout\n")
    assert answer.all("x-why") == ["because"]
    assert answer.all("x-mark") == ["seen"]
    assert product.shows("headgate_middleware_replies_total", before + 1, middleware="Answers")


def test_nobody_injects_fields(client: Client) -> None:
    answer = client.ask("/all/injected")
    assert answer.status == 500
    assert answer.all("x-c") == []


def test_hooks_are_awaited(product: Product, client: Client) -> None:
    answer = client.ask("/waits/1", body=b"body", method="POST")
    assert answer.body == b"body"
    assert got(answer)["x-waited"] == "yes"
    assert answer.all("x-waited") == ["yes"]
    until(lambda: "middleware Waits: ended /waits/1 with 200" in product.log, "an on_done that waits")
    assert counted(product, "wait_seconds_total", middleware="Waits", hook="on_request") >= 0.005


def test_chains_and_services(client: Client) -> None:
    assert got(client.ask("/chain/x"))["x-mark"] == "seen"
    answer = client.ask("/other/x")
    assert got(answer)["x-mark"] == "late"
    assert answer.all("x-mark") == ["late"]


def test_a_service_is_chosen(client: Client) -> None:
    at_home = client.ask("/chooses/x").all("x-backend")
    answer = client.ask("/chooses/x?other")
    assert answer.all("x-backend") != at_home
    assert got(answer)["x-mark"] == "late", "its own middlewares are called, too"
    assert client.ask("/chooses/x?nowhere").status == 500


# --- Bodies ---


def test_a_body_is_read_and_replaced(client: Client) -> None:
    answer = client.ask("/reads/x", method="POST", body=b"from client to backend")
    assert answer.body == b"FROM CLIENT TO BACKEND"[::-1]
    assert got(answer)["content-length"] == "22"
    assert client.ask("/reads/x").body == b"ytpme"


def test_a_body_that_is_too_long_is_refused(client: Client) -> None:
    assert client.ask("/reads/x", {"x_catch": "1"}, method="POST", body=bytes(10_001)).status == 422


@pytest.mark.parametrize("http2", [False, True])
def test_a_body_that_is_too_long_and_nobody_catches_it(product: Product, http2: bool) -> None:
    with Client(product.port, http2=http2) as client:
        assert client.ask("/reads/x", method="POST", body=bytes(10_001)).status == 413


@pytest.mark.parametrize("path", ["/shouts/x", "/slowly/x"])
@pytest.mark.parametrize("size", [1, 1000, 15_000])
def test_bodies_are_changed_piece_by_piece(client: Client, path: str, size: int) -> None:
    body = (b"abcdefghij" * (size // 10 + 1))[:size]
    answer = client.ask(path, method="POST", body=body)
    assert answer.body == body.upper() + b"!!"
    assert answer.all("content-length") == []


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("path", ["shouts", "slowly"])
def test_long_bodies_are_changed(product: Product, tmp_path: Path, path: str, version: str) -> None:
    body = b"abcdefghij" * 300_000
    (tmp_path / "body").write_bytes(body)
    command = ["curl", "-s", version, "--data-binary", f"@{tmp_path / 'body'}"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{product.port}/{path}/x"], capture_output=True, timeout=30, check=True
    )
    assert done.stdout == body.upper() + b"!!"


def test_who_looks_only_keeps_the_length(product: Product, client: Client) -> None:
    before = counted(product, "bytes_total", middleware="Counts")
    answer = client.ask("/counts/x", method="POST", body=b"0123456789")
    assert (answer.body, answer.all("content-length")) == (b"0123456789", ["10"])
    assert got(answer).get("content-length", "10") == "10"
    assert product.shows("headgate_middleware_bytes_total", before + 20, middleware="Counts")


def test_expect_is_answered_when_a_body_is_read(product: Product) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.putrequest("POST", "/reads/x")
    connection.putheader("Content-Length", "3")
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.send(b"abc")
    assert connection.getresponse().read() == b"CBA"
    connection.close()


# --- What goes wrong ---


@pytest.mark.parametrize("hook", ["request", "response"])
def test_what_a_hook_raises_is_a_500_of_that_exchange(product: Product, client: Client, hook: str) -> None:
    before = counted(product, "errors_total", middleware="Raises", hook=f"on_{hook}")
    answer = client.ask(f"/raises/{hook}")
    assert answer.status == 500
    assert answer.all("x-mark") == ["seen"], "the others see it, whoever failed"
    assert "proxy_internal_error" in answer.all("proxy-status")[0]
    assert product.shows(
        "headgate_middleware_errors_total", before + 1, middleware="Raises", hook=f"on_{hook}"
    )
    assert client.ask("/raises/x").status == 200


def test_an_error_behind_the_head_breaks_the_body_off(product: Product, client: Client) -> None:
    with suppress(http.client.HTTPException, OSError):
        assert client.ask("/raises/body").body == b""
    with Client(product.port) as another:
        assert another.ask("/raises/x").status == 200


def test_an_error_when_all_is_over_is_counted(product: Product, client: Client) -> None:
    before = counted(product, "errors_total", middleware="Raises", hook="on_done")
    assert client.ask("/raises/done").status == 200
    assert product.shows("headgate_middleware_errors_total", before + 1, middleware="Raises", hook="on_done")


def test_nonsense_is_an_error(product: Product, client: Client) -> None:
    assert client.ask("/nonsense/x").status == 500
    assert "on_request of Nonsense returned int; it returns a Reply or None" in product.log


def test_waiting_too_long_is_a_504(product: Product, client: Client) -> None:
    before = counted(product, "exceeded_total", middleware="Forever")
    answer = client.ask("/forever/x")
    assert (answer.status, answer.all("x-mark")) == (504, ["seen"])
    assert counted(product, "exceeded_total", middleware="Forever") == before + 1


def test_a_client_that_leaves_ends_the_waiting(product: Product) -> None:
    with Client(product.port) as client:
        client.begin("/forever/x")
        until(lambda: product.metric("headgate_route_in_flight", route="forever") == 1, "the exchange")
    until(lambda: product.metric("headgate_route_in_flight", route="forever") == 0, "its end")


def test_beyond_its_processor_time_it_is_left_out(product: Product, client: Client) -> None:
    until(lambda: "x-burns" in got(client.ask("/burns/x")), "it to be back in")
    before = counted(product, "exceeded_total", middleware="Burns")
    assert "x-burns" in got(client.ask("/burns/x?burn"))
    assert counted(product, "exceeded_total", middleware="Burns") == before + 1
    assert "x-burns" not in got(client.ask("/burns/x"))
    until(lambda: "x-burns" in got(client.ask("/burns/x")), "it to be back in")


def test_what_is_kept_shows_no_other_exchange(client: Client) -> None:
    for _ in range(3):
        client.ask("/keeps/x", {"x_secret": "mine"})
    assert set(client.ask("/keeps/look").body.decode().splitlines()) == {
        "the exchange is over, and what it carried is gone"
    }


# --- Reloads ---


def test_instances_outlive_reloads_and_bad_classes_change_nothing() -> None:
    with EchoBackend() as backend:
        config = proxying(
            backend.address,
            middlewares={"keeps": {"type": "specimens:Keeps"}},
            routes=[{"name": "all", "match": {"path": "/*"}, "middlewares": ["keeps"], "service": "backend"}],
        )
        with running(config) as product, Client(product.port) as client:
            client.ask("/x")
            base = product.config
            _reload(product, merge(base, {"services": {"backend": {"slow_start": "1s"}}}), 2)
            assert client.ask("/look").body.startswith(b"the exchange is over"), "it is the same instance"
            for kind, reason in (
                ("specimens:Gone", "AttributeError"),
                ("specimens:NOT_ONE", "no subclass of headgate.middleware.Middleware"),
                ("nowhere.to_be:Seen", "ModuleNotFoundError"),
            ):
                product.write(merge(base, {"middlewares": {"keeps": {"type": kind}}}))
                product.signal(signal.SIGHUP)
                until(lambda: kind in product.log and reason in product.log, reason)  # noqa: B023 - done before
            product.write(
                merge(base, {"middlewares": {"bad": {"type": "specimens:Particular", "word": "bad"}}})
            )
            product.signal(signal.SIGHUP)
            until(lambda: "the word is bad; write another" in product.log, "what prepare() says")
            assert product.metric("headgate_snapshot_version") == 2
            assert client.ask("/look").status == 200


def _reload(product: Product, config: Mapping[str, Any], version: int) -> None:
    product.write(config)
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") == version, "the reload")
    until(lambda: product.metric("headgate_workers_ready") >= 1, "the workers")


# --- Others ---


def test_who_holds_up_the_loop_is_named_and_at_last_replaced() -> None:
    with EchoBackend() as backend:
        config = proxying(
            backend.address,
            process={"workers": 2, "hook_limit": "2s"},
            middlewares={"blocker": {"type": "specimens:Blocks"}},
            routes=[
                {"name": "bad", "match": {"path": "/bad"}, "middlewares": ["blocker"], "service": "backend"}
            ],
        )
        with running(config) as product:
            with Client(product.port) as client:
                assert client.ask("/bad?block=1.5").status == 200
            assert counted(product, "blocked_total", middleware="blocker", hook="on_request") == 1
            assert "middleware blocker: on_request of specimens.Blocks holds up the event loop for 1." in (
                product.log
            )
            assert "time.sleep(float(value))" in product.log, "the stack"
            before = product.pids()
            with Client(product.port) as client, pytest.raises((http.client.HTTPException, OSError)):
                client.ask("/bad?block=60")
            assert "middleware blocker has held up the event loop for" in product.log
            until(lambda: product.metric("headgate_worker_restarts_total") == 1, "another worker")
            assert product.pids() != before


@pytest.mark.alone
@pytest.mark.parametrize("bad", ["raises", "waits"])
def test_other_routes_are_as_fast_as_before(bad: str) -> None:
    """Their p99 stays within twice what it was, and a little for the machine."""
    kind = {"raises": "specimens:Raises", "waits": "specimens:Forever"}[bad]
    with EchoBackend() as backend:
        config = proxying(
            backend.address,
            middlewares={"bad": {"type": kind}},
            routes=[
                {"name": "bad", "match": {"path": "/bad/*"}, "middlewares": ["bad"], "service": "backend"},
                {"name": "good", "match": {"path": "/good"}, "respond": {"body": "ok"}},
            ],
        )
        with running(config) as product:
            quiet = p99(product.port)
            if bad == "raises":
                with asking(product.port, "/bad/request"):
                    busy = p99(product.port)
            else:
                crowd = [Client(product.port) for _ in range(100)]
                for each in crowd:
                    each.begin("/bad/x")
                until(lambda: product.metric("headgate_route_in_flight", route="bad") == 100, "them")
                busy = p99(product.port)
                for each in crowd:
                    each.close()
            assert busy < 2 * quiet + 0.01


def p99(port: int) -> float:
    seconds = []
    with Client(port) as client:
        for _ in range(500):
            began = time.monotonic()
            assert client.ask("/good").body == b"ok"
            seconds.append(time.monotonic() - began)
    return sorted(seconds)[494]


@contextmanager
def asking(port: int, path: str) -> Iterator[None]:
    """Somebody asks for a path again and again."""
    over = threading.Event()

    def run() -> None:
        with Client(port) as client:
            while not over.is_set():
                assert client.ask(path).status == 500

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
