"""SIGHUP: all workers take the new configuration, or nothing changes anywhere; nothing is dropped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import Product, free_port, merge, proxying, until
from support.load import Load, PathBackend, surviving


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


def get(port: int, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def reload(product: Product, config: dict[str, Any] | None = None) -> None:
    """Reload and wait until it is served."""
    before = product.metric("headgate_reloads_total")
    if config is not None:
        product.write(config)
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_reloads_total") > before, "the reload")


def refused(product: Product, config: dict[str, Any] | str) -> str:
    """Reload what is refused; returns what /readyz says."""
    before = product.metric("headgate_reload_failures_total")
    if isinstance(config, str):
        product.file.write_text(config)
    else:
        product.write(config)
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_reload_failures_total") > before, "the refusal")
    status, text = product.admin("/readyz")
    assert status == 200
    return text


def greeting(text: str, **more: Any) -> dict[str, Any]:
    base = {
        "process": {"workers": 2, "drain_timeout": "5s"},
        "access_log": "off",
        "routes": [{"name": "all", "respond": {"body": text}}],
    }
    return merge(base, more)


def answers(product: Product, admin_port: int) -> bool:
    """Whether the admin address answers on this port."""
    product.admin_port = admin_port
    try:
        return product.admin("/readyz")[0] == 200
    except OSError:
        return False


def test_all_workers_take_the_new_one() -> None:
    with Product(greeting("one")) as product:
        assert get(product.port) == (200, "one")
        reload(product, merge(product.config, greeting("two")))
        assert {get(product.port)[1] for _ in range(20)} == {"two"}
        assert product.metric("headgate_snapshot_version") == 2
        assert "is loaded: snapshot 2 is served by all workers" in product.log


@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["roles", "single"])
def test_a_refused_one_changes_nothing(arguments: tuple[str, ...]) -> None:
    with Product(greeting("one"), *arguments) as product, socket.create_server(("127.0.0.1", 0)) as other:
        good = product.config
        text = refused(product, "listeners: {web: {bnd: x}}")
        assert "the last reload was refused:" in text
        assert f"{product.file}:1:" in text
        assert "the configuration is refused, snapshot 1 is served on:" in product.log

        used = other.getsockname()[1]
        extra = merge(good, greeting("two"), {"listeners": {"extra": {"bind": f"127.0.0.1:{used}"}}})
        assert f"extra: cannot listen on 127.0.0.1:{used}" in refused(product, extra)
        new = free_port()
        half = merge(extra, {"listeners": {"new": {"bind": f"127.0.0.1:{new}"}}})
        refused(product, half)
        with pytest.raises(ConnectionRefusedError):
            get(new)

        log = merge(good, {"access_log": {"path": "/no/such/folder/a.log"}})
        log["access_log"].pop("format", None)
        assert "/no/such/folder/a.log" in refused(product, log)

        assert {get(product.port)[1] for _ in range(10)} == {"one"}
        assert product.metric("headgate_snapshot_version") == 1
        assert product.metric("headgate_reload_last_success") == 0
        reload(product, good)
        assert product.metric("headgate_reload_last_success") == 1
        assert "refused" not in product.admin("/readyz")[1]


def test_connections_of_a_listener_that_is_gone_are_served_as_before() -> None:
    """Its number among the listeners is another's now, and so would be its routes."""
    other = free_port()
    both = greeting("none", listeners={"web": {}, "other": {"bind": f"127.0.0.1:{other}"}})
    both["routes"] = [
        {"name": name, "listeners": [name], "respond": {"body": name}} for name in ("web", "other")
    ]
    with Product(both) as product:
        one, two = (http.client.HTTPConnection("127.0.0.1", product.port, timeout=10) for _ in range(2))
        one.request("GET", "/")
        assert one.getresponse().read() == b"web"
        two.connect()
        two.sock.sendall(b"GET / HTTP/1.1\r\nHo")
        only = {"listeners": {"other": product.config["listeners"]["other"]}, "routes": both["routes"][1:]}
        reload(product, {**product.config, **only})
        two.sock.sendall(b"st: a\r\n\r\n")
        for connection in (one, two):
            if connection is one:
                connection.request("GET", "/")
            answer = http.client.HTTPResponse(connection.sock)
            answer.begin()
            assert (answer.read(), answer.getheader("Connection")) == (b"web", "close")
            connection.close()
        assert get(other) == (200, "other")


