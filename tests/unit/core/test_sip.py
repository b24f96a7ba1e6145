"""SipHash-1-3, against the one that Python itself hashes bytes with."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from headgate.core.sip import hashed


def test_it_is_what_python_computes() -> None:
    """With PYTHONHASHSEED=0 the key of Python's own is all zeros."""
    assert sys.hash_info.algorithm == "siphash13"
    chance = random.Random(7)
    texts = [chance.randbytes(size) for size in range(1, 100)]
    program = f"print(*[hash(bytes.fromhex(text)) for text in {[text.hex() for text in texts]}])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert [hashed(text, bytes(16)) for text in texts] == [int(word) % 2**64 for word in done.stdout.split()]


def test_the_secret_counts() -> None:
    assert len({hashed(b"a", bytes([byte]) * 16) for byte in range(8)}) == 8
    with pytest.raises(ValueError, match="16 bytes"):
        hashed(b"a", b"short")
