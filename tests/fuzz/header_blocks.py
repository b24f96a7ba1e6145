"""HPACK: the blocks of one connection, read by us and by the hpack package, and what we read sent on."""

from __future__ import annotations

from random import Random

from codec.test_hpack_differential import BLOCK_MORSELS, LIMITS, compare_blocks, lower, sound_blocks
from headgate.core.hpack import Hpack, HpackOutcome

TABLE_BYTES = 4096
LIST_BYTES = 2000


def read(stream: bytes) -> None:
    """Both give the same fields and verdicts; a limit changes neither the table nor the verdict."""
    blocks = _split(stream)
    compare_blocks(blocks)
    free, limited, sender, receiver = Hpack(), Hpack(), Hpack(), Hpack()
    for block in blocks:
        outcome, fields = free.decode(block, *LIMITS)
        part, some = limited.decode(block, LIST_BYTES)
        assert (part == HpackOutcome.HPACK_BROKEN) == (outcome == HpackOutcome.HPACK_BROKEN)
        if outcome == HpackOutcome.HPACK_BROKEN:
            return
        assert limited.table_size == free.table_size <= TABLE_BYTES
        assert some == fields[: len(some)]
        assert sum(len(name) + len(value) + 32 for name, value in some) <= LIST_BYTES
        assert receiver.decode(sender.encode(fields), *LIMITS) == (HpackOutcome.DECODED, lower(fields))
        sender.resize(len(block) * 16)


def _split(stream: bytes) -> list[bytes]:
    """Each block is behind its length of two bytes."""
    blocks = []
    while len(stream) > 2:
        size = int.from_bytes(stream[:2])
        blocks.append(stream[2 : 2 + size])
        stream = stream[2 + size :]
    return blocks


def _joined(blocks: list[bytes]) -> bytes:
    return b"".join(len(block).to_bytes(2) + block for block in blocks)


SEEDS = [_joined(sound_blocks(Random(seed))) for seed in range(24)]
MORSELS = BLOCK_MORSELS
