"""Budgets for retries and hedges, pauses, and the percentile that is learned."""

from __future__ import annotations

import mmap
import random

import pytest

from headgate import spec
from headgate.core.attempts import AttemptPolicy, AttemptWord, BudgetWord, HedgePolicy, RetryBudget
from headgate.core.shared import SharedCell, SharedTable


def cell() -> SharedCell:
    return SharedTable(memoryview(mmap.mmap(-1, 4096))).cell("a")


def taken(budget: RetryBudget, now: float) -> int:
    """How many retries it allows at once."""
    count = 0
    while budget.allows(now):
        count += 1
    return count


def test_a_new_budget_has_what_a_second_brings() -> None:
    assert taken(RetryBudget(cell(), 20, 10), 1e6) == 10
    assert taken(RetryBudget(cell(), 20, 0), 1e6) == 0


def test_a_part_of_the_requests() -> None:
    budget = RetryBudget(cell(), 20, 0)
    for _ in range(100):
        budget.request(5.0)
    assert taken(budget, 5.0) == 20


def test_all_workers_share_it() -> None:
    shared = cell()
    one, other = RetryBudget(shared, 20, 0), RetryBudget(shared, 20, 0)
    for _ in range(80):
        one.request(5.0)
        other.request(5.0)
    assert taken(one, 5.0) + taken(other, 5.0) == 32
    assert shared.read(BudgetWord.BUDGET_SPENT) == 2


@pytest.mark.parametrize("rate", [500, 5000])
def test_a_failing_service_gets_a_quarter_more_at_most(rate: int) -> None:
    budget = RetryBudget(cell(), 20, 10)
    requests, retries = 0, 0
    for tick in range(10 * rate):
        now = 100 + tick / rate
        budget.request(now)
        requests += 1
        while budget.allows(now):
            retries += 1
    assert 0.2 * requests <= retries <= 0.25 * requests


def test_quiet_times_do_not_pay_for_a_storm() -> None:
    budget = RetryBudget(cell(), 20, 10)
    for tick in range(10_000):
        budget.request(100 + tick / 1000)
    assert taken(budget, 110) <= 0.2 * (1000 + 16) + 10
    assert taken(budget, 1000) == 10


def test_a_clock_that_was_read_earlier_takes_nothing_back() -> None:
    budget = RetryBudget(cell(), 20, 10)
    assert budget.allows(100.0)
    assert budget.allows(99.9)
    assert taken(budget, 100.0) == 8


def test_pauses_are_by_chance_up_to_twice_as_much_each_time() -> None:
    policy = AttemptPolicy(spec.Retry(backoff=0.1, backoff_most=0.5), None, cell())
    for retried, most in enumerate((0.1, 0.2, 0.4, 0.5, 0.5)):
        pauses = [policy.pauses(retried, random.getrandbits(64)) for _ in range(1000)]
        assert 0 <= min(pauses) < 0.1 * most
        assert 0.9 * most < max(pauses) <= most
    assert policy.pauses(60, 2**64 - 1) <= 0.5


def test_hedges_are_a_part_of_the_requests() -> None:
    hedge = HedgePolicy(0.05, 95, 5, cell())
    sent = 0
    for _ in range(1000):
        hedge.request()
        sent += hedge.allows()
    assert sent == pytest.approx(50, abs=1)


def test_the_percentile_is_learned_and_found_again() -> None:
    shared = cell()
    hedge = HedgePolicy(0.0, 95, 5, shared)
    for number in range(99):
        assert hedge.learn(0.01 if number % 50 else 1.0) == 0
    for number in range(400):
        hedge.learn(0.01 if number % 50 else 1.0)
    delay = hedge.learn(0.01)
    assert 0.01 <= delay <= 0.0125
    assert shared.read(AttemptWord.HEDGE_DELAY) == int(delay * 1e6)
    assert HedgePolicy(0.0, 95, 5, shared).learn(1.0) == pytest.approx(delay, abs=1e-6)
    for _ in range(20_000):  # of what was before little is left
        delay = hedge.learn(0.1)
    assert 0.1 <= delay <= 0.125
