"""Access records: what each format writes, and that no bytes of a peer can forge anything."""

from __future__ import annotations

import calendar
import codecs
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.core.record import JSON_KEYS, TEMPLATE_NAMES, format_record, record_format

JSON = record_format("json")
COMBINED = record_format("combined")

FIELDS: dict[str, Any] = {
    "started": 1700000000.123,
    "client": "192.0.2.7",
    "user": "alice",
    "peer": "10.0.0.1",
    "peer_port": 40000,
    "listener": "web",
    "method": "GET",
    "target": "/a%20b?x=1",
    "host": "example.com",
    "path": "/a%20b",
    "version": 11,
    "user_agent": "curl/8.0",
    "referer": "https://example.org/?token=1",
    "request_id": "0af7",
    "route": "api",
    "service": "app",
    "variant": "canary",
    "endpoint": "127.0.0.1:9001",
    "reason": "connection_terminated",
    "ended_by": "upstream",
    "detail": "nearest route: site (host)",
    "status": 502,
    "upstream_status": 200,
    "grpc_status": 0,
    "websocket_close": 1000,
    "websocket_closed_by": "client",
    "attempts": 2,
    "retried": "status",
    "not_retried": "budget",
    "hedge": "first",
    "bytes_in": 10,
    "bytes_out": 2**63,
    "head_bytes_in": 300,
    "head_bytes_out": 400,
    "duration": 1.2345678,
    "wait_seconds": 0.001,
    "connect_seconds": 0.0000004,
    "first_byte_seconds": 0.0000006,
    "request_seconds": 0.0,
    "secure": True,
    "tls_version": "TLSv1.3",
    "tls_cipher": "TLS_AES_128_GCM_SHA256",
    "sni": "example.com",
    "alpn": "h2",
    "ja3": "e7d705a3286e19ea42f587b344ee6865",
    "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1",
}
TEXTS = [name for name, value in FIELDS.items() if isinstance(value, str) and name in JSON_KEYS]


def as_json(**fields: Any) -> dict[str, Any]:
    line = format_record(JSON, **fields)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def by_template(template: str, **fields: Any) -> bytes:
    return format_record(record_format("template", template), **fields)


def test_json_says_everything() -> None:
    assert as_json(**FIELDS) == {
        "time": "2023-11-14T22:13:20.123Z",
        "client": "192.0.2.7",
        "user": "alice",
        "peer": "10.0.0.1:40000",
        "listener": "web",
        "secure": True,
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_128_GCM_SHA256",
        "sni": "example.com",
        "alpn": "h2",
        "method": "GET",
        "host": "example.com",
        "target": "/a%20b?x=1",
        "path": "/a%20b",
        "protocol": "HTTP/1.1",
        "status": 502,
        "upstream_status": 200,
        "grpc_status": 0,
        "websocket_close": 1000,
        "websocket_closed_by": "client",
        "route": "api",
        "service": "app",
        "variant": "canary",
        "endpoint": "127.0.0.1:9001",
        "attempts": 2,
        "retried": "status",
        "not_retried": "budget",
        "hedge": "first",
        "bytes_in": 10,
        "bytes_out": 2**63,
        "duration_ms": 1234.568,
        "wait_ms": 1.0,
        "connect_ms": 0.0,
        "first_byte_ms": 0.001,
        "request_ms": 0.0,
        "ended_by": "upstream",
        "reason": "connection_terminated",
        "detail": "nearest route: site (host)",
        "request_id": "0af7",
        "user_agent": "curl/8.0",
        "referer": "https://example.org/?token=1",
    }
    assert list(as_json(**FIELDS)) == list(JSON_KEYS)


def test_fingerprints_are_in_json_when_they_are_asked_for() -> None:
    line = format_record(record_format("json", fingerprints=True), **FIELDS)
    assert list(json.loads(line)) == [*JSON_KEYS, "ja3", "ja4"]


def test_json_leaves_out_what_is_absent() -> None:
    assert as_json() == {
        "time": "1970-01-01T00:00:00.000Z",
        "secure": False,
        "attempts": 0,
        "bytes_in": 0,
        "bytes_out": 0,
    }


