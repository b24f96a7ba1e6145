"""Counters in shared memory: blocks, sums over slots, histogram buckets."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.cells import (
    Block,
    Sums,
    Word,
    WorkerWord,
    bucket,
    bucket_bounds,
    bytes_of,
    quantile,
    sum_blocks,
)

BUCKETS = 112


def slot(blocks: int = 64) -> memoryview:
    return memoryview(bytearray(bytes_of(blocks)))


def test_a_page_has_a_line_of_each_of_64_blocks() -> None:
    memory = slot(65)
    assert memory.nbytes == 2 * 64 * 1024
    Block(memory, 2).write(Word.OPEN, 0x0102030405060708)
    Block(memory, 64).write(Word.IN_FLIGHT, 9)
    words = memory.cast("Q")
    assert words[4096 // 8 + 2 * 64 // 8 + 7] == 0x0102030405060708
    assert words[16 * 4096 // 8 + 7] == 9
    assert sum(words) == 0x0102030405060708 + 9
    assert Word.HISTOGRAM + BUCKETS == Word.BLOCK_WORDS


def test_no_two_words_share_a_place() -> None:
    memory = slot(128)
    blocks = [Block(memory, number) for number in range(128)]
    for block in blocks:
        for word in range(Word.BLOCK_WORDS):
            block.increase(word, 1 + block.number * 1000 + word)
    assert [block.values() for block in blocks] == [
        [1 + number * 1000 + word for word in range(Word.BLOCK_WORDS)] for number in range(128)
    ]
    assert [sum_blocks([memory, memory], number)[5] for number in (0, 127)] == [12, 254012]


@pytest.mark.parametrize("number", [-1, 64, 1 << 40])
def test_a_block_outside_the_slot_is_refused(number: int) -> None:
    with pytest.raises(IndexError, match=f"block {number} of 64"):
        Block(slot(), number)


def test_a_piece_of_a_block_is_none() -> None:
    memory = slot()
    Block(memory, 1)
    with pytest.raises(IndexError):
        Block(memory[:-8], 1)


def test_read_only_memory_is_refused() -> None:
    with pytest.raises(BufferError):
        Block(memoryview(bytes(bytes_of(1))), 0)


def test_unaligned_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="aligned"):
        Block(slot(128)[4 : 4 + bytes_of(64)], 0)


@pytest.mark.parametrize("word", [-1, 128])
def test_a_word_outside_the_block_is_refused(word: int) -> None:
    block = Block(slot(), 1)
    with pytest.raises(IndexError, match=f"word {word} of 128"):
        block.read(word)
    with pytest.raises(IndexError):
        block.write(word, 1)
    with pytest.raises(IndexError):
        block.increase(word)


def test_the_block_outlives_the_view_it_was_given() -> None:
    buffer = bytearray(bytes_of(1))
    view = memoryview(buffer)
    block = Block(view, 0)
    view.release()
    block.increase(Word.RETRIES, 3)
    assert block.read(Word.RETRIES) == 3
    with pytest.raises(BufferError):  # it cannot be resized away under the block
        buffer.clear()


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (100, Word.RESPONSES_1XX),
        (101, Word.RESPONSES_1XX),
        (199, Word.RESPONSES_1XX),
        (200, Word.RESPONSES_2XX),
        (304, Word.RESPONSES_3XX),
        (499, Word.RESPONSES_4XX),
        (500, Word.RESPONSES_5XX),
        (599, Word.RESPONSES_5XX),
        (600, Word.ABORTED),
        (999, Word.ABORTED),
        (99, Word.ABORTED),
        (0, Word.ABORTED),
        (-1, Word.ABORTED),
    ],
)
def test_an_exchange_is_counted_once_under_its_class(status: int, word: Word) -> None:
    block = Block(slot(), 1)
    block.record(status, 1000, 5, 7)
    values = block.values()
    outcomes = [*range(Word.RESPONSES_2XX, Word.RESPONSES_5XX + 1), Word.RESPONSES_1XX, Word.ABORTED]
    assert [number for number in outcomes if values[number]] == [word]
    assert values[Word.BYTES_IN] == 5
    assert values[Word.BYTES_OUT] == 7
    assert values[Word.DURATION_SUM] == 1000
    assert values[Word.HISTOGRAM + bucket(1000)] == 1
    assert sum(values[Word.HISTOGRAM :]) == 1


def test_gauges_are_cleared_and_counters_stay() -> None:
    memory = slot()
    for number in (0, 1):
        for word in range(128):
            Block(memory, number).write(word, word + 1)
        Block(memory, number).clear_gauges()
    cleared = [{word for word in range(128) if not Block(memory, number).read(word)} for number in (0, 1)]
    assert cleared[0] == {WorkerWord.WORKER_CONNECTIONS, WorkerWord.WORKER_TUNNELS}
    assert cleared[1] == {Word.IN_FLIGHT, Word.OPEN}


@given(st.integers(0, 2**64 - 1))
def test_a_duration_falls_into_the_bucket_below_whose_bound_it_is(microseconds: int) -> None:
    bounds = bucket_bounds()
    number = bucket(microseconds)
    assert microseconds < bounds[number] * 1e6
    assert number == 0 or microseconds >= round(bounds[number - 1] * 1e6)


def test_bounds_are_edges() -> None:
    bounds = bucket_bounds()
    assert len(bounds) == BUCKETS
    assert bounds[-1] == math.inf
    assert bounds == sorted(set(bounds))
    for number, bound in enumerate(bounds[:-1]):
        edge = round(bound * 1e6)
        assert edge == pytest.approx(bound * 1e6)
        assert (bucket(edge - 1), bucket(edge)) == (number, number + 1)
    # Two neighbours differ by a quarter at most, from 16 us up.
    assert all(high / low <= 1.25 + 1e-9 for low, high in pairwise(bounds[:-1]))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(durations: list[int], fraction: float) -> None:
    block = Block(slot(), 1)
    for duration in durations:
        block.record(200, duration)
    found = quantile(block.values()[Word.HISTOGRAM :], fraction)
    rank = max(1, math.ceil(fraction * len(durations)))
    number = bucket(sorted(durations)[rank - 1])
    bounds = [0.0, *bucket_bounds()]
    assert bounds[number] <= found <= bounds[number + 1]
    assert found < math.inf


def test_quantiles_at_the_ends() -> None:
    assert math.isnan(quantile([0] * BUCKETS, 0.5))
    assert quantile([4] + [0] * (BUCKETS - 1), 0.5) == pytest.approx(0.00001)
    assert quantile([0] * (BUCKETS - 1) + [4], 0.99) == bucket_bounds()[-2]
    with pytest.raises(ValueError, match="fraction from 0 to 1"):
        quantile([1] * BUCKETS, 1.5)


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4), max_size=5))
def test_sums_are_those_of_the_slots(slots: list[list[int]]) -> None:
    memories = [slot() for _ in slots]
    for memory, words in zip(memories, slots, strict=True):
        for word, value in zip((0, 15, 16, 127), words, strict=True):
            Block(memory, 3).write(word, value)
    if not slots:
        with pytest.raises(IndexError):
            Sums(memories).of(3)
        return
    total = Sums(memories).of(3)
    expected = [sum(values) % 2**64 for values in zip(*slots, strict=True)]
    assert [total[word] for word in (0, 15, 16, 127)] == expected
    assert total == sum_blocks(memories, 3)
    assert sum_blocks(memories, 2) == [0] * 128


def test_sums_hold_their_bounds() -> None:
    with pytest.raises(IndexError, match="block 64 of 64"):
        Sums([slot()]).of(64)
    with pytest.raises(IndexError):
        Sums([slot()]).of(-1)
    with pytest.raises(ValueError, match="one size"):
        Sums([slot(1), slot(65)])


def test_read_only_memory_can_be_summed() -> None:
    memory = slot()
    Block(memory, 1).increase(Word.RETRIES, 2)
    assert Sums([memory.toreadonly()]).of(1)[Word.RETRIES] == 2
