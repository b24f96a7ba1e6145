"""Tokens of sticky sessions: who made them, and what they say to others."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest

from headgate.core.stickiness import opened, sealed

SECRET = bytes(range(32))
ENDPOINT = 0x0123456789ABCDEF


def test_a_token_leads_back() -> None:
    assert opened(SECRET, sealed(SECRET, ENDPOINT, 1_800_000_000)) == (ENDPOINT, 1_800_000_000)


def test_nothing_of_the_endpoint_can_be_read() -> None:
    token = sealed(SECRET, ENDPOINT, 0)
    assert ENDPOINT.to_bytes(8, "big") not in urlsafe_b64decode(token + b"==")
    assert token[6:] != sealed(SECRET, ENDPOINT, 1)[6:]


def test_no_bit_can_be_changed() -> None:
    token = sealed(SECRET, ENDPOINT, 1_800_000_000)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(len(token)):
        other = alphabet[(alphabet.index(token[place]) + 32) % 64]  # its highest bit
        with pytest.raises(ValueError, match="not ours"):
            opened(SECRET, token[:place] + bytes([other]) + token[place + 1 :])


@pytest.mark.parametrize("token", [b"", b"x", b"A" * 37, b"A" * 38, b"A" * 39, b"\xff" * 38, b"!" * 38])
def test_what_is_no_token(token: bytes) -> None:
    with pytest.raises(ValueError, match=r"ours|length|base64"):
        opened(SECRET, token)


def test_a_token_of_another_secret() -> None:
    with pytest.raises(ValueError, match="not ours"):
        opened(bytes(32), sealed(SECRET, ENDPOINT, 0))
