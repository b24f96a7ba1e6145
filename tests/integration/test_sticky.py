"""Sticky sessions with real processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support.asking import Answer, Client
from support.ports import free_port
from support.product import Product, merge, until

NAMES = ("one", "two", "three")


def configuration() -> dict[str, Any]:
    """Three endpoints, which are listeners of the same Headgate, as a sticky service in three ways."""
    ports = {name: free_port() for name in NAMES}
    ways: dict[str, Any] = {
        "cookie": {"name": "stay", "lifetime": "1h"},
        "header": {"by": "header", "name": "X-Stay"},
        "other": {"name": "stay", "secret": "another-long-secret"},
        "learned": {"learn": "SID"},
    }
    endpoints = [f"127.0.0.1:{port}" for port in ports.values()]
    return {
        "process": {"workers": 2, "drain_timeout": "1s"},
        "access_log": "off",
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}}
        | {name: {"bind": f"127.0.0.1:{port}"} for name, port in ports.items()},
        "routes": [
            *(
                {"name": way, "listeners": ["web"], "match": {"path": f"/{way}"}, "service": way}
                for way in ways
            ),
            *(
                {
                    "name": f"{name}-learned",
                    "listeners": [name],
                    "match": {"path": "/learned"},
                    "respond": {"body": name, "headers": {"Set-Cookie": f"SID=of-{name}; Path=/"}},
                }
                for name in NAMES
            ),
            *({"name": name, "listeners": [name], "respond": {"body": name}} for name in NAMES),
        ],
        "services": {way: {"endpoints": endpoints, "sticky": sticky} for way, sticky in ways.items()},
        "pool": {"idle_connections": 0},  # or endpoints that are gone would still answer on them
    }


@pytest.fixture
def product() -> Iterator[Product]:
    with Product(configuration()) as made:
        yield made


def ask(product: Product, path: str, *, http2: bool = False, **fields: str) -> Answer:
    """On a connection of its own, so that any worker may answer."""
    port = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    with Client(port, http2=http2) as client:
        return client.ask(path, fields)


def token_in(answer: Answer) -> str:
    [cookie] = answer.all("set-cookie")
    value, _, attributes = cookie.partition("; ")
    assert attributes == "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
    name, _, token = value.partition("=")
    assert name == "stay"
    return token


def sessions(product: Product, service: str) -> dict[str, float]:
    words = ("new", "kept", "replaced", "tampered")
    return {
        word: product.metric("headgate_sticky_sessions_total", service=service, session=word)
        for word in words
    }


def serve(product: Product, config: dict[str, Any]) -> None:
    version = product.metric("headgate_snapshot_version")
    product.write(config)
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") > version, "the reload")


def test_sessions(product: Product) -> None:
    """One product for all steps: its start is what takes time."""
    first = ask(product, "/cookie")
    token = token_in(first)
    for http2 in (False, True):
        for _ in range(8):
            again = ask(product, "/cookie", http2=http2, cookie=f"a=b; stay={token}")
            assert again.body == first.body
            assert again.all("set-cookie") == []
    assert {ask(product, "/cookie").body for _ in range(12)} == {name.encode() for name in NAMES}
    assert sessions(product, "cookie") == {"new": 13, "kept": 16, "replaced": 0, "tampered": 0}

    # By header, with the token of its own service only.
    header = ask(product, "/header")
    [stay] = header.all("x-stay")
    assert {ask(product, "/header", x_stay=stay).body for _ in range(6)} == {header.body}
    ask(product, "/header", x_stay=token)
    assert sessions(product, "header") == {"new": 2, "kept": 6, "replaced": 0, "tampered": 1}

    # Tampered with: ignored, counted, and replaced by a good one.
    changed = ("A" if token[10] != "A" else "B").join((token[:10], token[11:]))
    assert ask(product, "/cookie", cookie=f"stay={changed}").all("set-cookie")
    assert ask(product, "/other", cookie=f"stay={token}").all("set-cookie")
    assert sessions(product, "cookie")["tampered"] == 1
    assert sessions(product, "other")["tampered"] == 1

    # By the application's own cookie: what one worker learned, all know.
    assert {ask(product, "/learned").body for _ in range(12)} == {name.encode() for name in NAMES}
    for name in NAMES:
        ids = {ask(product, "/learned", cookie=f"SID=of-{name}").body for _ in range(6)}
        assert ids == {name.encode()}
    assert sessions(product, "learned") == {"new": 12, "kept": 18, "replaced": 0, "tampered": 0}
    assert product.metric("headgate_sticky_learned_total", service="learned") == len(NAMES)

    # After a reload.
    serve(product, product.config)
    assert {ask(product, "/cookie", cookie=f"stay={token}").body for _ in range(6)} == {first.body}
    assert {ask(product, "/learned", cookie="SID=of-two").body for _ in range(6)} == {b"two"}

    # The endpoint refuses connections: the client is told where it is now, and stays there.
    gone = first.body.decode()
    config = product.config
    listeners = {name: value for name, value in config["listeners"].items() if name != gone}
    routes = [route for route in config["routes"] if not route["name"].startswith(gone)]
    serve(product, {**config, "listeners": listeners, "routes": routes})
    moved = ask(product, "/cookie", cookie=f"stay={token}")
    assert (moved.status, moved.body != first.body) == (200, True)
    there = token_in(moved)
    assert ask(product, "/learned", cookie=f"SID=of-{gone}").body != first.body
    assert {ask(product, "/cookie", cookie=f"stay={there}").body for _ in range(6)} == {moved.body}

    # The endpoint is no longer in the service.
    services = {"cookie": {"endpoints": [f"127.0.0.1:{port_of(product, moved)}"]}}
    serve(product, merge(product.config, {"services": services}))
    assert token_in(ask(product, "/cookie", cookie=f"stay={token}"))
    assert sessions(product, "cookie")["replaced"] == 2


def port_of(product: Product, answer: Answer) -> str:
    return str(product.config["listeners"][answer.body.decode()]["bind"]).rpartition(":")[2]
