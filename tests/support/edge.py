"""The product as other people's programs meet it: in clear and with TLS, with a certificate for localhost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.certificates import Authority
from support.ports import free_port
from support.product import Product, merge


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
