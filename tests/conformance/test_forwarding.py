"""The fields that tell a service about the client, from strangers and from trusted proxies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from conformance.plays import GET, OK, request
from support import Product, RawClient, RecordingBackend, proxying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support import Message

LIES = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "lie.example",
    "X-Forwarded-Port": "6666",
    "X-Real-IP": "6.6.6.6",
    "X-Request-Id": "lie",
    "Forwarded": "for=6.6.6.6;proto=https",
}


def ask(product: Product, backend: RecordingBackend, *lines: str, host: str = "a.example") -> Message:
    """What the backend sees of a request with these field lines."""
    with RawClient(product.port) as client:
        assert client.exchange(request(*lines, host=host)).status == 200
    return backend.requests[-1]


@pytest.fixture(scope="module")
def stranger(recording: RecordingBackend) -> Iterator[Product]:
    """A product that trusts nobody."""
    with Product(proxying(recording.address)) as product:
        yield product


@pytest.fixture(scope="module")
def trusted(recording: RecordingBackend) -> Iterator[Product]:
    """A product that trusts loopback and 10.0.0.0/8, and writes Forwarded too."""
    config = proxying(
        recording.address, trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"], forwarding={"forwarded": True}
    )
    with Product(config) as product:
        yield product


@pytest.fixture(scope="module")
def silent(recording: RecordingBackend) -> Iterator[Product]:
    """A product that writes none of them, and another Host."""
    config = proxying(
        recording.address,
        forwarding={"x_forwarded": False, "x_real_ip": False, "via": "off", "request_id": False},
        services={"backend": {"host": "inner.example:8000"}},
    )
    with Product(config) as product:
        yield product


def test_a_client_is_described(stranger: Product, recording: RecordingBackend) -> None:
    seen = ask(stranger, recording, host="a.example:8080")
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "a.example:8080"
    assert seen.get("X-Forwarded-Port") == str(stranger.port)
    assert re.fullmatch(r"[0-9A-Za-z_-]{16,64}", seen.get("X-Request-Id") or "")
    assert seen.get("Forwarded") is None
    assert seen.get("Host") == "a.example:8080"


def test_request_ids_differ(stranger: Product, recording: RecordingBackend) -> None:
    assert len({ask(stranger, recording).get("X-Request-Id") for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "spell", [str, str.lower, str.upper, str.title], ids=["as is", "lower", "upper", "title"]
)
@pytest.mark.parametrize("name", LIES)
def test_what_strangers_claim_is_dropped(
    stranger: Product, recording: RecordingBackend, name: str, spell: type[str]
) -> None:
    lie = LIES[name]
    seen = ask(stranger, recording, f"{spell(name)}: {lie}", f"{spell(name)}: {lie}, {lie}")
    assert len(seen.all(name)) == (0 if name == "Forwarded" else 1)
    assert lie not in (seen.get(name) or "")


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X_Real_IP", "x_forwarded-proto", "X-Forwarded_Host", "X_Request_Id"]
)
def test_underscores_are_no_way_around(stranger: Product, recording: RecordingBackend, name: str) -> None:
    """A CGI or WSGI server makes one variable of both spellings: the lie would win or be appended."""
    with RawClient(stranger.port) as client:
        status = client.exchange(request(f"{name}: 6.6.6.6")).status
    if status == 200:
        assert recording.requests[-1].get(name) is None
    else:
        assert status == 400


def test_trusted_proxies_are_believed(trusted: Product, recording: RecordingBackend) -> None:
    lines = [
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: b.example",
        "X-Forwarded-Port: 443",
        "X-Request-Id: abc-123",
    ]
    seen = ask(trusted, recording, *lines)
    assert seen.get("X-Forwarded-For") == "1.2.3.4, 127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "https"
    assert seen.get("X-Forwarded-Host") == "b.example"
    assert seen.get("X-Forwarded-Port") == "443"
    assert seen.get("X-Real-IP") == "1.2.3.4"
    assert seen.get("X-Request-Id") == "abc-123"


def test_trusted_proxies_that_say_nothing(trusted: Product, recording: RecordingBackend) -> None:
    seen = ask(trusted, recording)
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Request-Id")


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 10.0.0.5"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 10.0.0.5, 10.1.1.1"], "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4", "10.0.0.5"], "1.2.3.4"),
        (["10.0.0.7, 10.0.0.5"], "10.0.0.7"),
        (["2001:db8::1, 10.0.0.5"], "2001:db8::1"),
        (["1.2.3.4 ,\t10.0.0.5"], "1.2.3.4"),
        (["6.6.6.6, garbage, 10.0.0.5"], "10.0.0.5"),
        (["6.6.6.6, unknown"], "127.0.0.1"),
        ([""], "127.0.0.1"),
    ],
)
def test_the_client_is_found_from_right_to_left(
    trusted: Product, recording: RecordingBackend, lines: list[str], client: str
) -> None:
    """The first address from the right that is not trusted; what is no address ends the search."""
    seen = ask(trusted, recording, *(f"X-Forwarded-For: {line}" for line in lines))
    assert seen.get("X-Real-IP") == client


@pytest.mark.parametrize("claim", ["javascript:", "ftp", "", '"https"'])
def test_a_scheme_that_is_none_is_not_passed_on(
    trusted: Product, recording: RecordingBackend, claim: str
) -> None:
    seen = ask(trusted, recording, f"X-Forwarded-Proto: {claim}")
    assert seen.get("X-Forwarded-Proto") in {"http", "https"}


@pytest.mark.parametrize("claim", ["a b", "a\tb", "\xff" * 8, "x" * 5000, '"><script>'])
def test_a_request_id_that_is_none_is_replaced(
    trusted: Product, recording: RecordingBackend, claim: str
) -> None:
    seen = ask(trusted, recording, f"X-Request-Id: {claim}")
    assert re.fullmatch(r"[0-9A-Za-z_-]{16,64}", seen.get("X-Request-Id") or "")


def test_rfc_7239_forwarded(trusted: Product, recording: RecordingBackend) -> None:
    seen = (ask(trusted, recording, "X-Forwarded-For: 1.2.3.4").get("Forwarded") or "").lower()
    last = seen.rsplit(",", 1)[-1]
    pairs = dict(pair.strip().split("=", 1) for pair in last.split(";"))
    assert pairs["for"].strip('"') == "127.0.0.1"
    assert pairs["proto"] == "http"
    assert pairs["host"].strip('"') == "a.example"


def test_rfc_7239_forwarded_of_a_trusted_proxy_is_kept(trusted: Product, recording: RecordingBackend) -> None:
    seen = ", ".join(ask(trusted, recording, "Forwarded: for=1.2.3.4;proto=https").all("Forwarded"))
    assert seen.startswith("for=1.2.3.4;proto=https,")
    assert "127.0.0.1" in seen


def test_rfc_7239_host_with_a_port_is_quoted(trusted: Product, recording: RecordingBackend) -> None:
    seen = (ask(trusted, recording, host="a.example:8080").get("Forwarded") or "").lower()
    assert 'host="a.example:8080"' in seen


def test_switched_off_means_gone(silent: Product, recording: RecordingBackend) -> None:
    """Off means: none is written, and what strangers claim is dropped all the same."""
    seen = ask(silent, recording, *(f"{name}: {value}" for name, value in LIES.items()))
    assert [name for name in LIES if seen.get(name) is not None] == []
    assert seen.get("Via") is None


def test_host_is_replaced_per_service(silent: Product, recording: RecordingBackend) -> None:
    assert ask(silent, recording, host="a.example").get("Host") == "inner.example:8000"


def test_fields_are_per_exchange(stranger: Product, recording: RecordingBackend) -> None:
    """On one connection, nothing of one request stays for the next."""
    with RawClient(stranger.port) as client:
        client.exchange(request("X-A: 1", "Cookie: a=b", host="one.example"))
        client.exchange(GET)
    seen = recording.requests[-1]
    assert (seen.get("X-A"), seen.get("Cookie"), seen.get("X-Forwarded-Host")) == (None, None, "a")


def test_answers_carry_no_inner_field(stranger: Product) -> None:
    with RawClient(stranger.port) as client:
        answer = client.exchange(GET)
    assert answer.body == OK[-2:]
    assert {name.lower() for name in answer.names} <= {"content-length", "date", "via", "x-request-id"}
