"""What can only be said about a configuration as a whole; the texts stand in test_messages.py."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from headgate.config import check, validate
from headgate.config.model import Config

BASE: dict[str, Any] = {
    "listeners": {"web": {"bind": "127.0.0.1:80"}},
    "routes": [{"name": "r", "service": "s"}],
    "services": {"s": {"endpoints": ["127.0.0.1:1"]}},
}


def errors_of(**changes: Any) -> list[str]:
    return [problem.path for problem in validate(copy.deepcopy(BASE) | changes).errors]


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", ":80", True),
        (":80", "[::]:80", False),
        ("[::]:80", "[::1]:80", True),
        ("[::1]:80", "127.0.0.1:80", False),
        (":0", ":0", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("fd:3", "fd:3", True),
        ("fd:3", "fd:4", False),
        ("localhost:80", "127.0.0.1:80", True),
    ],
)
def test_binds_that_overlap(first: str, second: str, *, taken: bool) -> None:
    assert errors_of(listeners={"a": {"bind": first}, "b": {"bind": second}}) == ["listeners.b.bind"] * taken
    assert errors_of(listeners={"b": {"bind": second}, "a": {"bind": first}}) == ["listeners.a.bind"] * taken


def test_all_ipv6_addresses_with_ipv4_overlap_ipv4() -> None:
    dual = {"bind": "[::]:80", "socket": {"v6only": False}}
    assert errors_of(listeners={"a": dual, "b": {"bind": ":80"}}) == ["listeners.b.bind"]
    assert errors_of(listeners={"b": {"bind": "127.0.0.1:80"}, "a": dual}) == ["listeners.a.bind"]


@pytest.mark.parametrize("bind", ["127.0.0.1:9", "127.0.0.2:9", "[::1]:9", "unix:/a", "localhost:9"])
def test_admin_addresses_of_this_machine(bind: str) -> None:
    assert errors_of(admin={"bind": bind}) == []


@pytest.mark.parametrize("bind", ["0.0.0.0:9", ":9", "[::]:9", "10.0.0.1:9"])
def test_admin_addresses_for_other_machines(bind: str) -> None:
    assert errors_of(admin={"bind": ["unix:/a", bind]}) == ["admin.bind[1]"]


def test_every_reference_is_checked() -> None:
    assert errors_of(
        routes=[
            {"name": "a", "service": "x", "middlewares": ["m", "n"], "listeners": ["l"]},
            {"name": "b", "services": [{"service": "s"}, {"service": "y"}]},
        ]
    ) == [
        "routes[0].service",
        "routes[0].middlewares[0]",
        "routes[0].middlewares[1]",
        "routes[0].listeners[0]",
        "routes[1].services[1].service",
    ]


@pytest.mark.parametrize(
    ("paths", "template", "known"),
    [
        ("/a", "/{path}", True),
        ("/a", "/{id}", False),
        ("~ ^/(?P<id>.)$", "/{id}", True),
        (["~ ^/(?P<id>.)$", "/a"], "/{id}", False),
        (["~ ^/(?P<id>.)$", "~ ^/x(?P<id>.)$"], "/{id}", True),
        (["~ ^/(?P<id>.)$", "~ ^/x(?P<no>.)$"], "/{id}", False),
        ([], "{scheme}{host}{port}{path}{query}", True),
    ],
)
def test_names_in_redirects(paths: object, template: str, *, known: bool) -> None:
    found = errors_of(routes=[{"name": "r", "match": {"path": paths}, "redirect": {"path": template}}])
    assert found == ["routes[0].redirect.path"] * (not known)


def test_a_redirect_that_only_drops_the_query() -> None:
    assert errors_of(routes=[{"name": "r", "redirect": {"query": ""}}]) == []


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Date"])
def test_fields_of_our_own(name: str) -> None:
    found = errors_of(routes=[{"name": "r", "respond": {"headers": {name: "1"}}}])
    assert found == [f"routes[0].respond.headers.{name}"]


def test_what_is_unused_is_a_warning() -> None:
    model = Config.model_validate(BASE | {"routes": [{"name": "r", "respond": {}}]})
    problems = check(model)
    assert [(problem.severity, problem.path) for problem in problems] == [("warning", "services.s")]


def test_a_good_model_has_no_problems() -> None:
    assert check(Config.model_validate(BASE)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"routes": None},
        {"routes": 5},
        {"routes": [None, 5, "x", []]},
        {"services": [1]},
        {"services": {"s": 1}},
        {"listeners": {"web": None}},
        {"listeners": {"web": {"bind": 5}}},
        {"admin": 5},
        {"admin": {"bind": {}}},
        {
            "routes": [
                {"name": [], "service": {}, "services": {}, "redirect": 5, "respond": 5, "middlewares": {}}
            ]
        },
        {"routes": [{"name": "r", "match": [], "redirect": {"path": 5}}]},
        {"access_log": 5},
        {"services": {"s": {"endpoints": [{}, None, {"address": 5, "weight": "x"}]}}},
        {"routes": [{"name": "r", "match": {"path": {"a": 1}}, "redirect": {"path": "{"}}]},
    ],
)
def test_other_shapes_are_left_to_the_models(changes: dict[str, Any]) -> None:
    validate(BASE | changes)
