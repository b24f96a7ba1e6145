"""A storm of reloads, good and bad, under load: nothing is dropped, and what is refused changes nothing."""

from __future__ import annotations

import random
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support import Product, RawClient, free_port, merge, proxying, until
from support.load import surviving
from support.processes import ready, workers
from support.traffic import Traffic

KINDS = {"keep_alive": 4, "per_request": 6, "pipelined": 2, "download": 3, "upload": 3, "echo": 2, "abort": 1}


class Storm:
    """Configurations of one product, each unlike the one before it, half of them refused."""

    def __init__(self, product: Product, address: str, seed: int, *, resize: bool) -> None:
        self.random = random.Random(seed)
        self.product = product
        self.address = address
        self.resize = resize
        self.accepted = product.config
        self.marker = 0
        self.reloads = self.refusals = 0
        self.taken = socket.create_server(("127.0.0.1", 0))

    def next(self, *, good: bool) -> None:
        """Reload, and see that it did what it should."""
        if good:
            self._accept()
        else:
            self._refuse()
        assert answer(self.product, "/marker") == str(self.marker)

    def _accept(self) -> None:
        self.marker += 1
        self.accepted = self._valid()
        self._reload(self.accepted, "headgate_reloads_total")
        self.reloads += 1
        for listener in self.accepted["listeners"].values():
            port = int(listener["bind"].rpartition(":")[2])
            assert answer(self.product, "/marker", port) == str(self.marker)

    def _refuse(self) -> None:
        version = self.product.metric("headgate_snapshot_version")
        self._reload(self._invalid(), "headgate_reload_failures_total")
        self.refusals += 1
        assert self.product.metric("headgate_snapshot_version") == version
        assert "the last reload was refused" in self.product.admin("/readyz")[1]

    def _reload(self, config: dict[str, Any] | str, metric: str) -> None:
        before = self.product.metric(metric)
        if isinstance(config, str):
            self.product.file.write_text(config)
        else:
            self.product.write(config)
        self.product.signal(signal.SIGHUP)
        until(lambda: self.product.metric(metric) > before, metric, 30)

    def _valid(self) -> dict[str, Any]:
        """The routes and the service that the traffic uses, among others that come and go."""
        routes = [{"name": "marker", "match": {"path": "/marker"}, "respond": {"body": str(self.marker)}}]
        services: dict[str, Any] = {"backend": {"endpoints": [self.address]}}
        for number in self.random.sample(range(30), 10):
            services[f"s{number}"] = {"endpoints": [f"127.0.0.1:{20000 + number}"], "balance": "random"}
            routes.append(
                {"name": f"r{number}", "match": {"host": f"h{number}.test"}, "service": f"s{number}"}
            )
        routes.append({"name": "all", "match": {"path": "/*"}, "service": "backend"})
        self.random.shuffle(routes)
        listeners = {"web": {"bind": f"127.0.0.1:{self.product.port}"}}
        for number in range(self.random.randrange(3)):
            listeners[f"l{number}"] = {"bind": f"127.0.0.1:{free_port()}"}
        process = {"workers": self.random.choice((1, 2, 3)) if self.resize else 2, "drain_timeout": "10s"}
        config = {"process": process, "access_log": "off", "routes": routes, "services": services}
        return {**config, "listeners": listeners, "admin": self.product.config["admin"]}

    def _invalid(self) -> dict[str, Any] | str:
        taken = f"127.0.0.1:{self.taken.getsockname()[1]}"
        wrong: list[dict[str, Any] | str] = [
            "listeners: {web: {bind: [",
            merge(self.accepted, {"routes": [{"name": "x", "service": "nobody"}]}),
            merge(self.accepted, {"listeners": {"more": {"bind": taken}}}),
            merge(self.accepted, {"access_log": {"path": "/no/such/folder/log"}}),
            merge(self.accepted, {"timeouts": {"head": "soon"}}),
        ]
        bad = self.random.choice(wrong)
        if isinstance(bad, dict) and isinstance(bad["access_log"], dict):
            bad["access_log"].pop("format", None)
        return bad

    def close(self) -> None:
        self.taken.close()


def answer(product: Product, target: str, port: int = 0) -> str:
    with RawClient(port or product.port, patience=10) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return client.final().body.decode()


def storm(address: str, reloads: int, clients: dict[str, int], *, resize: bool) -> None:
    config = proxying(address, process={"workers": 2, "drain_timeout": "10s"})
    with surviving(config) as product:
        first = workers(product)
        storm = Storm(product, address, seed=reloads, resize=resize)
        try:
            with Traffic(product.port, clients, size=100_000) as traffic:
                storm.next(good=True)
                for _ in range(reloads):
                    storm.next(good=storm.random.random() < 0.6)
                    traffic.go_on(20)
        finally:
            storm.close()
        print(f"\n{storm.reloads} reloads, {storm.refusals} refused: {dict(traffic.done)} exchanges")
        assert traffic.failures == []
        assert resize or workers(product) == first
        assert product.metric("headgate_worker_restarts_total") == 0


def test_a_storm_of_reloads_drops_nothing(origin: str) -> None:
    storm(origin, 12, {"tunnel": 6, **KINDS}, resize=False)


def test_workers_come_and_go_in_the_storm(origin: str) -> None:
    storm(origin, 7, KINDS, resize=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resize", [False, True])
def test_a_long_storm_drops_nothing(origin: str, resize: bool) -> None:
    storm(origin, 200, KINDS if resize else {"tunnel": 6, **KINDS}, resize=resize)


def test_signals_that_come_faster_than_reloads_end_with_the_last_file(texts: str) -> None:
    with surviving(proxying(texts, process={"workers": 2})) as product:
        with Traffic(product.port, {"keep_alive": 4, "per_request": 4}) as traffic:
            for number in range(60):
                marker = {"name": "marker", "match": {"path": "/marker"}, "respond": {"body": str(number)}}
                product.write({**product.config, "routes": [marker, product.config["routes"][-1]]})
                product.signal(signal.SIGHUP)
                time.sleep(0.01)  # a storm, not a queue
            until(lambda: answer(product, "/marker") == "59", "the last file", 30)
        ready(product)
        assert traffic.failures == []
        assert product.metric("headgate_reload_failures_total") == 0


def test_tunnels_live_through_reloads_that_take_their_route_away(origin: str) -> None:
    with Product(proxying(origin, process={"workers": 2})) as product:
        tunnels = list(open_tunnels(product, 8))
        before = product.config
        product.write({**before, "routes": [{"name": "none", "respond": {"body": "gone"}}], "services": {}})
        product.signal(signal.SIGHUP)
        until(lambda: answer(product, "/tunnel") == "gone", "the reload")
        product.write({**before, "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}}})
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_reloads_total") == 3, "the reload without the listener")
        for number, tunnel in enumerate(tunnels):
            tunnel.send(b"still here %d" % number)
            tunnel.expect(b"still here %d" % number)
            tunnel.half_close()
            tunnel.expect_end()
            tunnel.close()


def open_tunnels(product: Product, count: int) -> Iterator[RawClient]:
    for _ in range(count):
        tunnel = RawClient(product.port)
        tunnel.send(b"GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert tunnel.response().status == 101
        yield tunnel
