"""The product as other people's programs meet it: in clear and with TLS, with a certificate for localhost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.certificates import Authority
from support.ports import free_port
from support.product import Product, merge

SECONDS = 60.0


class Certificates:
    """An authority and a certificate that it signed for localhost and 127.0.0.1, as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        self.authority = folder / "authority.crt"
        self.authority.write_text(authority.pem)
        self.pair = authority.issue("localhost", "127.0.0.1").write(folder, "localhost")
        self.pair[1].chmod(0o600)


class Edge(Product):
    """The product with `config`, and beside its listener "web" at `port` one with TLS at `secure_port`."""

    def __init__(self, config: Mapping[str, Any], certificates: Certificates) -> None:
        self.certificates = certificates
        self.secure_port = free_port()
        cert, key = map(str, certificates.pair)
        secure = {
            "bind": f"127.0.0.1:{self.secure_port}",
            "tls": {"certificates": [{"cert": cert, "key": key}]},
        }
        super().__init__(merge({"listeners": {"web": {}, "secure": secure}}, config))

    def url(self, path: str = "/", *, tls: bool = True) -> str:
        """The path at the listener with TLS or at the one in clear."""
        return f"https://localhost:{self.secure_port}{path}" if tls else f"http://127.0.0.1:{self.port}{path}"


def program(name: str) -> str:
    """Where a program that tests need is: beside this Python, on the PATH, or where Debian has servers."""
    folders = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, f"{name} is not installed; `make test` as root does it"
    return found


def outcome(
    command: Sequence[str | Path], *, folder: Path | None = None, stdin: bytes = b"", seconds: float = SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of `program` in `folder` to its end, in whatever way it ends."""
    return subprocess.run(
        [program(str(command[0])), *command[1:]],
        input=stdin,
        capture_output=True,
        cwd=folder,
        timeout=seconds,
        check=False,
    )


def output(
    command: Sequence[str | Path], *, folder: Path | None = None, stdin: bytes = b"", seconds: float = SECONDS
) -> bytes:
    """What a program prints that `outcome` runs. Raises AssertionError when it fails."""
    done = outcome(command, folder=folder, stdin=stdin, seconds=seconds)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout!r} {done.stderr!r}"
    return done.stdout
