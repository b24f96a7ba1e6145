"""Tokens and keys, made by hand where no library would make them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "a secret of thirty-two bytes or so"  # as long as RFC 7518 section 3.2 wants it


def private_key(kind: str, number: int = 0) -> Any:
    """A private key for an algorithm; another one for another number."""
    return _private_key(kind, number)


@cache
def _private_key(kind: str, number: int) -> Any:
    del number
    if kind[:2] in {"RS", "PS"}:
        return rsa.generate_private_key(65537, 2048)
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def public_pem(key: Any) -> bytes:
    """The public half as PEM."""
    found = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(found, bytes)
    return found


def jwk(kind: str, number: int = 0, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    name = "RS256" if kind[:2] == "PS" else kind
    data = jwt.get_algorithm_by_name(name).to_jwk(private_key(kind, number).public_key(), as_dict=True)
    return {**data, **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    """The document that an issuer publishes."""
    return json.dumps({"keys": keys}).encode()


def claims(**more: Any) -> dict[str, Any]:
    """Of somebody, and valid for a minute."""
    return {"sub": "ann", "exp": int(time.time()) + 60, **more}


def token(kind: str = "RS256", number: int = 0, *, kid: str | None = None, **more: Any) -> str:
    """A token that is right, with more claims."""
    key = SECRET if kind[:2] == "HS" else private_key(kind, number)
    return jwt.encode(claims(**more), key, kind, {"kid": kid} if kid else None)


def part(data: Any) -> str:
    """JSON or bytes as a part of a token."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


def forged(head: Any, payload: Any, secret: bytes) -> str:
    """A token signed by HMAC with whatever somebody may have got hold of."""
    signed = f"{part(head)}.{part(payload)}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