@given(st.binary(max_size=80), st.sampled_from(TEXTS))
@example(b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xf0\x8f\xbf\xbf\xe0\x9f\xbf", "user_agent")
@example(b"\xc2", "target")
@example(b"x" * 15 + b'"' + b"y" * 16 + b"\\", "target")
@example(b'"\n{"status":200}\n"', "user_agent")
def test_json_is_valid_whatever_a_peer_sends(data: bytes, name: str) -> None:
    value = as_json(**{name: data})
    expected = data.decode("utf-8", "latin")
    assert value[name] == (expected if name != "peer" else value["peer"])


def latin(error: UnicodeError) -> tuple[str, int]:
    """What stands for a byte that is no UTF-8: the character of the same number."""
    assert isinstance(error, UnicodeDecodeError)
    return chr(error.object[error.start]), error.start + 1


codecs.register_error("latin", latin)


@given(st.text(max_size=60))
def test_json_keeps_text(text: str) -> None:
    assert as_json(user_agent=text)["user_agent"] == text
    line = format_record(JSON, user_agent=text).decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", line)


@given(st.text(max_size=60))
def test_json_keeps_non_ascii_readable(text: str) -> None:
    printable = "".join(c for c in text if c > "\x9f")
    assert printable in format_record(JSON, detail=printable).decode()


@given(st.sampled_from([b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xc3\xa9"]), st.integers(0, 40))
def test_sequences_cut_short_are_no_utf8(sequence: bytes, before: int) -> None:
    for size in range(1, len(sequence)):
        data = b"x" * before + sequence[:size]
        assert as_json(user_agent=data)["user_agent"] == data.decode("latin-1")


def test_combined_is_that_of_apache_and_nginx() -> None:
    assert format_record(COMBINED, **FIELDS) == (
        b'192.0.2.7 - alice [14/Nov/2023:22:13:20 +0000] "GET /a%20b?x=1 HTTP/1.1" 502 9223372036854775808 '
        b'"https://example.org/?token=1" "curl/8.0"\n'
    )
    assert format_record(COMBINED) == b'- - - [01/Jan/1970:00:00:00 +0000] "- - -" 000 0 "-" "-"\n'


@given(st.fixed_dictionaries({name: st.binary(max_size=40) for name in ("target", "user_agent", "referer")}))
@example({"target": b"/", "user_agent": b'" "\n127.0.0.1 - - [', "referer": b"\\"})
def test_nobody_can_forge_a_combined_line(texts: dict[str, bytes]) -> None:
    line = format_record(COMBINED, client="192.0.2.7", method="GET", version=11, status=200, **texts)
    assert line.isascii()
    assert line[:-1].decode().isprintable()
    assert line.count(b'"') == 6
    found = re.fullmatch(rb'192\.0\.2\.7 - - \[[^]]+\] "GET (.*) HTTP/1\.1" 200 0 "(.*)" "(.*)"\n', line)
    assert found
    for escaped, name in zip(found.groups(), ("target", "referer", "user_agent"), strict=True):
        assert unescaped(escaped) == (texts[name] or b"-")


def unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text)


def test_a_template_has_every_name() -> None:
    for name in TEMPLATE_NAMES:
        assert by_template(f"<{{{name}}}>", **FIELDS) not in {b"<->\n", b"<>\n"}, name


def test_every_json_key_is_a_template_name() -> None:
    assert set(JSON_KEYS) <= set(TEMPLATE_NAMES)


def test_a_template_is_filled_in() -> None:
    line = by_template("{client} {method} {target} {status} {duration_ms} {{{route}}} é", **FIELDS)
    assert line == "192.0.2.7 GET /a%20b?x=1 502 1234.568 {api} é\n".encode()
    assert by_template("") == b"\n"
    assert by_template("only text") == b"only text\n"
    assert by_template("x" * 500 + "{route}" + "y" * 500, route="r") == b"x" * 500 + b"r" + b"y" * 500 + b"\n"
    assert by_template("{head_bytes_in} {head_bytes_out} {date}", **FIELDS) == (
        b"300 400 14/Nov/2023:22:13:20 +0000\n"
    )


def test_absent_values_of_a_template_are_dashes() -> None:
    absent = by_template(" ".join(f"{{{name}}}" for name in TEMPLATE_NAMES)).split()
    written = {
        name: value for name, value in zip(TEMPLATE_NAMES, [v for v in absent if v != b"+0000"], strict=True)
        if value != b"-"
    }  # fmt: skip
    assert written == {
        "time": b"1970-01-01T00:00:00.000Z",
        "date": b"01/Jan/1970:00:00:00",
        "secure": b"false",
        "status": b"000",
        "attempts": b"0",
        **dict.fromkeys(("bytes_in", "bytes_out", "head_bytes_in", "head_bytes_out"), b"0"),
    }


def test_an_unknown_name_gets_the_nearest_one_and_the_list() -> None:
    with pytest.raises(
        ValueError, match=r"no value is called \{statsu\}; did you mean \{status\}\? There are: time, "
    ):
        record_format("template", "{client} {statsu}")
    with pytest.raises(ValueError, match=r"no value is called \{\}\. There are: "):
        record_format("template", "{}")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a {", r"the { at character 3 has no partner: write {{ for a { itself"),
        ("a } b", r"the } at character 3 has no partner: write }} for a } itself"),
        ("{client", r"the { at character 1 has no partner"),
        ("{a{client}", r"the { at character 1 has no partner"),
        ("a\n{client}", r"a template is one line of text"),
        ("\x1b[31m{client}", r"a template is one line of text"),
        ("{status:>5}", r"no value is called {status:>5}; did you mean {status}\?"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("{", r"\{").replace("}", r"\}")):
        record_format("template", template)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="no access-log format 'xml': use json, combined or template"):
        record_format("xml")


def test_query_strings_can_be_left_out() -> None:
    fields = {**FIELDS, "target": "/a?token=secret", "referer": "https://example.org/b?token=secret"}
    for kind, template in (("json", ""), ("combined", ""), ("template", "{target} {referer}")):
        line = format_record(record_format(kind, template, query=False), **fields)
        assert b"secret" not in line
        assert b"?" not in line
        assert b"/a" in line
        assert b"https://example.org/b" in line


@pytest.mark.parametrize(
    ("peer", "port", "text"),
    [
        ("10.0.0.1", 80, "10.0.0.1:80"),
        ("2001:db8::1", 65535, "[2001:db8::1]:65535"),
        ("unix", 0, "unix"),
        ("2001:db8::1", 0, "2001:db8::1"),
    ],
)
def test_a_peer_is_an_address_and_a_port(peer: str, port: int, text: str) -> None:
    assert as_json(peer=peer, peer_port=port)["peer"] == text
    assert by_template("{peer}", peer=peer, peer_port=port) == text.encode() + b"\n"


@pytest.mark.parametrize(
    ("version", "text"),
    [(10, "HTTP/1.0"), (11, "HTTP/1.1"), (20, "HTTP/2.0"), (0, None), (100, None), (-1, None)],
)
def test_protocols(version: int, text: str | None) -> None:
    assert as_json(version=version).get("protocol") == text


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        (0.0, "0.000"),
        (0.0123456, "12.346"),
        (86400.5, "86400500.000"),
        (-1.0, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_phases(seconds: float, milliseconds: str) -> None:
    assert by_template("{duration_ms}", duration=seconds).decode().strip() == milliseconds


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(0, 253402300799), st.integers(0, 999))
def test_times_are_those_of_the_calendar(second: int, millisecond: int) -> None:
    when = EPOCH + timedelta(seconds=second, milliseconds=millisecond)
    line = by_template("{time} {date}", started=second + millisecond / 1000).decode()
    time, date, zone = line.split()
    assert time == when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    month = calendar.month_abbr[when.month]
    assert f"{date} {zone}" == f"{when.day:02}/{month}/{when.year:04}:{when:%H:%M:%S} +0000"


@pytest.mark.parametrize("started", [-5.0, 1e300, float("nan"), float("-inf")])
def test_impossible_times_are_the_epoch(started: float) -> None:
    assert as_json(started=started)["time"] == "1970-01-01T00:00:00.000Z"


def test_the_second_is_kept_only_while_it_is_the_same() -> None:
    form = record_format("json")
    times = [json.loads(format_record(form, started=at))["time"] for at in (100.25, 100.75, 101.0, 100.5)]
    assert [time[17:] for time in times] == ["40.250Z", "40.750Z", "41.000Z", "40.500Z"]


def test_long_texts_fit() -> None:
    agent = b"\x01\xff" * 32_768
    assert as_json(user_agent=agent, target=b"/" + b"a" * 65_536)["user_agent"] == agent.decode("latin-1")
    assert len(format_record(COMBINED, user_agent=agent)) > 4 * len(agent)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="a record has no statsu"):
        format_record(JSON, statsu=1)


def document() -> list[tuple[str, str]]:
    """The rows of the table of values: the name, and what stands in the column for JSON."""
    text = (Path(__file__).parents[3] / "docs" / "access-log.md").read_text()
    section = text.partition("## Values")[2].partition("## Formats")[0]
    return re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", section, re.MULTILINE)


def test_the_document_lists_every_name_in_order() -> None:
    assert [name for name, _ in document()] == list(TEMPLATE_NAMES)
    assert [name for name, json_column in document() if json_column == "yes"] == list(JSON_KEYS)


def test_the_examples_of_the_document_are_what_is_written() -> None:
    text = (Path(__file__).parents[3] / "docs" / "access-log.md").read_text()
    fields: dict[str, Any] = {
        **FIELDS,
        "started": 1769903999.123,
        "target": "/a?x=1",
        "path": "/a",
        "referer": None,
        "variant": None,
        "user": None,
        "reason": None,
        "detail": None,
        "status": 200,
        "attempts": 1,
        "bytes_in": 0,
        "bytes_out": 512,
        "duration": 0.003512,
        "wait_seconds": 0.0,
        "connect_seconds": 0.000061,
        "first_byte_seconds": 0.003204,
        "request_id": "0af7651916cd43dd",
        "secure": False,
        **dict.fromkeys(("tls_version", "tls_cipher", "sni", "alpn", "websocket_closed_by")),
        **dict.fromkeys(("retried", "not_retried", "hedge")),
        **dict.fromkeys(("grpc_status", "websocket_close"), -1),
    }
    assert format_record(JSON, **fields).decode() in text
    assert format_record(COMBINED, **fields).decode() in text
