"""The admin address of a running product: metrics of all workers summed, for this machine only."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import Product, free_port, proxying
from support.load import Load, PathBackend


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def product(backend: PathBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(proxying(backend.address, process={"workers": 3})) as product:
        yield product


def test_all_workers_are_summed(product: Product) -> None:
    with Load(product.port, clients=6, per_connection=3) as load:
        load.go_on(300)
    assert load.failures == []
    assert product.shows("headgate_route_requests_total", load.done, route="all")
    assert product.metric("headgate_workers") == product.metric("headgate_workers_ready") == 3


def test_both_forms(product: Product) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=10)
    for accept, kind, end in (
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "\n"),
        (
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
    ):
        connection.request("GET", "/metrics", headers={"Accept": accept})
        response = connection.getresponse()
        assert response.getheader("content-type") == kind
        assert response.read().decode().endswith(end)
    connection.close()


def test_a_page_from_elsewhere_is_refused(product: Product) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=10)
    connection.request("GET", "/metrics", headers={"Host": "rebound.example"})
    response = connection.getresponse()
    assert (response.status, b"number or localhost" in response.read()) == (403, True)
    connection.close()


def test_garbage_ends_only_its_own_connection(product: Product) -> None:
    with socket.create_connection(("127.0.0.1", product.admin_port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert client.recv(99).startswith(b"HTTP/1.1 400")
    assert product.admin("/healthz") == (200, "alive\n")


def test_other_machines_are_refused_at_start(backend: PathBackend, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    config = proxying(
        backend.address,
        listeners={"web": {"bind": f"127.0.0.1:{free_port()}"}},
        admin={"bind": f"0.0.0.0:{free_port()}"},
    )
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "headgate.cli", "run", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "admin.bind" in done.stderr
