"""What follows a SIGKILL to workers and controllers; what it costs is in tests/chaos/test_kill.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import free_port, merge, proxying, until
from support.load import Load, PathBackend, surviving
from support.processes import kill_worker, pid_of, ready


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


def test_a_controller_resumes_with_what_is_served(backend: PathBackend) -> None:
    config = proxying(backend.address, process={"workers": 1})
    with surviving(config) as product:
        with Load(product.port) as load:
            load.go_on()
        until(lambda: product.metric("headgate_route_requests_total", route="all") == load.done, "the counts")
        before = load.done
        good = product.file.read_text()
        product.file.write_text("listeners: {web: {bnd: x}}")
        pid = pid_of(product, "ctl")
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid_of(product, "ctl") not in (0, pid), "a new controller")
        ready(product)
        until(lambda: "its configuration has errors now" in product.log, "the log")
        assert f"{product.file}:1:" in product.log
        assert product.metric("headgate_route_requests_total", route="all") == before
        # A worker can be replaced while the file is broken.
        kill_worker(product, 0)
        ready(product)
        # A file that is good but other is not loaded by the way: only when somebody asks for it.
        product.file.write_text(good)
        product.write(merge(product.config, {"services": {"second": {"endpoints": ["127.0.0.1:1"]}}}))
        pid = pid_of(product, "ctl")
        os.kill(pid, signal.SIGKILL)
        until(lambda: "SIGHUP loads it" in product.log, "the log")
        ready(product)
        assert product.metric("headgate_snapshot_version") == 1
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_snapshot_version") == 2, "the reload")
        with Load(product.port) as load:
            load.go_on()
        assert product.metric("headgate_route_requests_total", route="all") > before


def test_what_probes_found_outlives_a_controller(backend: PathBackend) -> None:
    dead = f"127.0.0.1:{free_port()}"
    check = {"interval": "100ms", "path": "/healthz", "healthy": 1000, "unhealthy": 1000}
    config = proxying(backend.address, dead, services={"backend": {"health_check": check, "panic": "off"}})
    with surviving(config) as product:

        def probed() -> float:
            return product.metric("headgate_endpoint_probes_total", endpoint=dead, result="failed")

        until(lambda: product.metric("headgate_endpoint_healthy", endpoint=dead) == 0, "the first probe")
        before, pid = probed(), pid_of(product, "ctl")
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid_of(product, "ctl") not in (0, pid), "a new controller")
        ready(product)
        until(lambda: probed() > before + 2, "probes")
        assert product.metric("headgate_endpoint_healthy", endpoint=dead) == 0
        with Load(product.port) as load:
            load.go_on()
        assert load.failures == []
        assert product.log.count("is unhealthy: ") == 1, "it was found unhealthy once"


def test_a_reload_asked_for_without_a_controller_is_done_by_the_next(backend: PathBackend) -> None:
    with surviving(proxying(backend.address, process={"workers": 1})) as product:
        for _ in range(3):  # so that the next one comes with a delay
            pid = until(lambda: pid_of(product, "ctl"), "a controller")
            os.kill(pid, signal.SIGKILL)
            until(lambda: pid not in product.pids(), "its end")  # noqa: B023 - called before the loop goes on
        product.signal(signal.SIGHUP)
        ready(product)
        until(lambda: product.metric("headgate_snapshot_version") == 2, "the reload")


def test_a_neighbour_covers_for_a_slot_whose_worker_keeps_dying(backend: PathBackend) -> None:
    with surviving(proxying(backend.address, process={"workers": 2})) as product:
        for _ in range(7):
            kill_worker(product, 0)
        # The next start is three seconds away; every connection is answered before it.
        assert not pid_of(product, "w0")
        with Load(product.port, per_connection=1) as load:
            load.go_on(40)
            assert not pid_of(product, "w0")
        assert load.failures == []
        ready(product)
        with Load(product.port, per_connection=1) as load:
            load.go_on(40)
        assert load.failures == []


def test_gauges_of_the_dead_do_not_stay(backend: PathBackend) -> None:
    with surviving(proxying(backend.address, process={"workers": 1})) as product:
        with Load(product.port, clients=3, path="/slow?seconds=2") as load:
            until(lambda: product.metric("headgate_service_in_flight") == 3, "exchanges")
            kill_worker(product, 0)
            ready(product)
            load._stop.set()
            until(lambda: product.metric("headgate_service_in_flight") == 0, "the end of the next ones", 20)
        assert len(load.failures) == 3
        assert product.metric("headgate_listener_open_connections") == 0


def test_a_worker_that_dies_while_it_prepares_refuses_the_reload(backend: PathBackend) -> None:
    with surviving(proxying(backend.address, process={"workers": 2})) as product:
        pid = pid_of(product, "w1")
        os.kill(pid, signal.SIGSTOP)
        port = free_port()
        product.write(merge(product.config, {"listeners": {"more": {"bind": f"127.0.0.1:{port}"}}}))
        product.signal(signal.SIGHUP)
        until(lambda: _is_bound(port), "the new socket")
        os.kill(pid, signal.SIGKILL)
        until(lambda: product.metric("headgate_reload_failures_total") == 1, "the refusal")
        assert "worker 1 was killed by SIGKILL while it built the snapshot" in product.admin("/readyz")[1]
        assert not _is_bound(port)
        ready(product)
        product.signal(signal.SIGHUP)
        until(lambda: product.metric("headgate_snapshot_version") == 2, "the reload")


def _is_bound(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)
