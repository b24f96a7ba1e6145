"""Versions and ciphers by name, after Mozilla's guideline for servers (version 5.7).

Names that need finite-field Diffie-Hellman are left out of all: they are slow, and every client that has
them has elliptic curves too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.spec import Version

_FORWARD_SECRET = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_WEAK = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One choice. `ciphers` are those of TLS 1.2 and below; those of 1.3 are all good."""

    min_version: Version
    ciphers: str
    server_order: bool


PROFILES = {
    "modern": Profile("1.3", ":".join(_FORWARD_SECRET), server_order=False),
    "intermediate": Profile("1.2", ":".join(_FORWARD_SECRET), server_order=False),
    # OpenSSL 3 speaks TLS 1.0 and 1.1 at security level 0 only.
    "old": Profile("1.0", ":".join((*_FORWARD_SECRET, *_WEAK, "@SECLEVEL=0")), server_order=True),
}
