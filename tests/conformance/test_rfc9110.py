"""HTTP semantics that a gateway owes both sides: RFC 9110, by section."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from conformance.plays import GET, OK, again, answer_or_forward, chunked, request, response, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Backend, RawClient

IMF_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")


# 5 Fields


def test_5_1_field_names_keep_their_case(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request("x-LOWER-Upper: 1"), response("X-weird-CASE: 2", body=b""))
    assert "x-LOWER-Upper" in seen.request.names
    assert "X-weird-CASE" in seen.response.names


def test_5_3_fields_keep_their_order(backend: Backend, client: RawClient) -> None:
    """A proxy MUST NOT change the order of field lines of the same name; here no order changes."""
    fields = [("X-B", "1"), ("X-A", "2"), ("X-B", "3"), ("x-b", "4"), ("Accept", "a"), ("X-A", "5")]
    lines = [f"{name}: {value}" for name, value in fields]
    seen = run(client, backend, request(*lines), response(*lines, body=b""))
    names = {name for name, _ in fields}
    assert [field for field in seen.request.fields if field[0] in names] == fields
    assert [field for field in seen.response.fields if field[0] in names] == fields


def test_5_3_set_cookie_lines_stay_apart(backend: Backend, client: RawClient) -> None:
    cookies = ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2; Path=/", "a=3"]
    answer = response(*(f"Set-Cookie: {cookie}" for cookie in cookies), body=b"")
    assert run(client, backend, GET, answer).response.all("Set-Cookie") == cookies


def test_5_5_values_pass_byte_by_byte(backend: Backend, client: RawClient) -> None:
    """Inner white space, obs-text, and a value that is empty."""
    values = ["a  b\tc", "\xe9\x80\xff", "", '"a\\"b", c', "a,,b"]
    lines = [f"X-{number}: {value}" for number, value in enumerate(values)]
    seen = run(client, backend, request(*lines), response(*lines, body=b""))
    assert [seen.request.get(f"X-{number}") for number in range(len(values))] == values
    assert [seen.response.get(f"X-{number}") for number in range(len(values))] == values


# 6 Messages


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
def test_6_6_1_date_is_added_when_missing(backend: Backend, client: RawClient, status: str) -> None:
    """A recipient with a clock that forwards a response without Date MUST append one."""
    date = run(client, backend, GET, response(start=f"HTTP/1.1 {status}", body=b"")).response.get("Date")
    assert date is not None
    assert IMF_DATE.fullmatch(date)
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5


def test_6_6_1_date_of_the_origin_is_kept(backend: Backend, client: RawClient) -> None:
    date = "Tue, 15 Nov 1994 08:12:31 GMT"
    assert run(client, backend, GET, response(f"Date: {date}", body=b"")).response.all("Date") == [date]


def test_6_5_1_trailers_go_to_those_who_asked(backend: Backend, client: RawClient) -> None:
    answer = chunked("Trailer: X-Sum", body=b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-b: 2\r\n\r\n")
    seen = run(client, backend, request("TE: trailers", "Connection: TE"), answer)
    assert seen.response.trailers == [("X-Sum", "1"), ("X-b", "2")]
    assert seen.response.body == b"hello"


def test_6_5_1_trailers_are_kept_from_others(backend: Backend, client: RawClient) -> None:
    """Without TE: trailers the client may not expect them; they are dropped and never merged."""
    seen = run(client, backend, GET, chunked(body=b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"))
    assert seen.response.trailers == []
    assert seen.response.get("X-Sum") is None
    assert seen.response.body == b"hello"


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "Host",
        "Connection",
        "Content-Encoding",
        "Content-Type",
        "Trailer",
        "TE",
        "Set-Cookie",
    ],
)
def test_6_5_1_trailers_that_frame_or_route_are_dropped(
    backend: Backend, client: RawClient, name: str
) -> None:
    """A sender MUST NOT generate a trailer field whose definition does not permit it."""
    answer = chunked(body=f"5\r\nhello\r\n0\r\nX-Sum: 1\r\n{name}: 1\r\n\r\n".encode())
    seen = run(client, backend, request("TE: trailers", "Connection: TE"), answer)
    assert seen.response.trailers == [("X-Sum", "1")]


def test_6_5_1_request_trailers_never_become_headers(backend: Backend, client: RawClient) -> None:
    body = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
    asked = request("Transfer-Encoding: chunked", start="POST / HTTP/1.1", body=body)
    seen = run(client, backend, asked)
    assert seen.request.body == b"hello"
    assert seen.request.get("X-Sum") is None
    assert seen.request.trailers in ([("X-Sum", "1")], [])


# 7 Routing


@pytest.mark.parametrize("name", ["Keep-Alive", "Proxy-Connection", "Upgrade", "HTTP2-Settings"])
def test_7_6_1_hop_by_hop_fields_stay_on_their_hop(backend: Backend, client: RawClient, name: str) -> None:
    seen = run(client, backend, request(f"{name}: x", "X-A: b"), response(f"{name}: x", "X-A: b", body=b""))
    assert seen.request.get(name) is None
    assert seen.response.get(name) is None
    assert seen.request.get("X-A") == seen.response.get("X-A") == "b"


def test_7_6_1_fields_named_by_connection_are_removed(backend: Backend, client: RawClient) -> None:
    lines = [
        "Connection: X-One, x-TWO",
        "X-one: 1",
        "X-Two: 2",
        "X-Two: 3",
        "X-Three: 4",
        "connection: ,x-four",
        "X-Four: 5",
    ]
    seen = run(client, backend, request(*lines), response(*lines, body=b""))
    for message in (seen.request, seen.response):
        assert [message.get(name) for name in ("X-One", "X-Two", "X-Four")] == [None] * 3
        assert message.get("X-Three") == "4"
        assert "x-" not in ",".join(message.all("Connection")).lower()


def test_7_6_1_connection_takes_nothing_away_that_is_needed(backend: Backend, client: RawClient) -> None:
    """Fields meant for all recipients, and those that the gateway itself writes, cannot be named away."""
    lines = ["Connection: Host, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, Via, X-Request-Id"]
    client.send(request(*lines))
    if backend.untouched(0.3):
        assert client.final().status == 400
        return
    seen = backend.wires[0].request()
    for name in ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via", "X-Request-Id"):
        assert seen.get(name), f"{name} is missing: {seen.fields}"
    backend.wires[0].send(OK)
    assert client.final().status == 200


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_7_6_2_max_forwards_counts_down(backend: Backend, client: RawClient, method: str) -> None:
    seen = run(client, backend, request("Max-Forwards: 10", start=f"{method} / HTTP/1.1"))
    assert seen.request.get("Max-Forwards") == "9"


@pytest.mark.parametrize("start", ["OPTIONS / HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE / HTTP/1.1"])
def test_7_6_2_max_forwards_zero_ends_here(backend: Backend, client: RawClient, start: str) -> None:
    """It MUST NOT be forwarded; the gateway answers as the final recipient."""
    answer = client.exchange(request("Max-Forwards: 0", start=start))
    assert answer.status in {200, 204, 405, 501}
    assert backend.untouched()


def test_7_6_2_max_forwards_means_nothing_to_other_methods(backend: Backend, client: RawClient) -> None:
    assert run(client, backend, request("Max-Forwards: 0")).request.get("Max-Forwards") == "0"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_7_6_3_via_is_added_to_requests(backend: Backend, client: RawClient, version: str) -> None:
    """The version is that of the message received."""
    seen = run(client, backend, request(start=f"GET / HTTP/{version}"))
    assert seen.request.all("Via") == [f"{version} headgate"]


def test_7_6_3_via_is_added_behind_those_before(backend: Backend, client: RawClient) -> None:
    seen = run(
        client,
        backend,
        request("Via: 1.0 fred, 1.1 p.example.net", "Via: 2 x"),
        response("Via: 1.1 o", body=b""),
    )
    hops = re.split(r", *", ", ".join(seen.request.all("Via")))
    assert hops == ["1.0 fred", "1.1 p.example.net", "2 x", "1.1 headgate"]
    assert "1.1 o" in ", ".join(seen.response.all("Via"))


def test_7_7_bodies_and_their_metadata_are_not_transformed(backend: Backend, client: RawClient) -> None:
    body = bytes(range(256)) * 16
    lines = [
        "Content-Encoding: gzip",
        "Content-Type: x/y; charset=z",
        'ETag: W/"1"',
        "Cache-Control: no-transform",
    ]
    asked = request(*lines, f"Content-Length: {len(body)}", start="PUT / HTTP/1.1", body=body)
    seen = run(client, backend, asked, response(*lines, body=body))
    for message in (seen.request, seen.response):
        assert message.body == body
        assert [f"{name}: {value}" for name, value in message.fields if f"{name}: {value}" in lines] == lines


@pytest.mark.parametrize(
    "field", ["Server: thing/1", "Location: http://a:1/x", "WWW-Authenticate: Basic", "Age: 3"]
)
def test_7_7_fields_of_the_origin_pass_unchanged(backend: Backend, client: RawClient, field: str) -> None:
    name, value = field.split(": ", 1)
    assert run(client, backend, GET, response(field, body=b"")).response.all(name) == [value]


# 8 Representation


def test_8_6_content_length_of_head_is_kept(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request(start="HEAD / HTTP/1.1"), response("Content-Length: 12345"))
    assert seen.response.get("Content-Length") == "12345"
    assert again(client, seen.upstream).response.body == b"ok"


def test_8_6_content_length_of_304_is_kept(backend: Backend, client: RawClient) -> None:
    answer = response("Content-Length: 12345", 'ETag: "x"', start="HTTP/1.1 304 Not Modified")
    seen = run(client, backend, GET, answer)
    assert seen.response.get("Content-Length") == "12345"
    assert again(client, seen.upstream).response.body == b"ok"


def test_8_6_204_has_no_framing_fields(backend: Backend, client: RawClient) -> None:
    answer = response("Content-Length: 0", start="HTTP/1.1 204 No Content")
    seen = run(client, backend, GET, answer)
    assert seen.response.status == 204
    assert seen.response.get("Content-Length") is None
    assert seen.response.get("Transfer-Encoding") is None


# 9 Methods


@pytest.mark.parametrize("method", ["BREW", "get", "PROPFIND", "QUERY", "M-SEARCH", "X" * 32, "PATCH"])
def test_9_1_methods_pass_as_they_are(backend: Backend, client: RawClient, method: str) -> None:
    assert run(client, backend, request(start=f"{method} / HTTP/1.1")).request.method == method


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked", "X-None: 1"])
def test_9_3_2_head_has_no_body(backend: Backend, client: RawClient, framing: str) -> None:
    seen = run(client, backend, request(start="HEAD / HTTP/1.1"), response(framing))
    assert seen.response.status == 200
    assert client.rest == b""
    assert again(client, seen.upstream).response.body == b"ok"


def test_9_3_6_connect_is_refused(backend: Backend, client: RawClient) -> None:
    answer = client.exchange(request(start="CONNECT a:443 HTTP/1.1", host="a:443"))
    assert answer.status in {400, 405, 501}
    client.expect_end()
    assert backend.untouched()


def test_9_3_7_options_of_the_whole_server(backend: Backend, client: RawClient) -> None:
    """The gateway may answer for the server that it is, or ask the one behind it the same question."""
    answer, seen = answer_or_forward(client, backend, request(start="OPTIONS * HTTP/1.1"))
    assert answer.status in {200, 204}
    assert seen is None or (seen.method, seen.target) == ("OPTIONS", "*")


def test_9_3_8_trace_is_passed_to_the_origin(backend: Backend, client: RawClient) -> None:
    seen = run(client, backend, request(start="TRACE /x HTTP/1.1"))
    assert (seen.request.method, seen.request.target) == ("TRACE", "/x")
    assert seen.request.framing == "none"


# 10 Context


def test_10_1_1_expectation_is_passed_on_and_the_answer_back(backend: Backend, client: RawClient) -> None:
    asked = request("Expect: 100-continue", "Content-Length: 5", start="POST / HTTP/1.1")
    client.send(asked)
    upstream = backend.accept()
    assert upstream.request_head().get("Expect") == "100-continue"
    assert client.silent(0.1), "the gateway must not continue on its own"
    upstream.send(response(start="HTTP/1.1 100 Continue"))
    assert client.response().status == 100
    client.send(b"hello")
    upstream.expect(b"hello")
    upstream.send(OK)
    assert client.response().body == b"ok"


@pytest.mark.parametrize("status", ["417 Expectation Failed", "401 Unauthorized", "200 OK"])
def test_10_1_1_final_answer_instead_of_100(backend: Backend, client: RawClient, status: str) -> None:
    client.send(request("Expect: 100-continue", "Content-Length: 5", start="POST / HTTP/1.1"))
    upstream = backend.accept()
    upstream.request_head()
    upstream.send(response(start=f"HTTP/1.1 {status}", body=b"no"))
    assert client.response().body == b"no"


def test_10_1_1_body_without_waiting_for_100(backend: Backend, client: RawClient) -> None:
    asked = request("Expect: 100-continue", "Content-Length: 5", start="POST / HTTP/1.1", body=b"hello")
    seen = run(client, backend, asked, response(start="HTTP/1.1 100 Continue") + OK)
    assert seen.request.body == b"hello"
    assert seen.response.body == b"ok"


def test_10_1_1_expectation_of_http_1_0_is_ignored(backend: Backend, client: RawClient) -> None:
    asked = request("Expect: 100-continue", "Content-Length: 5", start="POST / HTTP/1.0", body=b"hello")
    client.send(asked)
    upstream = backend.accept()
    assert upstream.request().get("Expect") is None
    upstream.send(response(start="HTTP/1.1 100 Continue") + OK)
    assert client.response().status == 200


def test_10_1_4_te_is_of_this_hop(backend: Backend, client: RawClient) -> None:
    """Codings are never passed on; TE: trailers may be, and then Connection names it."""
    seen = run(client, backend, request("TE: gzip;q=0.5, trailers, deflate", "Connection: TE")).request
    assert seen.get("TE") in (None, "trailers")
    if seen.get("TE"):
        assert "te" in (seen.get("Connection") or "").lower()


# 15 Status codes


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints", "110 Hm", "199 Hm"])
def test_15_2_interim_responses_are_forwarded(backend: Backend, client: RawClient, status: str) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Link: </a.css>", "Connection: X-Hop", "X-Hop: 1", start=f"HTTP/1.1 {status}"))
    interim = client.response()
    assert f"{interim.status} {interim.reason}" == status
    assert interim.get("Link") == "</a.css>"
    assert interim.get("X-Hop") is None
    upstream.send(OK)
    assert client.response().body == b"ok"


def test_15_2_several_interim_responses_in_order(backend: Backend, client: RawClient) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    hints = [response(f"Link: </{number}>", start="HTTP/1.1 103 Early Hints") for number in range(5)]
    upstream.send(b"".join(hints) + OK)
    assert [client.response().get("Link") for _ in range(5)] == [f"</{number}>" for number in range(5)]
    assert client.response().body == b"ok"


@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints"])
def test_15_2_no_interim_response_to_http_1_0(backend: Backend, client: RawClient, status: str) -> None:
    """A server MUST NOT send a 1xx response to an HTTP/1.0 client."""
    client.send(request(start="GET / HTTP/1.0"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(response(start=f"HTTP/1.1 {status}") + OK)
    assert client.response().status == 200


def test_15_2_2_switching_protocols_only_when_asked(backend: Backend, client: RawClient) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Upgrade: x", "Connection: Upgrade", start="HTTP/1.1 101 Switching Protocols"))
    assert client.response().status == 502


@pytest.mark.parametrize("start", ["HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified"])
def test_15_no_body_with_204_and_304(backend: Backend, client: RawClient, start: str) -> None:
    seen = run(client, backend, GET, response(start=start))
    assert seen.response.body == b""
    assert again(client, seen.upstream).response.body == b"ok"


@pytest.mark.parametrize("status", [205, 206, 226, 300, 418, 451, 511, 599])
def test_15_other_statuses_are_framed_as_any(backend: Backend, client: RawClient, status: int) -> None:
    seen = run(client, backend, GET, response(start=f"HTTP/1.1 {status} Hm", body=b"hello"))
    assert (seen.response.status, seen.response.reason, seen.response.body) == (status, "Hm", b"hello")
    assert again(client, seen.upstream).response.body == b"ok"


# 9.2.2 Idempotent methods: a connection that the backend closed under a request


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "PUT"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_9_2_2_idempotent_requests_are_tried_again(
    backend: Backend, client: RawClient, method: str, how: str
) -> None:
    upstream = run(client, backend).upstream
    client.send(request(start=f"{method} /again HTTP/1.1"))
    upstream.request()
    upstream.close() if how == "close" else upstream.reset()
    fresh = backend.accept()
    assert fresh.request().target == "/again"
    fresh.send(response("Content-Length: 0"))
    assert client.final(method).status == 200


def test_9_2_2_tried_again_once(backend: Backend, client: RawClient) -> None:
    upstream = run(client, backend).upstream
    client.send(GET)
    upstream.request()
    upstream.close()
    fresh = backend.accept()
    fresh.request()
    fresh.close()
    assert client.final().status == 502
    assert backend.untouched(0.1)


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW"])
def test_9_2_2_other_requests_are_not_tried_again(backend: Backend, client: RawClient, method: str) -> None:
    upstream = run(client, backend).upstream
    client.send(request("Content-Length: 5", start=f"{method} / HTTP/1.1", body=b"hello"))
    upstream.request()
    upstream.close()
    assert client.final().status == 502
    assert backend.untouched(0.1)


def test_9_2_2_nothing_is_tried_again_on_a_fresh_connection(backend: Backend, client: RawClient) -> None:
    client.send(GET)
    upstream = backend.accept()
    upstream.request()
    upstream.close()
    assert client.final().status == 502
    assert backend.untouched(0.1)


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_9_2_2_nothing_is_tried_again_once_answered(backend: Backend, client: RawClient, part: bytes) -> None:
    upstream = run(client, backend).upstream
    client.send(GET)
    upstream.request()
    upstream.send(part)
    upstream.half_close()
    assert client.final().status == 502
    assert backend.untouched(0.1)


def test_9_2_2_a_connection_closed_in_the_meantime_costs_nothing(
    backend: Backend, client: RawClient, connect: Callable[[], RawClient]
) -> None:
    """Also for POST: the gateway saw the end before it sent anything."""
    upstream = run(client, backend).upstream
    upstream.half_close()
    upstream.expect_end()
    asked = request("Content-Length: 5", start="POST / HTTP/1.1", body=b"hello")
    assert run(connect(), backend, asked).request.body == b"hello"
