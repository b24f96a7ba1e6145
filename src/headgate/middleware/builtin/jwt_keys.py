"""Keys that tokens are verified with, each bound to the algorithms of its type."""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC: Final = ("HS256", "HS384", "HS512")
ELLIPTIC: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
EDWARDS: Final = ("EdDSA",)
ALGORITHMS: Final = (*HMAC, *RSA, *(name for names in ELLIPTIC.values() for name in names), *EDWARDS)

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
# For a token that does not say which key it is of: verifying is work that anybody can ask for.
_TRIED: Final = 8
_HEADS: Final = 256


@dataclass(frozen=True, slots=True)
class Key:
    """A key, what it is called, and which algorithms it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any = field(repr=False)


class KeySet:
    """Keys, found by what a token says of itself. Which algorithm is used is not for the token to say: it can
    only name one of those that its key has (RFC 8725 section 3.1).
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys
        self._named = {key.kid for key in keys if key.kid is not None}
        self._heads: dict[str, tuple[str, list[Key]]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def candidates(self, head: str) -> tuple[str, list[Key]]:
        """An algorithm, and the keys that may have signed a token with this head (its first part). Raises
        ValueError for a head that is none.
        """
        known = self._heads.get(head)
        return known if known is not None else self._found(head)

    def keep(self, head: str) -> None:
        """A token with this head was right. Issuers say the same in each: it need not be read again."""
        if head not in self._heads:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[head] = self._found(head)

    def lacks(self, head: str) -> bool:
        """Whether a token names a key that is not here, so that there may be new ones."""
        kid = _head_of(head).get("kid")
        return isinstance(kid, str) and kid not in self._named

    def _found(self, head: str) -> tuple[str, list[Key]]:
        said = _head_of(head)
        algorithm, kid = said.get("alg"), said.get("kid")
        if not isinstance(algorithm, str):
            raise ValueError("it names no algorithm")  # noqa: TRY004 - it is what the token says
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        if kid is not None:
            fitting = [key for key in fitting if key.kid is None or key.kid == kid]
        return algorithm, fitting[:_TRIED]


def _head_of(head: str) -> dict[str, Any]:
    try:
        said = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise ValueError("its head is no JSON in base64url") from None
    if not isinstance(said, dict):
        raise ValueError("its head is no object")  # noqa: TRY004 - what is wrong in a text is its value
    return said


def keys_of_content(where: str, content: bytes) -> list[Key]:
    """The keys of a file: PEM, a JWK or a JWKS. Raises ValueError, which never shows a key."""
    if b"-----BEGIN" in content:
        blocks = list(_BLOCK.finditer(content))
        if not blocks:
            raise ValueError(f"{where} has PEM without an end")
        return [_of_pem(where, found[1].decode(), found[0]) for found in blocks]
    return keys_of_jwks(where, content, symmetric=True, strict=True)


def keys_of_jwks(where: str, content: bytes, *, symmetric: bool, strict: bool) -> list[Key]:
    """The keys of a JWK or JWKS (RFC 7517) that can verify. Unless it is `strict`, what is not known here is
    left out (section 5). Raises ValueError.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{where} has neither PEM nor JSON") from None
    members = data.get("keys", [data]) if isinstance(data, dict) else None
    if not isinstance(members, list):
        said = f"{where} has no JWK and no JWKS: write an object, or one with `keys`"
        raise ValueError(said)  # noqa: TRY004 - what is wrong in a file is its value
    keys = []
    for number, member in enumerate(members):
        try:
            key = _of_jwk(member, symmetric=symmetric)
        except ValueError as error:
            if strict:
                raise ValueError(f"{where}: key {number}: {error}") from None
        else:
            if key is not None:
                keys.append(key)
    if not keys:
        raise ValueError(f"{where} has no key that can verify a signature")
    return keys


def key_of_secret(secret: bytes) -> Key:
    """A shared secret, with the algorithms of HMAC that it is long enough for. Raises ValueError."""
    return Key(None, _usable(HMAC, secret), secret)


def narrowed(keys: Iterable[Key], algorithms: Sequence[str]) -> list[Key]:
    """The keys with none but these algorithms; () leaves them as they are."""
    if not algorithms:
        return list(keys)
    kept = [Key(key.kid, key.algorithms.intersection(algorithms), key.key) for key in keys]
    return [key for key in kept if key.algorithms]


def _of_jwk(data: Any, *, symmetric: bool) -> Key | None:
    """A key; None for one that is not for signatures."""
    from jwt import PyJWTError, get_algorithm_by_name

    if not isinstance(data, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - what is wrong in a file is its value
    operations = data.get("key_ops")
    if data.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    allowed = _allowed(data, symmetric=symmetric)
    if (only := data.get("alg")) is not None:
        if only not in allowed:
            raise ValueError("its alg does not fit its kty")
        allowed = (only,)
    try:
        key = get_algorithm_by_name(allowed[0]).from_jwk(data)
    except (PyJWTError, ValueError, TypeError, KeyError):  # what the library says of it shows the key
        raise ValueError("it cannot be read as what its kty says") from None
    kid = data.get("kid")
    return Key(kid if isinstance(kid, str) else None, _usable(allowed, _public(key)), _public(key))


def _allowed(data: dict[str, Any], *, symmetric: bool) -> tuple[str, ...]:
    """The algorithms of a JWK's type."""
    kind, curve = data.get("kty"), data.get("crv")
    if kind == "oct":
        if not symmetric:
            raise ValueError("it is a secret that everybody can read")
        return HMAC
    if kind == "RSA":
        return RSA
    if kind == "EC" and curve in ELLIPTIC:
        return ELLIPTIC[curve]
    if kind == "OKP" and curve in {"Ed25519", "Ed448"}:
        return EDWARDS
    raise ValueError("its kty or crv is not known here")


def _of_pem(where: str, kind: str, block: bytes) -> Key:
    """A public key of PEM, or that of a certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE" in kind:
        raise ValueError(f"{where} has a private key, which nobody needs here: write the public one")
    try:
        if kind == "CERTIFICATE":
            key: Any = x509.load_pem_x509_certificate(block).public_key()
        else:
            key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{where} has PEM that is no public key and no certificate") from None
    try:
        return Key(None, _usable(_fitting(key), key), key)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _fitting(key: Any) -> tuple[str, ...]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return RSA
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return ELLIPTIC[_CURVES[key.curve.name]]
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return EDWARDS
    raise ValueError("keys of this type verify no tokens")


def _public(key: Any) -> Any:
    return key.public_key() if hasattr(key, "public_key") else key


def _usable(algorithms: Sequence[str], key: Any) -> frozenset[str]:
    """Those of the algorithms that the key is long enough for (RFC 7518 sections 3.2 and 3.3). Raises
    ValueError when it is for none.
    """
    from jwt import PyJWTError, get_algorithm_by_name

    known = {name: get_algorithm_by_name(name) for name in algorithms}
    try:
        usable = [
            name for name, each in known.items() if each.check_key_length(each.prepare_key(key)) is None
        ]
    except PyJWTError:
        raise ValueError("it is a public key, and no secret: whoever has it could sign tokens") from None
    if not usable:
        raise ValueError("the key is too short to be safe: RSA needs 2048 bits, HMAC 32 bytes")
    return frozenset(usable)
