from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.balance import FirstAvailable, LeastRequests, LeastTime, PowerOfTwo, Random, RoundRobin
from headgate.core.balancers import ALGORITHMS, balancer, simulate

NAMES = ALGORITHMS


def picks(
    name: str,
    weights: list[float],
    count: int,
    *,
    in_flight: list[int] | None = None,
    usable: list[bool] | None = None,
    avoid: int = 0,
    seed: int = 1,
) -> list[int]:
    size = len(weights)
    return simulate(
        balancer(name, seed), weights, in_flight or [0] * size, usable or [True] * size, avoid, count
    )


def test_factory() -> None:
    assert isinstance(balancer("round_robin"), RoundRobin)
    assert isinstance(balancer("least_requests"), LeastRequests)
    assert isinstance(balancer("random", 7), Random)
    assert isinstance(balancer("power_of_two", 7), PowerOfTwo)
    assert isinstance(balancer("least_time", 7), LeastTime)
    assert isinstance(balancer("first_available"), FirstAvailable)
    with pytest.raises(ValueError, match="no balancer is called 'fastest'; there are: round_robin"):
        balancer("fastest")


def test_round_robin_is_smooth() -> None:
    assert picks("round_robin", [5, 1, 1], 7) == [0, 0, 1, 0, 2, 0, 0]
    assert picks("round_robin", [1, 1, 1], 6) == [0, 1, 2, 0, 1, 2]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_round_robin_is_exact(weights: list[int]) -> None:
    row = picks("round_robin", list(map(float, weights)), 2 * sum(weights))
    assert Counter(row) == {index: 2 * weight for index, weight in enumerate(weights)}
    assert Counter(row[: sum(weights)]) == dict(enumerate(weights))


def test_least_requests_prefers_the_idle() -> None:
    assert set(picks("least_requests", [1, 1, 1], 5, in_flight=[2, 1, 3])) == {1}
    # 4 of weight 4 are as many as 1 of weight 1; 3 of weight 4 are fewer.
    assert set(picks("least_requests", [4, 1], 5, in_flight=[3, 1])) == {0}
    assert Counter(picks("least_requests", [4, 1], 10, in_flight=[4, 1])) == {0: 8, 1: 2}


def test_least_requests_shares_ties_by_turns() -> None:
    assert picks("least_requests", [1, 1, 1], 4, in_flight=[1, 0, 0]) == [1, 2, 1, 2]
    assert Counter(picks("least_requests", [3, 1], 8)) == {0: 6, 1: 2}


def test_random_follows_weights() -> None:
    count = 20_000
    row = Counter(picks("random", [1, 2, 5], count, seed=3))
    for index, share in enumerate([1 / 8, 2 / 8, 5 / 8]):
        # Five standard deviations of a binomial distribution.
        assert abs(row[index] - count * share) < 5 * (count * share * (1 - share)) ** 0.5


def test_random_depends_on_the_seed_only() -> None:
    rows = [tuple(picks("random", [1, 1, 1, 1], 50, seed=seed)) for seed in range(20)]
    assert len(set(rows)) == 20
    assert rows[4] == tuple(picks("random", [1, 1, 1, 1], 50, seed=4))


def test_the_better_of_two() -> None:
    row = Counter(picks("power_of_two", [1, 1, 1], 3000, in_flight=[9, 5, 1]))
    assert row[0] == 0  # the worst of three is never the better of two
    # The best is among the two in two of three cases, and wins then.
    assert abs(row[2] - 2000) < 5 * (3000 * 2 / 9) ** 0.5
    # By weight: 7 of weight 4 are fewer than 2 of weight 1.
    assert set(picks("power_of_two", [4, 1], 50, in_flight=[7, 2])) == {0}


def times(latencies: list[float], in_flight: list[int], weights: list[float] | None = None) -> Counter[int]:
    size = len(latencies)
    chosen = balancer("least_time", 5)
    return Counter(
        simulate(chosen, weights or [1.0] * size, in_flight, [True] * size, 0, 3000, latencies=latencies)
    )


def test_the_sooner_of_two() -> None:
    row = times([0.01, 0.01, 0.5], [0, 0, 0])
    assert row[2] == 0  # slower than whichever stands beside it
    assert times([0.01, 0.5], [60, 0]) == {1: 3000}  # 61 exchanges of 10 ms are longer than one of 500
    assert times([0.01, 0.5], [40, 0]) == {0: 3000}
    assert times([0.4, 0.1], [0, 0], [8.0, 1.0]) == {0: 3000}  # 50 ms a unit of weight


def test_an_unknown_latency_is_tried_once() -> None:
    assert times([0.01, 0.0], [0, 0]) == {1: 3000}
    assert times([0.01, 0.0], [0, 1]) == {0: 3000}


def test_the_first_that_can_be_had() -> None:
    assert set(picks("first_available", [1, 9, 9], 5)) == {0}
    assert set(picks("first_available", [1, 9, 9], 5, usable=[False, True, True])) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_none_is_usable(name: str) -> None:
    assert picks(name, [], 2) == [-1, -1]
    assert picks(name, [1, 1], 2, usable=[False, False]) == [-1, -1]
    assert picks(name, [0, 0], 2) == [-1, -1]


@pytest.mark.parametrize("name", NAMES)
def test_tried_endpoints_only_when_there_is_no_other(name: str) -> None:
    assert set(picks(name, [1, 1, 1], 30, avoid=0b101)) == {1}
    every = {0} if name == "first_available" else {0, 1, 2}
    assert set(picks(name, [1, 1, 1], 60, avoid=0b111)) == every
    assert set(picks(name, [1, 1, 1], 60, avoid=0b101, usable=[True, False, True])) == every - {1}


@pytest.mark.parametrize("name", NAMES)
@given(
    states=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 4), st.booleans()),
        min_size=1,
        max_size=80,
    ),
    avoid=st.integers(0, 2**64 - 1),
    seed=st.integers(0, 2**64 - 1),
)
def test_choice_is_always_usable(
    name: str, states: list[tuple[float, int, bool]], avoid: int, seed: int
) -> None:
    weights, in_flight, usable = map(list, zip(*states, strict=True))
    open_ = {index for index, (weight, _, use) in enumerate(states) if use and weight > 0}
    fresh = {index for index in open_ if not avoid >> (index & 63) & 1}
    row = simulate(balancer(name, seed), weights, in_flight, usable, avoid, 20)
    assert set(row) <= (fresh or open_ or {-1})
