"""The circuit breaker, on a clock that the test moves."""

from __future__ import annotations

import mmap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.breaker import (
    Breaker,
    BreakerState,
    BreakerWord,
    Change,
    counts_in,
    order,
    since_in,
    state_in,
)
from headgate.core.shared import SharedCell, SharedTable

DEFAULTS: dict[str, Any] = {
    "error_ratio": 0.5,
    "slow_ratio": 0.05,
    "slow_seconds": 0.0,
    "consecutive": 0,
    "minimum": 10,
    "window": 10.0,
    "open_seconds": 5.0,
    "longest_seconds": 20.0,
    "trials": 3,
    "statuses": (500, 503),
}
START = 1000.0


def cell() -> SharedCell:
    return SharedTable(memoryview(mmap.mmap(-1, 64 * 256))).cell("service:a")


def breaker(of: SharedCell | None = None, **more: Any) -> Breaker:
    return Breaker(of or cell(), **(DEFAULTS | more))


def tell(one: Breaker, now: float, *statuses: int, seconds: float = 0.1) -> Change:
    change = Change.UNCHANGED
    for status in statuses:
        change = one.tell(status > 0, status, seconds, now)
    return change


def opened(**more: Any) -> Breaker:
    one = breaker(consecutive=3, **more)
    assert tell(one, START, 0, 0, 0) is Change.NOW_OPEN
    return one


def test_opens_by_the_ratio_of_errors_from_the_minimum_on() -> None:
    one = breaker()
    assert tell(one, START, *[500] * 4, *[200] * 5) is Change.UNCHANGED
    assert one.allows(START)
    assert tell(one, START, 0) is Change.NOW_OPEN
    assert not one.allows(START + 4.9)


def test_other_statuses_are_no_failures() -> None:
    one = breaker()
    tell(one, START, *[404, 501, 200] * 100)
    assert one.state is BreakerState.CLOSED


def test_old_outcomes_leave_the_window() -> None:
    one = breaker()
    tell(one, START, *[500] * 9)
    tell(one, START + 10.1, *[200] * 11, 500)
    assert one.state is BreakerState.CLOSED


def test_opens_by_consecutive_failures_without_a_minimum() -> None:
    one = breaker(error_ratio=0.0, consecutive=3)
    assert tell(one, START, 500, 500, 200, 500, 500) is Change.UNCHANGED
    assert tell(one, START, 500) is Change.NOW_OPEN


def test_opens_by_a_quantile_of_latency() -> None:
    one = breaker(slow_seconds=1.0, slow_ratio=0.1)
    tell(one, START, *[200] * 18, seconds=1.0)
    assert tell(one, START, 200, 200, seconds=1.1) is Change.UNCHANGED  # 2 of 20: the 90th percentile is not
    assert tell(one, START, 200, seconds=1.1) is Change.NOW_OPEN


def test_a_full_window_keeps_its_ratio() -> None:
    one = breaker()
    tell(one, START, *[200, 200, 500] * 30_000)
    assert one.state is BreakerState.CLOSED


def test_trials_are_counted_and_close_it() -> None:
    one = opened()
    assert [one.allows(START + 5.1) for _ in range(5)] == [True, True, True, False, False]
    assert one.state is BreakerState.HALF_OPEN
    assert tell(one, START + 5.2, 200, 200) is Change.UNCHANGED
    assert tell(one, START + 5.2, 200) is Change.NOW_CLOSED
    assert one.allows(START + 5.3)


def test_a_failed_trial_opens_it_for_twice_as_long_up_to_the_most() -> None:
    one, now = opened(), START
    for seconds in (5.0, 10.0, 20.0, 20.0):
        assert not one.allows(now + seconds - 0.01)
        now += seconds
        assert one.allows(now)
        assert one.last_change is Change.NOW_HALF_OPEN
        assert tell(one, now + 0.1, 500) is Change.NOW_OPEN
        now += 0.1
    assert 19.99 < one.seconds_left(now) <= 20.0


def test_what_began_before_it_opened_is_no_trial() -> None:
    one = opened()
    assert one.allows(START + 5)
    assert tell(one, START + 5.5, *[200] * 9, seconds=1.0) is Change.UNCHANGED
    assert tell(one, START + 5.5, 500, seconds=1.0) is Change.UNCHANGED
    assert one.state is BreakerState.HALF_OPEN


