"""WebSockets through the product are as without it: Autobahn's cases.

Autobahn's fuzzing client is Python 2; kosoku (https://github.com/curioswitch/kosoku) runs the files of
its cases. It speaks HTTP/1.1 in clear, so that for TLS and HTTP/2 the product is passed twice: what comes
in clear goes on to the product's own listener with TLS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import free_port, peers
from support.commands import outcome
from support.edge import Certificates, Edge

PATHS = {  # what is passed, in the words of Via
    "http1": "1.1 headgate",
    "tls": "1.1 headgate, 1.1 headgate",
    "http2": "1.1 headgate, 2.0 headgate",
}
# Of 12 and 13, compression with various windows, the cases with the smallest messages.
COMPRESSED = [
    f"{section}.{number}.1" for section, last in ((12, 5), (13, 7)) for number in range(1, last + 1)
]
SELECTION = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", *COMPRESSED]
# Here messages have more fragments than `websockets` takes.
LEFT_OUT = ["9.3.1", "9.3.2", "9.4.1", "9.4.2"]
COUNT = 309
VERDICT = ["behavior", "received", "behaviorClose", "remoteCloseCode", "remoteCloseReason", "wasClean"]
# A message, and then what fails or closes the connection: the echo may come before that or not at all.
RACES = {"3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15", "7.1.6"}
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
# 7.1.5: `websockets` answers Close in the midst of a message with 1002, where 1000 is wanted.
FAILED = ["7.1.5"]


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of programs/websocket_echo.py."""
    with peers.websocket_echo(tmp_path_factory.mktemp("echo")) as address:
        yield address


@dataclass(frozen=True)
class Paths:
    """The ports in clear at which each of PATHS begins."""

    edge: Edge
    ports: dict[str, int]


@pytest.fixture(scope="module")
def paths(echo: str, certificates: Certificates) -> Iterator[Paths]:
    ports = {name: free_port() for name in PATHS}
    config: dict[str, Any] = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": "off",
        "listeners": {name: {"bind": f"127.0.0.1:{port}"} for name, port in ports.items()},
        "routes": [
            {"name": "tls", "listeners": ["tls"], "service": "tls"},
            {"name": "http2", "listeners": ["http2"], "service": "http2"},
            {"name": "echo", "listeners": ["http1", "web", "secure"], "service": "echo"},
        ],
        "services": {"echo": {"endpoints": [echo]}},
    }
    own = free_port()
    config["listeners"]["secure"] = {"bind": f"127.0.0.1:{own}"}
    for name in ("tls", "http2"):
        trust = {"ca": str(certificates.authority), "http2": name == "http2"}
        config["services"][name] = {"endpoints": [f"https://localhost:{own}"], "tls": trust}
    with Edge(config, certificates) as edge:
        yield Paths(edge, ports)


# --- Autobahn ---


def play(port: int, folder: Path) -> dict[str, dict[str, Any]]:
    """The reports of the cases."""
    options = [f"--include={each}" for each in SELECTION] + [f"--exclude={each}" for each in LEFT_OUT]
    done = outcome(["kosoku", "--parallelism=8", *options, "--outdir", folder, f"127.0.0.1:{port}"])
    reports = [json.loads(file.read_bytes()) for file in folder.glob("*_case_*.json")]
    assert reports, done
    return {report["id"]: report for report in reports}


def verdict(report: dict[str, Any]) -> dict[str, Any]:
    """What a case says of the echo, without what depends on the moment."""
    found = {name: report[name] for name in VERDICT}
    return {**found, "behavior": "", "received": []} if report["id"] in RACES else found


@pytest.fixture(scope="module")
def without(echo: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The reports when nothing is between."""
    reports = play(int(echo.rpartition(":")[2]), tmp_path_factory.mktemp("without"))
    assert len(reports) == COUNT
    assert [name for name, report in reports.items() if report["behavior"] not in GOOD] == FAILED
    return reports


@pytest.mark.parametrize("path", PATHS)
def test_autobahn(paths: Paths, without: dict[str, dict[str, Any]], tmp_path: Path, path: str) -> None:
    reports = play(paths.ports[path], tmp_path)
    assert f"x-via: {PATHS[path]}\r\n" in reports["1.1.1"]["httpResponse"].replace("X-Via", "x-via")
    assert all(reports[name]["behavior"] in GOOD for name in RACES)
    wanted = {name: verdict(report) for name, report in without.items()}
    assert {name: verdict(report) for name, report in reports.items()} == wanted
