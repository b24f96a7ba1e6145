"""What a rollout is judged by, and the weights that it gives."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.cells import Block, Word, bytes_of
from headgate.core.rollouts import Bounds, Cause, Decision, Figures, Phase, Progress, weights_at
from headgate.core.shared import SharedTable

BOUNDS = Bounds(error_margin=0.01, p99_factor=1.5)


def figures(errors: float = 0.0, p99: float = 0.1) -> Figures:
    return Figures(1000, errors, p99)


@pytest.mark.parametrize(
    ("new", "old", "cause"),
    [
        (figures(0.015), figures(0.005), Cause.NONE),
        (figures(0.016), figures(0.005), Cause.ERRORS),
        (figures(p99=0.150), figures(p99=0.1), Cause.NONE),
        (figures(p99=0.151), figures(p99=0.1), Cause.LATENCY),
        (figures(p99=0.005), figures(p99=0.0005), Cause.NONE),  # ten times nothing is nothing
        (figures(0.5, 9.0), figures(), Cause.ERRORS),
    ],
)
def test_bounds(new: Figures, old: Figures, cause: Cause) -> None:
    assert BOUNDS.broken_by(new, old) is cause


def test_figures_of_what_happened_between() -> None:
    block = Block(memoryview(bytearray(bytes_of(1))), 0)
    block.record(500, 1_000_000)
    before = block.values()
    for status in [200] * 97 + [503, 0, 404]:
        block.record(status, 50_000 if status == 404 else 1_000)
    found = Figures.between(before, block.values())
    assert (found.requests, found.error_ratio) == (100, 0.02)
    assert 0.0009 < found.p99 < 0.0013
    assert Figures.between(before, before) == Figures(0, 0.0, 0.0)
    assert block.read(Word.ABORTED) == 1


@given(
    st.floats(0, 100),
    st.lists(st.integers(0, 1_000_000), min_size=2, max_size=21),
    st.data(),
)
def test_weights_are_what_was_asked_for(percent: float, weights: list[int], data: st.DataObject) -> None:
    to = data.draw(st.integers(0, len(weights) - 1))
    others = sum(weights) - weights[to]
    if not others:
        with pytest.raises(ValueError, match="no weight"):
            weights_at(percent, to, weights)
        return
    found = weights_at(percent, to, weights)
    total = sum(found)
    assert 0 < total <= 1_000_000
    assert all(0 <= weight <= 1_000_000 for weight in found)
    assert abs(found[to] / total * 100 - percent) <= 0.0001
    rest = total - found[to]
    for number, weight in enumerate(weights):
        if number != to:
            assert abs(found[number] / total - weight / others * rest / total) <= 21e-6


def test_weights_are_short() -> None:
    assert weights_at(1, 1, [1, 0]) == [99, 1]
    assert weights_at(10, 2, [3, 1, 5]) == [27, 9, 4]
    assert weights_at(100, 0, [0, 7]) == [1, 0]
    assert weights_at(0, 0, [5, 6, 2]) == [0, 3, 1]


def test_progress_is_in_the_cell() -> None:
    cell = SharedTable(memoryview(mmap.mmap(-1, 64 * 256))).cell("rollout:a")
    one, other = Progress(cell), Progress(cell)
    one.adopt(7)
    one.decide(Decision.STARTED, Phase.RUNNING)
    one.enter(2, 12.5)
    one.remember(Figures(1000, 0.0, 0.25))
    assert (other.plan, other.phase, other.step, other.began) == (7, Phase.RUNNING, 2, 12.5)
    assert other.old == Figures(0, 0.0, 0.25)
    assert (other.count(Decision.STARTED), other.count(Decision.ABORTED)) == (1, 0)
    one.decide(Decision.ROLLED_BACK, Phase.ROLLED_BACK, Cause.LATENCY)
    assert (other.phase, other.cause) == (Phase.ROLLED_BACK, Cause.LATENCY)
    other.adopt(8)
    assert (one.phase, one.step, one.old, one.count(Decision.STARTED)) == (Phase.IDLE, 0, None, 1)
