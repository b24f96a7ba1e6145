"""What the middlewares for fields refuse to be set to, and their small languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware.builtin.cors import Cors
from headgate.middleware.builtin.request_id import hexadecimal, ulid, uuid4
from headgate.middleware.builtin.traceparent import is_traceparent, is_tracestate, new_traceparent
from headgate.middleware.description import CheckedWorker, instance_of
from headgate.middleware.resolution import class_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("headers", {}, "no rules: write some under request or response"),
    ("headers", {"response": {"set": {"a b": ""}}}, "response: 'a b' is no name of a field"),
    (
        "cors",
        {"origins": ["*"], "credentials": True},
        "every page could act as its visitors: name the origins",
    ),
    ("cors", {"origins": ["*", "https://a.example"]}, "remove the others or the star"),
    ("cors", {"origins": ["a.example"]}, "browsers never send: write for example https://app.example"),
    ("cors", {"origins": ["https://a.example/"]}, "without a path"),
    ("cors", {"origins": ["https://a.example:443"]}, "without the scheme's own port"),
    ("cors", {"origins": ["https://A.example"]}, "in lower case"),
    ("cors", {"origins": ["https://a.*.example"]}, "browsers never send"),
    ("cors", {"origins": ["~ ("]}, "is no regular expression"),
    ("cors", {"origins": ["https://a.example"], "methods": ["P T"]}, "no name: write for example PUT"),
    (
        "security_headers",
        {"csp": "default-src\r\nX: y"},
        "the value of Content-Security-Policy has a control",
    ),
    ("request_id", {"header": "X Id"}, "'X Id' is no name of a field"),
    ("request_id", {"header": "Connection"}, "written by Headgate itself"),
]


@pytest.mark.parametrize(("kind", "options", "reason"), BAD)
def test_what_cannot_be(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        instance_of(class_of(kind), "it", options, CheckedWorker())


@given(st.from_regex(r"(https://)?[a-z.]{0,9}[.]?b[.]example(:443)?", fullmatch=True))
def test_a_star_is_for_hosts_below(origin: str) -> None:
    cors = instance_of(class_of("cors"), "cors", {"origins": ["https://*.b.example"]}, CheckedWorker())
    assert isinstance(cors, Cors)
    wanted = re.fullmatch(r"https://([a-z0-9_-]+\.)+b\.example", origin) is not None
    assert cors._may(origin) == wanted


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-00", True),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"00-{TRACE}-{PARENT}-ff", True),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", True),
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01.what", False),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"00-{TRACE}-{PARENT}-01-", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{PARENT}-1", False),
        (f"0-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01\n", False),
        ("", False),
    ],
)
def test_traceparents(text: str, valid: bool) -> None:
    assert is_traceparent(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a=1", True),
        ("a=1, b=2 ,,\tc@d=3", True),
        ("0a_b-c*d/e@f= x", True),
        (",".join(f"k{number}=1" for number in range(32)), True),
        (",".join(f"k{number}=1" for number in range(33)), False),
        ("a=1,a=2", False),
        ("A=1", False),
        ("a", False),
        ("a=", False),
        ("a=b=c", False),
        ("a=\x7f", False),
        ("a" * 256 + "=" + "b" * 256, True),
        ("a" * 257 + "=b", False),
        ("a=" + "b" * 257, False),
        ("_a=1", False),
    ],
)
def test_tracestates(text: str, valid: bool) -> None:
    assert is_tracestate(text) == valid


@given(st.booleans())
def test_new_ones_are_valid(sampled: bool) -> None:
    made = new_traceparent(sampled=sampled)
    assert is_traceparent(made)
    assert made.endswith("-03" if sampled else "-02")


def test_ids() -> None:
    made = [[make() for _ in range(1000)] for make in (uuid4, hexadecimal, ulid)]
    assert all(len(set(ids)) == 1000 for ids in made)
    assert all(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in made[0])
    assert {one[14] for one in made[0]} == {"4"}
    assert {one[19] for one in made[0]} == set("89ab")
    assert made[2][0][:10] <= made[2][-1][:10], "ULIDs sort by time"
