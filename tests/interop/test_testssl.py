"""testssl.sh rates nothing at the product worse than at nginx with Mozilla's intermediate settings."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support import free_port
from support.commands import program
from support.edge import Certificates, Edge
from support.peers import peer

RANKS = ("OK", "INFO", "DEBUG", "LOW", "MEDIUM", "WARN", "HIGH", "CRITICAL", "FATAL")
# Protocols, standard cipher categories, forward secrecy, server preferences, server defaults, the answer's
# header, and vulnerabilities.
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-h", "-U")
# Not about how TLS is spoken: when it was asked, and how long that took.
ASIDE = frozenset({"scanTime", "HTTP_clock_skew", "HTTP_headerTime", "TLS_timestamp"})

# https://ssl-config.mozilla.org, intermediate.
NGINX = """\
daemon off; {user} pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_timeout 1d; ssl_session_cache shared:MozSSL:10m; ssl_session_tickets off;
    add_header Strict-Transport-Security "max-age=63072000" always;
    location / {{ return 200 "hello"; }}
  }}
}}
"""


EXAMINATIONS = 3  # at most: on a busy machine testssl.sh sometimes says that a check of its own failed


class Finding(NamedTuple):
    """What testssl.sh says of one thing."""

    severity: str
    text: str

    @property
    def rank(self) -> int:
        return RANKS.index(self.severity)


def examine(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Begin to look at what listens there."""
    folder.mkdir()
    command = [
        program("testssl"),
        "--quiet",
        "--color",
        "0",
        "--fast",
        "--nodns",
        "none",
        "--jsonfile",
        "found.json",
    ]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*command, *CHECKS, f"127.0.0.1:{port}"],
            cwd=folder,
            env={**os.environ, "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def findings(examination: subprocess.Popen[bytes], folder: Path) -> dict[str, Finding]:
    """What it found, by name."""
    examination.wait(200)
    found = json.loads((folder / "found.json").read_text())
    return {
        each["id"]: Finding(each["severity"], each["finding"]) for each in found if each["id"] not in ASIDE
    }


@pytest.fixture
def nginx(tmp_path: Path, certificates: Certificates) -> Iterator[int]:
    """The port of nginx as Mozilla recommends it."""
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    certificate, key = certificates.pair
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX.format(folder=tmp_path, port=port, user=user, certificate=certificate, key=key))
    command = [program("nginx"), "-c", str(file), "-e", str(tmp_path / "start.log")]
    with peer(command, port, tmp_path / "log"):
        yield port


@pytest.mark.timeout(480)
def test_nothing_is_worse_than_at_nginx(tmp_path: Path, certificates: Certificates, nginx: int) -> None:
    config = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": "off",
        "listeners": {"secure": {"hsts": "on"}},
        "routes": [{"name": "all", "respond": {"body": "hello"}}],
    }
    with Edge(config, certificates) as edge:
        for number in range(EXAMINATIONS):
            folders = tmp_path / f"ours-{number}", tmp_path / f"theirs-{number}"
            examinations = [examine(edge.secure_port, folders[0]), examine(nginx, folders[1])]
            found, beside = (
                findings(each, folder) for each, folder in zip(examinations, folders, strict=True)
            )
            if not any("check failed" in each.text for each in (*found.values(), *beside.values())):
                break
    assert {"TLS1", "TLS1_3", "cipherlist_NULL", "cert_keySize", "heartbleed", "LUCKY13"} <= set(found), found
    acceptable = {name: max(beside[name].rank, RANKS.index("INFO")) for name in beside}
    worse = {
        name: (finding, beside.get(name))
        for name, finding in found.items()
        if finding.rank > acceptable.get(name, RANKS.index("INFO"))
    }
    assert worse == {}
