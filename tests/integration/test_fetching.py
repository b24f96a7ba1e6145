"""What middlewares fetch, with real processes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from support import Product
from support.asking import Client
from support.certificates import Authority, Pair
from support.product import until
from support.serving import Handler, Server, send

TESTS = Path(__file__).parents[1]
AUTHORITY = Authority()


class Origin(Server):
    """A server that answers as the path says, with https where it has a certificate."""

    def __init__(self, pair: Pair | None = None) -> None:
        self.gone = threading.Event()  # somebody who hung was left
        super().__init__(self._answer, pair)

    def _answer(self, request: Handler, body: bytes) -> None:
        request.close_connection = True
        if "hang" in request.path:
            with suppress(OSError):
                request.rfile.read(1)  # until whoever asked leaves
            self.gone.set()
        elif "reset" in request.path:
            request.connection.shutdown(socket.SHUT_RDWR)
        elif "half" in request.path:
            request.send_response(200)
            request.send_header("Content-Length", "10")
            request.end_headers()
            request.wfile.write(b"12345")
        elif "endless" in request.path:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(b"a" * 600)
            request.wfile.flush()
            request.wfile.write(b"a" * 600)
        elif "large" in request.path:
            send(request, 200, b"a" * 1001)
        elif "moved" in request.path:
            send(request, 302, fields={"Location": "/elsewhere"})
        else:
            request.close_connection = False
            fields = {name.lower(): value for name, value in request.headers.items()}
            told = {"method": request.command, "path": request.path, "fields": fields, "body": body.decode()}
            send(request, 200, json.dumps(told).encode())


@pytest.fixture(scope="module")
def plain() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def secure() -> Iterator[Origin]:
    with Origin(AUTHORITY.issue("127.0.0.1")) as origin:
        yield origin


@pytest.fixture(scope="module")
def product(plain: Origin, secure: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    authority = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.write_text(AUTHORITY.pem)
    config = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": {"format": "json", "path": "stdout"},
        "routes": [{"name": "all", "match": {"path": "/*"}, "middlewares": ["fetching"], "service": "some"}],
        "middlewares": {
            "fetching": {
                "type": "support.middlewares.fetching:Fetching",
                "plain": f"http://{plain.address}",
                "more": {"secure": f"https://{secure.address}"},
                "service": "service://other",
                "trusted": "service://trusted",
            }
        },
        "services": {
            "some": {"endpoints": [plain.address]},
            "other": {"endpoints": [plain.address], "host": "other.example"},
            "trusted": {"endpoints": [f"https://{secure.address}"], "tls": {"ca": str(authority)}},
        },
    }
    with Product(config, env={"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"}) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


def fetch(client: Client, origin: str, **asked: str) -> tuple[int, dict[str, Any]]:
    answer = client.ask(f"/{origin}?{urlencode(asked)}")
    return answer.status, json.loads(answer.body)


def told(client: Client, origin: str, **asked: str) -> dict[str, Any]:
    """What the origin saw."""
    status, fetched = fetch(client, origin, **asked)
    assert (status, fetched["status"]) == (200, 200), fetched
    seen: dict[str, Any] = json.loads(fetched["body"])
    return seen


def test_an_origin_gets_what_is_asked(client: Client, plain: Origin) -> None:
    seen = told(client, "plain", path="/a%20b?x=1&y", method="POST", name="me", body="hello")
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a%20b?x=1&y", "hello")
    assert seen["fields"]["host"] == plain.address
    assert seen["fields"]["x-name"] == "me"
    assert seen["fields"]["user-agent"].startswith("headgate/")
    assert seen["fields"].keys() == {"host", "x-name", "user-agent", "content-length"}


def test_a_service_gets_its_own_host(client: Client) -> None:
    assert told(client, "service")["fields"]["host"] == "other.example"


def test_certificates_are_verified(client: Client, secure: Origin) -> None:
    assert told(client, "trusted", path="/x")["path"] == "/x"
    status, failed = fetch(client, "secure", path="/secret?token=abc")
    assert (status, failed["reason"]) == (502, "tls_certificate_error")
    assert failed["text"].startswith(f"https://{secure.address}/secret: tls certificate error")
    assert "token" not in failed["text"]


def test_redirects_are_answers(client: Client) -> None:
    status, fetched = fetch(client, "plain", path="/moved")
    assert (status, fetched["status"], fetched["fields"]["location"]) == (200, 302, "/elsewhere")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/reset", "connection_terminated"),
        ("/half", "http_response_incomplete"),
        ("/large", "http_response_body_size"),
        ("/endless", "http_response_body_size"),
    ],
)
def test_what_is_no_answer(client: Client, path: str, reason: str) -> None:
    status, failed = fetch(client, "plain", path=path)
    assert (status, failed["reason"]) == (502, reason)


def test_a_deadline_ends_it(client: Client, plain: Origin) -> None:
    plain.gone.clear()
    status, failed = fetch(client, "plain", path="/hang", timeout="0.1")
    assert (status, failed["reason"]) == (502, "http_response_timeout")
    assert failed["text"].endswith("/hang: there was no answer in time")
    assert plain.gone.wait(10)


def test_who_is_cancelled_leaves(client: Client, plain: Origin) -> None:
    plain.gone.clear()
    assert fetch(client, "plain", path="/hang", cancel="yes") == (503, {"reason": "cancelled"})
    assert plain.gone.wait(10)


def test_a_client_that_leaves_takes_it_along(product: Product, plain: Origin) -> None:
    plain.gone.clear()
    with Client(product.port) as client:
        client.begin("/plain?path=/hang")
        name = f"fetch:http:{plain.address}"
        until(lambda: product.metric("headgate_service_in_flight", service=name) == 1, "a fetch under way")
    assert plain.gone.wait(10)


def test_only_what_was_named_is_asked(client: Client) -> None:
    status, failed = fetch(client, "nowhere")
    assert (status, failed["reason"]) == (502, "destination_not_found")
    assert fetch(client, "plain", path="/a b")[0] == 400
    assert fetch(client, "plain", name="a\r\nx: y")[0] == 400
    assert fetch(client, "plain", method="CONNECT")[0] == 400


def test_fetches_are_counted_and_not_recorded(product: Product, plain: Origin) -> None:
    name = f"fetch:http:{plain.address}"
    before = product.metric("headgate_service_requests_total", service=name)
    with Client(product.port) as client:
        told(client, "plain", path="/unrecorded")
    until(
        lambda: product.metric("headgate_service_requests_total", service=name) == before + 1,
        "one more fetch",
    )
    records = [json.loads(line) for line in product.log.splitlines() if line.startswith('{"time"')]
    assert records
    assert "/unrecorded" not in {record["path"] for record in records}
    assert "no route uses" not in product.log


def test_a_service_that_is_not_there_is_refused(tmp_path: Path) -> None:
    from headgate.config import load

    file = tmp_path / "headgate.yaml"
    file.write_text(
        "listeners: {web: {bind: 127.0.0.1:0}}\n"
        "routes: [{name: a, middlewares: [f], respond: {}}]\n"
        "middlewares:\n"
        "  f: {type: 'support.middlewares.fetching:Fetching', plain: 'ftp://a', service: 'service://othr/x',\n"
        "      more: {secure: 'https://a.example'}, trusted: 'service://other'}\n"
        "services: {other: {endpoints: [127.0.0.1:1]}}\n"
    )
    problems = "\n".join(str(problem) for problem in load(str(file)).problems)
    assert '"service://othr/x" is no service of this file' in problems
    assert "is no URL" in problems
    assert "uses the service" not in problems
