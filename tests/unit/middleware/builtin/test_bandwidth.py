"""bandwidth without a proxy around it."""

from __future__ import annotations

import random

import pytest

from headgate.middleware.builtin.bandwidth import CATCH_UP_SECONDS, PIECE_SECONDS, Bandwidth, Flow
from headgate.middleware.builtin.body_limit import BodyLimit
from support.hooks import made

RATE = 1_000_000


def sent(flow: Flow, pieces: int, size: int, lateness: list[float]) -> list[float]:
    """When each piece went on, with timers that are late."""
    now, times = 1000.0, []
    for number in range(pieces):
        now += max(0.0, flow.wait(size, now))
        now += lateness[number % len(lateness)]
        times.append(now)
    return times


def test_the_rate_is_kept_however_late_timers_are() -> None:
    chance = random.Random(3)
    size = int(RATE * PIECE_SECONDS)
    times = sent(Flow(RATE), 500, size, [chance.uniform(0, 0.015) for _ in range(97)])
    assert 500 * size / (times[-1] - times[0]) == pytest.approx(RATE, rel=0.01)


def test_what_comes_at_once_is_less_than_a_tenth_of_a_second() -> None:
    chance = random.Random(4)
    size = int(RATE * PIECE_SECONDS)
    times = sent(Flow(RATE), 1000, size, [chance.choice([0, 0, 0, 0, 0.3]) for _ in range(101)])
    for window in (0.0, 0.1, 1.0):
        most = max(sum(1 for other in times if begin <= other <= begin + window) for begin in times[::7])
        assert most * size <= RATE * (window + 0.1)
    assert CATCH_UP_SECONDS + 2 * PIECE_SECONDS < 0.1


def test_pieces_are_what_a_part_of_a_second_brings() -> None:
    middleware = made(Bandwidth, {"request": 1000.0, "response": 1e6})
    assert middleware.piece_size("request") == 20
    assert middleware.piece_size("response") == 20_000
    assert made(Bandwidth, {"request": 1.0}).piece_size("request") == 1
    assert made(Bandwidth, {"request": 1.0}).piece_size("response") == 0


@pytest.mark.parametrize("kind", [Bandwidth, BodyLimit])
def test_something_has_to_be_limited(kind: type) -> None:
    with pytest.raises(ValueError, match="nothing is limited; write for example"):
        made(kind, {})