@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["roles", "single"])
def test_listeners_come_go_and_change_their_names(arguments: tuple[str, ...]) -> None:
    with Product(greeting("one"), *arguments) as product:
        second = free_port()
        held = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
        held.request("GET", "/")
        held.getresponse().read()

        both = merge(product.config, {"listeners": {"more": {"bind": f"127.0.0.1:{second}"}}})
        reload(product, both)
        assert get(second) == get(product.port) == (200, "one")

        swapped = {**both, "listeners": {"web": both["listeners"]["more"], "more": both["listeners"]["web"]}}
        swapped["routes"] = [
            {"name": name, "listeners": [name], "respond": {"body": name}} for name in ("web", "more")
        ]
        reload(product, swapped)
        assert (get(second)[1], get(product.port)[1]) == ("web", "more")

        only = {**swapped, "listeners": {"web": swapped["listeners"]["web"]}, "routes": swapped["routes"][:1]}
        reload(product, only)
        with pytest.raises(ConnectionRefusedError):
            get(product.port)
        held.request("GET", "/")  # a connection of a listener that is gone finishes
        assert held.getresponse().status in (200, 404)
        held.close()


def test_the_admin_address_moves(tmp_path: Any) -> None:
    with Product(greeting("one")) as product:
        old, new = product.admin_port, free_port()
        product.write(
            merge(product.config, {"admin": {"bind": [f"127.0.0.1:{new}", f"unix:{tmp_path}/a.sock"]}})
        )
        product.signal(signal.SIGHUP)
        until(lambda: answers(product, new), "the new admin address")
        until(lambda: not answers(product, old), "the end of the old one")
        product.admin_port = new
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{tmp_path}/a.sock")
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(99).startswith(b"HTTP/1.1 200")


def test_reloads_under_load_drop_nothing(backend: PathBackend) -> None:
    with Product(proxying(backend.address, process={"workers": 2})) as product, Load(product.port) as load:
        for number in range(10):
            extra = {"listeners": {f"l{number % 3}": {"bind": f"127.0.0.1:{free_port()}"}}}
            reload(
                product,
                merge(
                    proxying(backend.address, process={"workers": 2}),
                    {
                        "listeners": {"web": product.config["listeners"]["web"]},
                        "admin": product.config["admin"],
                    },
                    extra,
                ),
            )
            load.go_on(20)
    assert load.failures == []


def test_more_and_fewer_workers_drop_nothing(backend: PathBackend) -> None:
    config = proxying(backend.address, process={"workers": 1, "drain_timeout": "5s"})
    with surviving(config) as product:
        with Load(product.port, per_connection=1) as load:
            for wanted in (3, 1, 2):
                reload(product, merge(product.config, {"process": {"workers": wanted}}))
                until(lambda: product.metric("headgate_workers_ready") == wanted, f"{wanted} workers")  # noqa: B023 - called before the loop goes on
                until(lambda: len(product.pids()) == wanted + 1, f"{wanted} processes")  # noqa: B023 - called before the loop goes on
                load.go_on(100)
        assert load.failures == []
        assert product.metric("headgate_worker_restarts_total") == 0


@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["roles", "single"])
def test_reloads_leak_no_descriptors(arguments: tuple[str, ...]) -> None:
    with Product(greeting("one"), *arguments) as product:
        good = product.config
        more = merge(good, {"listeners": {"more": {"bind": f"127.0.0.1:{free_port()}"}}})
        bad = merge(more, {"access_log": {"path": "/no/such/folder/a.log"}})

        def descriptors() -> list[int]:
            reload(product, good)
            settled = [len([*Path(f"/proc/{pid}/fd").iterdir()]) for pid in [product.pid, *product.pids()]]
            for _ in range(3):
                reload(product, more)
                refused(product, bad)
                reload(product, good)
            return settled

        first = descriptors()
        until(lambda: descriptors() <= first, "no more than before")


def test_an_exchange_outlives_reloads(backend: PathBackend) -> None:
    with Product(proxying(backend.address)) as product:
        answers: list[tuple[int, str]] = []
        slow = threading.Thread(target=lambda: answers.append(get(product.port, "/slow?seconds=1")))
        slow.start()
        until(lambda: product.metric("headgate_service_in_flight") == 1, "the exchange")
        for _ in range(3):
            reload(product)
        slow.join()
        assert answers == [(200, "/slow")]


@pytest.mark.long
def test_a_stuck_worker_refuses_a_reload_and_the_rest_goes_on() -> None:
    with surviving(greeting("one")) as product:
        worker = product.pids()[-1]
        os.kill(worker, signal.SIGSTOP)
        before = product.metric("headgate_reload_failures_total")
        product.write(merge(product.config, greeting("two")))
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_reload_failures_total") > before, "the refusal", 30)
        assert "no answer within" in product.admin("/readyz")[1]
        os.kill(worker, signal.SIGCONT)
        assert {get(product.port)[1] for _ in range(10)} == {"one"}
        reload(product)
        assert {get(product.port)[1] for _ in range(10)} == {"two"}
