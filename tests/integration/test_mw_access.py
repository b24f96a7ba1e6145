"""Who may pass: the middlewares of access in the running product, over HTTP/1.1, HTTP/2, TLS and gRPC."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import bcrypt
import grpc
import pytest

from support.asking import Answer, Client
from support.certificates import Authority
from support.grpc_cases import SECONDS, channel_to, unary
from support.http2 import Http2Wire
from support.peers import grpc_service
from support.ports import free_port
from support.product import Product, until
from support.signing import content_digest, signed
from support.tokens import jwk, jwks, private_key, public_pem, token

STAFF = Authority("Staff CA")
SITE = STAFF.issue("localhost")
ANN = STAFF.issue("ann.example", subject="Ann", client=True)
EVE = STAFF.issue("eve.example", subject="Eve", client=True)
HMAC_KEY = "a key that both of us know"
PASSWORD = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
KEY_HASH = "sha256:" + hashlib.sha256(b"right").hexdigest()
ROUTES = {
    "allow": ["allow"],
    "deny": ["deny"],
    "basic": ["login"],
    "key": ["key"],
    "late-key": ["deny", "key"],
    "jwt": ["token"],
    "cert": ["certificate"],
    "hmac": ["signature"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access")
    (folder / "ranges").write_text("10.0.0.0/8 # nobody of this machine\n")
    (folder / "users").write_text(f"ann:{PASSWORD}\n")
    (folder / "issuer.json").write_bytes(jwks(jwk("RS256", kid="one"), jwk("ES256", kid="two")))
    (folder / "issuer.pem").write_bytes(public_pem(private_key("RS256")))
    (folder / "staff.crt").write_text(STAFF.pem)
    SITE.write(folder, "site")
    for name, pair in (("ann", ANN), ("eve", EVE)):
        pair.write(folder, name)
    return folder


@pytest.fixture(scope="module")
def product(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    ports = {name: free_port() for name in ("web", "echo", "secure")}
    site = {"cert": str(folder / "site.crt"), "key": str(folder / "site.key")}
    client = {"mode": "request", "ca": str(folder / "staff.crt")}
    with grpc_service(tmp_path_factory.mktemp("grpc")) as app:
        config: dict[str, Any] = {
            "process": {"workers": 1, "drain_timeout": "1s"},
            "access_log": {"format": "json", "path": "stdout", "query": True},
            "listeners": {
                "web": {"bind": f"127.0.0.1:{ports['web']}"},
                "secure": {
                    "bind": f"127.0.0.1:{ports['secure']}",
                    "tls": {"certificates": [site], "client_certificates": client},
                },
            },
            "forwarding": {"trusted_proxies": ["127.0.0.1"]},
            "middlewares": {
                "allow": {"type": "ip_allow", "ranges": ["192.0.2.0/24"], "files": [str(folder / "ranges")]},
                "deny": {"type": "ip_deny", "ranges": ["2001:db8::/32", "192.0.2.0/24"]},
                "login": {
                    "type": "basic_auth",
                    "users": {"bob": PASSWORD},
                    "files": [str(folder / "users")],
                    "user_header": "X-User",
                    "remove_authorization": True,
                },
                "key": {
                    "type": "api_key",
                    "keys": {"build": {"hash": KEY_HASH, "expires": "2999-01-01"}},
                    "query": "api_key",
                    "user_header": "X-User",
                },
                "token": {
                    "type": "jwt",
                    "files": [str(folder / "issuer.json")],
                    "issuer": "joe",
                    "claims": {"scope": ["read"]},
                    "claim_headers": {"sub": "X-User", "email": "X-Email"},
                },
                "certificate": {
                    "type": "client_certificate",
                    "allow": [{"issuer": "CN=Staff CA", "san": r"ann\.example"}],
                    "user_header": "X-User",
                },
                "signature": {"type": "hmac_signature", "keys": {"partner": HMAC_KEY}, "user_header": "X-User"},
            },
            "routes": [
                *(
                    {"name": name, "match": {"path": f"/{name}"}, "middlewares": names, "service": "echo"}
                    for name, names in ROUTES.items()
                ),
                {"name": "grpc", "match": {"path": "/test.Service/*"}, "middlewares": ["token"], "service": "app"},
            ],
            "services": {
                "echo": {"endpoints": [f"127.0.0.1:{ports['echo']}"]},
                "app": {"endpoints": [f"h2c://{app}"]},
            },
        }
        with echo(ports["echo"]), Product(config) as made:
            yield made


