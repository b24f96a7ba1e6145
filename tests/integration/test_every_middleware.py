"""Every built-in middleware in one file: it is checked, and each is asked for through the running product."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.middleware.resolution import BUILT_IN
from support.asking import Answer, Client
from support.echo import EchoBackend
from support.product import Product, proxying
from support.signing import signed
from support.tokens import token

SECRET = "a secret of thirty-two bytes, or more"
KEY = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of "hello"
PASSWORD = "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m"
OPTIONS: dict[str, dict[str, Any]] = {
    "add_prefix": {"prefix": "/more"},
    "api_key": {"keys": {"build": {"hash": KEY}}},
    "bandwidth": {"response": "10MiB/s"},
    "basic_auth": {"users": {"ann": PASSWORD}},
    "body_limit": {"request": "10B"},
    "buffer": {"request": {"memory": "1KiB", "disk": "1MiB"}},
    "client_certificate": {"allow": [{"subject": "CN=ann"}]},
    "compress": {"min_size": "1B"},
    "concurrency": {"limit": 1, "key": "client_ip"},
    "cors": {"origins": ["https://app.example.com"]},
    "decompress": {"requests": True},
    "error_pages": {"pages": [{"statuses": "503", "html": "<p>away: {status}</p>"}]},
    "forward_auth": {"url": "service://backend/may-i", "response_headers": ["X-Backend"]},
    "headers": {"request": {"set": {"X-Route": "{route}"}}, "response": {"remove": ["X-Backend"]}},
    "hmac_signature": {"keys": {"partner": SECRET}, "components": ["@method", "@path"], "body": "off"},
    "ip_allow": {"ranges": ["192.0.2.0/24"]},
    "ip_deny": {"ranges": ["127.0.0.0/8"]},
    "jwt": {"secret": SECRET, "algorithms": ["HS256"], "claim_headers": {"sub": "X-Sub"}},
    "maintenance": {"enabled": True},
    "rate_limit": {"rate": "1/h", "burst": 1, "key": "header:x-who"},
    "redirect": {"host": "www.example.com", "status": 307},
    "replace_path": {"path": "/elsewhere"},
    "replace_prefix": {"prefix": "/replace_prefix", "by": "/other"},
    "request_id": {"header": "X-Id", "response": True},
    "respond": {"status": 201, "body": "made for {client}"},
    "rewrite": {"regex": "^/rewrite/([0-9]+)$", "path": "/number/{1}"},
    "security_headers": {"preset": "strict"},
    "strip_prefix": {"prefix": "/strip_prefix"},
    "traceparent": {},
    "trailing_slash": {"action": "add"},
}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with EchoBackend() as backend:
        routes: list[dict[str, Any]] = [
            {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": [name], "service": "backend"}
            for name in OPTIONS
        ]
        for route in routes:
            if route["name"] == "error_pages":
                route["service"] = "gone"
        config = proxying(
            backend.address,
            middlewares={name: {"type": name, **options} for name, options in OPTIONS.items()},
            services={"gone": {"endpoints": ["127.0.0.1:1"], "breaker": {"consecutive": 1}}},
        )
        with Product(config | {"routes": routes}) as made:
            yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


def got(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer
    fields: dict[str, str] = json.loads(answer.all("x-got")[0])
    return fields


def line(answer: Answer) -> str:
    return got(answer)["line"]


def test_the_file_has_them_all_and_is_valid(product: Product, tmp_path: Path) -> None:
    assert set(OPTIONS) == set(BUILT_IN)
    file = tmp_path / "every.yaml"
    file.write_text(yaml.safe_dump(product.config))
    done = subprocess.run(
        [sys.executable, "-m", "headgate.cli", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_paths(client: Client) -> None:
    assert line(client.ask("/add_prefix/x")) == "GET /more/add_prefix/x"
    assert line(client.ask("/strip_prefix/x")) == "GET /x"
    assert line(client.ask("/replace_prefix/x?a=1")) == "GET /other/x?a=1"
    assert line(client.ask("/replace_path/x")) == "GET /elsewhere"
    assert line(client.ask("/rewrite/42")) == "GET /number/42"
    answer = client.ask("/redirect/x?a=1")
    assert (answer.status, answer.all("location")) == (307, ["http://www.example.com/redirect/x?a=1"])
    assert client.ask("/trailing_slash/x").status in (301, 308)


def test_fields(client: Client) -> None:
    answer = client.ask("/headers/x")
    assert (got(answer)["x-route"], answer.all("x-backend")) == ("headers", [])
    answer = client.ask("/cors/x", {"origin": "https://app.example.com"})
    assert answer.all("access-control-allow-origin") == ["https://app.example.com"]
    assert client.ask("/cors/x", {"origin": "https://evil.example"}).all("access-control-allow-origin") == []
    assert client.ask("/security_headers/x").all("x-content-type-options") == ["nosniff"]
    answer = client.ask("/request_id/x")
    assert answer.all("x-id") == [got(answer)["x-id"]]
    assert got(client.ask("/traceparent/x"))["traceparent"].startswith("00-")


def test_access(client: Client, request: pytest.FixtureRequest) -> None:
    assert client.ask("/ip_allow/x").status == 403
    assert client.ask("/ip_deny/x").status == 403
    assert client.ask("/client_certificate/x").status == 403
    assert client.ask("/basic_auth/x").status == 401
    assert client.ask("/api_key/x").status == 401
    got(client.ask("/api_key/x", {"x_api_key": "hello"}))
    assert client.ask("/jwt/x").status == 401
    assert client.ask("/jwt/x", {"authorization": "Bearer no.no.no"}).status == 401
    assert client.ask("/hmac_signature/x").status == 401
    components = {"@method": "GET", "@path": "/hmac_signature/x"}
    nonce = f';nonce="{request.node.name}"'  # a signature is good once
    got(client.ask("/hmac_signature/x", signed(components, SECRET, "partner", more=nonce)))
    answer = client.ask("/forward_auth/x")
    assert got(answer)["x-backend"] == answer.all("x-backend")[0], "the same backend said yes and served"


def test_tokens(client: Client) -> None:
    import jwt

    made = jwt.encode({"sub": "ann", "exp": 4_000_000_000}, SECRET, "HS256")
    assert got(client.ask("/jwt/x", {"authorization": f"Bearer {made}"}))["x-sub"] == "ann"
    assert client.ask("/jwt/x", {"authorization": f"Bearer {token('RS256')}"}).status == 401


def test_amounts(client: Client, request: pytest.FixtureRequest) -> None:
    who = {"x_who": request.node.name}
    assert client.ask("/rate_limit/x", who).status == 200
    assert client.ask("/rate_limit/x", who).status == 429
    assert client.ask("/concurrency/x").status == 200
    assert client.ask("/bandwidth/x").body == b"empty"
    assert client.ask("/body_limit/x", method="POST", body=b"short").body == b"short"


@pytest.mark.parametrize("http2", [False, True])
def test_a_body_beyond_its_limit(product: Product, http2: bool) -> None:
    with Client(product.port, http2=http2) as client:
        assert client.ask("/body_limit/x", method="POST", body=b"much too long").status == 413


def test_content(client: Client) -> None:
    answer = client.ask("/compress/x", {"accept_encoding": "gzip"}, method="POST", body=b"abc" * 100)
    assert answer.all("content-encoding") == ["gzip"]
    assert gzip.decompress(answer.body) == b"abc" * 100
    packed = gzip.compress(b"abc" * 100)
    answer = client.ask("/decompress/x", {"content_encoding": "gzip"}, method="POST", body=packed)
    assert answer.body == b"abc" * 100
    assert client.ask("/buffer/x", method="POST", body=b"b" * 5000).body == b"b" * 5000
    answer = client.ask("/respond/x")
    assert (answer.status, answer.body) == (201, b"made for 127.0.0.1")
    answer = client.ask("/maintenance/x")
    assert (answer.status, len(answer.all("retry-after"))) == (503, 1)
    client.ask("/error_pages/x")  # the breaker opens
    assert client.ask("/error_pages/x", {"accept": "text/html"}).body == b"<p>away: 503</p>"
