import pytest

from headgate.supervisor.restarts import HEALTHY_SECONDS, Restarts


def test_the_delay_grows_while_it_keeps_dying() -> None:
    restarts = Restarts()
    delays = [restarts.died(0.5) for _ in range(11)]
    assert delays[:5] == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8])
    assert delays[-1] == 10.0
    assert restarts.count == 11


def test_a_healthy_life_starts_over() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.died(0.0)
    assert restarts.died(HEALTHY_SECONDS) == 0.0
    assert restarts.died(HEALTHY_SECONDS - 0.1) == pytest.approx(0.1)


def test_it_never_overflows() -> None:
    restarts = Restarts()
    assert max(restarts.died(0.0) for _ in range(5000)) == 10.0
