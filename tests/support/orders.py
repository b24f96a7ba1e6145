"""The API and the commands of a running product, as operators use them."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from support.product import Product

TOKEN = "a token that nobody guesses"


def call(
    product: Product,
    method: str,
    path: str,
    body: object = None,
    fields: Mapping[str, str] | None = None,
    token: str = TOKEN,
) -> tuple[int, Any]:
    """Status and answer of the API below /api/v1. A body that is no text is sent as JSON."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    given = {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=15)
    try:
        connection.request(method, f"/api/v1/{path}", text, given | dict(fields or {}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def headgate(product: Product, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, with the product's own file to find it by."""
    command = [sys.executable, "-m", "headgate.cli", *words, "-c", str(product.file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
