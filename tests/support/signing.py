"""Requests signed as RFC 9421 has it, by a client that knows how."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Mapping


def content_digest(body: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def signed(
    components: Mapping[str, str],
    key: str,
    keyid: str,
    created: int | None = None,
    more: str = "",
) -> dict[str, str]:
    """The two fields of a signature over components and their values."""
    moment = int(time.time()) if created is None else created
    names = " ".join(f'"{name}"' for name in components)
    said = f'({names});created={moment};keyid="{keyid}"{more}'
    lines = [f'"{name}": {value}' for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {said}'])
    proof = b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()
    return {"signature-input": f"sig1={said}", "signature": f"sig1=:{proof}:"}
