"""The demo's configuration and tour, without starting anything."""

from __future__ import annotations

import socket

from headgate import config
from headgate.cli.demo.stage import BACKENDS, CONFIGURATION, free_port


def test_its_configuration_is_valid() -> None:
    ports = {part.name: number for number, part in enumerate(BACKENDS, 9001)}
    text = CONFIGURATION.format(pid=1, workers=2, web=8080, admin=9080, **ports)
    assert config.load("demo.yaml", text=text, environ={}).problems == []


def test_a_port_that_is_taken_is_not_preferred() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) not in {0, port}
    assert free_port(port) == port
