"""`headgate proxy`: the configuration that it makes of its arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate import config
from headgate.cli.proxy import configuration

DEFAULTS: dict[str, Any] = {
    "listen": (":8080",),
    "balance": "round_robin",
    "host": None,
    "admin": None,
    "access_log": "combined",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"listen": (":8080", "[::1]:8081", "unix:/run/web.sock")},
        {"balance": "least_requests", "host": "app.example.com", "admin": "127.0.0.1:9080"},
        {"access_log": "off"},
        {"access_log": "json"},
    ],
)
def test_it_is_valid(changes: dict[str, Any]) -> None:
    made = configuration((":9001", "app:80", "unix:/run/app.sock"), **(DEFAULTS | changes))
    loaded = config.load(text=json.dumps(made), environ={})
    assert loaded.problems == []
    assert loaded.model is not None
    assert [endpoint.address for endpoint in loaded.model.services["targets"].endpoints] == [
        "127.0.0.1:9001",
        "app:80",
        "unix:/run/app.sock",
    ]
    assert len(loaded.model.listeners) == len(made["listeners"])
