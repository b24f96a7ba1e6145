"""Endpoints by name: found, moved, lost, found again, in processes that serve all the while."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator

import pytest

from support import Product, merge, proxying, until
from support.load import Load, PathBackend, surviving
from support.names import NameServer
from support.processes import pid_of

NAME = "app.headgate.test"


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend("127.0.0.2") as backend:
        yield backend


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def status(product: Product) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_names_come_go_and_move(backend: PathBackend, names: NameServer) -> None:
    config = proxying(f"{NAME}:{backend.port}", process={"workers": 2})
    with surviving(config, env=names.environment) as product:
        # A name without an address is a warning, and 503 until it has one.
        assert f"the name {NAME} has no address yet" in product.log
        assert status(product) == 503

        names.addresses = ["127.0.0.2"]
        until(lambda: {status(product) for _ in range(8)} == {200}, "the address", 20)

        # A worker that starts now knows it too, and so does one that starts while there is no controller.
        os.kill(pid_of(product, "ctl"), signal.SIGSTOP)
        old = pid_of(product, "w0")
        os.kill(old, signal.SIGKILL)
        until(lambda: pid_of(product, "w0") not in (0, old), "a new worker")
        assert {status(product) for _ in range(8)} == {200}
        os.kill(pid_of(product, "ctl"), signal.SIGCONT)

        # The last good answer stays in use.
        with Load(product.port, clients=4) as load:
            names.addresses = []
            until(lambda: f"the name {NAME} does not resolve" in product.log, "the failure", 20)
            load.go_on()
            old = pid_of(product, "ctl")
            os.kill(old, signal.SIGKILL)
            until(lambda: pid_of(product, "ctl") not in (0, old), "a new controller")
            load.go_on()
        assert load.failures == []
        assert {status(product) for _ in range(8)} == {200}
        until(lambda: product.metric("headgate_resolver_failures_total") > 0, "the count", 20)

        names.addresses = ["127.0.0.3"]
        until(lambda: f"the name {NAME} has the addresses 127.0.0.3 now" in product.log, "the move", 40)
        until(lambda: {status(product) for _ in range(8)} == {502}, "the new address")
        names.addresses = ["127.0.0.2"]
        until(lambda: {status(product) for _ in range(8)} == {200}, "the old address", 20)
        assert product.metric("headgate_snapshot_version") == 1


def test_a_reload_with_new_names(backend: PathBackend, names: NameServer) -> None:
    names.addresses = ["127.0.0.2"]
    with Product(proxying(f"127.0.0.2:{backend.port}"), env=names.environment) as product:
        product.write(
            merge(
                product.config,
                {
                    "services": {"backend": {"endpoints": [f"second.{NAME}:{backend.port}"]}},
                },
            )
        )
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_snapshot_version") == 2, "the reload")
        assert {status(product) for _ in range(8)} == {200}


def test_a_name_with_several_addresses_is_several_endpoints(names: NameServer) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.3"]
    with PathBackend("127.0.0.2") as one, PathBackend("127.0.0.3", one.port) as two:
        with Product(proxying(f"{NAME}:{one.port}"), env=names.environment) as product:
            assert {status(product) for _ in range(20)} == {200}
        assert one.answered == two.answered == 10