def test_trials_that_nobody_tells_of_are_made_again() -> None:
    one = opened()
    assert [one.allows(START + 5) for _ in range(4)] == [True, True, True, False]
    assert not one.allows(START + 9.9)
    assert one.allows(START + 10)


def test_workers_agree() -> None:
    shared = cell()
    one, other = breaker(shared, consecutive=2), breaker(shared, consecutive=2)
    tell(one, START, 500)
    assert tell(other, START, 500) is Change.NOW_OPEN
    assert not one.allows(START)
    assert [each.allows(START + 5) for each in (one, other, one, other)] == [True, True, True, False]
    tell(one, START + 6, 200, 200)
    assert tell(other, START + 6, 200) is Change.NOW_CLOSED
    assert shared.read(BreakerWord.BREAKER_OPENED) == 1
    assert shared.read(BreakerWord.BREAKER_REFUSED) == 2


def test_operators_hold_it_open_and_let_it_go() -> None:
    shared = cell()
    one, other = breaker(shared), breaker(shared)
    assert order(shared, BreakerState.HELD_OPEN, START + 0.5)
    assert not order(shared, BreakerState.HELD_OPEN, START + 1)
    assert (state_in(shared), since_in(shared)) == (BreakerState.HELD_OPEN, START + 0.5)
    assert not other.allows(START + 1e6)
    assert tell(other, START + 1, *[200] * 50) is Change.UNCHANGED
    assert other.seconds_left(START + 1e6) == 20.0
    assert order(shared, BreakerState.CLOSED, START + 2)
    assert one.allows(START + 2)
    assert not order(shared, BreakerState.CLOSED, START + 3)  # nobody holds it


def test_operators_hold_it_closed_and_let_it_go() -> None:
    shared = cell()
    one = breaker(shared, consecutive=3)
    tell(one, START, 0, 0, 0)
    assert one.state is BreakerState.OPEN
    assert order(shared, BreakerState.HELD_CLOSED, START + 1)
    assert tell(one, START + 2, *[500] * 50) is Change.UNCHANGED
    assert one.allows(START + 2)
    assert order(shared, BreakerState.CLOSED, START + 3)
    assert tell(one, START + 4, 500, 500) is Change.UNCHANGED  # what was before is forgotten
    assert tell(one, START + 4, 500) is Change.NOW_OPEN
    assert not order(shared, BreakerState.CLOSED, START + 5)  # an open one is nobody's order
    with pytest.raises(ValueError, match="cannot be ordered"):
        order(shared, BreakerState.OPEN, START)


def test_counts_of_the_window_are_seen() -> None:
    shared = cell()
    one = breaker(shared, slow_seconds=1.0, slow_ratio=1.0, error_ratio=1.0)
    tell(one, START + 2, 500, 200, 200)
    tell(one, START + 4, 200, seconds=1.5)
    assert counts_in(shared, 10.0, START + 4) == (4, 1, 1)
    assert counts_in(shared, 10.0, START + 100) == (0, 0, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "answer", "fail", "forget"]),
        st.integers(0, 1),  # which worker
        st.floats(0.0, 8.0),  # seconds that pass before
    ),
    max_size=120,
)


@given(steps, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_never_more_trials_than_allowed(plan: list[tuple[str, int, float]], trials: int) -> None:
    """Between an opening and the next state only `trials` attempts run, unless they were forgotten for as
    long as it was open; and while it is open nothing is asked.
    """
    shared = cell()
    workers = [breaker(shared, consecutive=2, minimum=3, trials=trials) for _ in range(2)]
    now = START
    running: list[float] = []
    begun: list[float] = []  # trials of this half-open time
    for what, which, pause in plan:
        now += pause
        one = workers[which]
        before = one.state
        if what == "ask":
            left = one.seconds_left(now)
            allowed = one.allows(now)
            if before is BreakerState.OPEN:
                # A millisecond is as fine as it looks.
                assert allowed == (left <= 0.0) or left < 0.001
            if not allowed:
                assert before is not BreakerState.CLOSED
                continue
            if one.state is BreakerState.HALF_OPEN:
                begun = [] if left <= 0.001 else begun
                begun.append(now)
                assert len(begun) <= trials
            running.append(now)
        elif running:
            started = running.pop(0)
            if what != "forget":
                change = one.tell(True, 200 if what == "answer" else 500, now - started, now)
                if change is not Change.UNCHANGED:
                    begun = []
    assert shared.read(BreakerWord.BREAKER_OPENED) <= sum(what == "fail" for what, _, _ in plan)
