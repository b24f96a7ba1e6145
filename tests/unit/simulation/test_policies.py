"""What policies are good for, in worlds where time costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from headgate import config
from headgate.simulation.scenario import Scenario, load
from headgate.simulation.trial import run
from support.balancing import figures

FIVE = [f"10.0.0.{number}:80" for number in range(1, 6)]


def outcome(
    scenario: Scenario | dict[str, Any],
    *,
    route: dict[str, Any] | None = None,
    service: dict[str, Any] | None = None,
    seed: int = 1,
) -> Any:
    """What comes of it. No rule is broken."""
    loaded = config.validate(
        {
            "listeners": {"web": {"bind": "127.0.0.1:8080"}},
            "routes": [{"name": "all", "service": "app"} | (route or {})],
            "services": {"app": {"endpoints": FIVE} | (service or {})},
        }
    )
    assert loaded.model is not None, loaded.problems
    if isinstance(scenario, dict):
        scenario = Scenario.model_validate(scenario)
    trial = run(config.compile(loaded.model), scenario, seed)
    assert trial.faults == ()
    return trial.outcome


def shares(told: Any) -> list[float]:
    return [endpoint["share"] for endpoint in told["services"][0]["endpoints"]]


def log(told: Any, text: str) -> list[float]:
    """When something with this text was logged."""
    return [when for when, line in told["log"] if text in line]


# --- Balancing ---


@pytest.mark.parametrize("algorithm", ["round_robin", "random", "ip_hash", "consistent_hash"])
def test_who_does_not_look_at_endpoints_gives_a_slow_one_its_share(algorithm: str) -> None:
    found = figures(algorithm, "one 50 times slower", "20s")
    assert found.share == pytest.approx(0.2, abs=0.05)
    assert found.p99 > 1


@pytest.mark.parametrize(
    "algorithm", ["least_requests", "power_of_two", "consistent_hash, bounded_load 1.25"]
)
def test_who_counts_what_is_in_flight_gives_a_slow_one_little(algorithm: str) -> None:
    found = figures(algorithm, "one 50 times slower", "20s")
    assert found.share < 0.02
    assert found.p99 < 1


def test_least_time_gives_a_slow_one_next_to_nothing() -> None:
    found = figures("least_time", "one 50 times slower", "20s")
    assert found.share < 0.005
    assert found.p99 < 1.2 * figures("least_time", "alike", "20s").p99


def test_who_fails_fast_draws_requests_of_those_who_count() -> None:
    """Why outlier detection or a breaker belongs to them."""
    assert figures("least_requests", "one fails every second", "20s").share > 0.3
    guarded = outcome(
        {
            "duration": "40s",
            "events": [{"at": "0s", "endpoints": FIVE[-1], "errors": "100%", "latency": "1ms"}],
        },
        service={"balance": "least_requests", "outliers": {}},
    )
    assert shares(guarded)[-1] < 0.02


# --- Health ---


def test_an_endpoint_that_crashes_costs_no_request_and_comes_back_slowly() -> None:
    told = outcome(
        load("kill-one"),
        route={"retry": {"attempts": 3, "on": ["connect", "reset"]}},
        service={
            "health_check": {"path": "/", "interval": "1s", "fast_interval": "500ms", "unhealthy": 2},
            "slow_start": "10s",
        },
    )
    assert told["total"]["failed"] == 0
    (out,), (back,) = log(told, "is unhealthy"), log(told, "is healthy again")
    assert 20 < out < 20 + 1.1 + 0.6
    assert 40 < back < 40 + 1.1 + 0.6
    quick = outcome(load("kill-one"), service={"health_check": {"path": "/", "interval": "1s"}})
    assert shares(told)[0] < shares(quick)[0]


def test_sticky_clients_leave_an_endpoint_that_is_ejected() -> None:
    """When nobody without a session asks, too."""
    told = outcome(
        {
            "duration": "20s",
            "load": {"clients": 1, "addresses": 1},
            "events": [{"at": f"{start}s", "until": f"{start + 2}s", "errors": "100%"} for start in (2, 8)],
        },
        service={"sticky": "cookie", "outliers": {"ejection": "30s"}},
    )
    assert log(told, "is ejected")
    assert sum(share > 0 for share in shares(told)) == 1 + len(log(told, "is ejected"))


def test_without_sessions_nobody_comes_back() -> None:
    one = {"duration": "5s", "load": {"clients": 1, "addresses": 1}}
    assert shares(outcome(one)) == pytest.approx([0.2] * 5, abs=0.01)
    for kind in ("cookie", "header"):
        assert sorted(shares(outcome(one, service={"sticky": kind}))) == [0, 0, 0, 0, 1]


# --- Attempts ---


def test_a_retry_storm_cannot_happen() -> None:
    told = outcome(load("all-down"), route={"retry": {"attempts": 4, "on": ["connect", "reset", 503]}})
    storm = next(phase for phase in told["phases"] if phase["from"] == 20)
    assert storm["failed"] > 0.99 * storm["asked"] > 9000
    assert 1.1 < storm["attempts"] / storm["asked"] <= 1.25
    assert told["attempts"]["not_retried"]["budget"] > 0


def test_hedging_hides_a_slow_tail() -> None:
    usual = {"duration": "60s", "endpoints": {"latency": "20ms"}}
    healthy = outcome(usual)["total"]["p99"]
    bare = outcome(load("tail"))["total"]
    told = outcome(load("tail"), route={"hedge": {"after": "p95", "budget": "5%"}})
    assert bare["p99"] > 10 * healthy
    assert told["total"]["p99"] < 3 * healthy
    assert told["upstream"]["ratio"] <= 1.05


# --- Limits ---


def test_goodput_under_five_times_the_load() -> None:
    """Endpoints that work on 4 requests at a time, 50 ms each: 400 a second is what they can do."""
    overload = {
        "duration": "8s",
        "load": {"rate": "2000/s", "patience": "1s"},
        "endpoints": {"latency": "50ms", "capacity": 4},
    }
    told = outcome(overload, service={"concurrency": {"limit": 20, "queue": 20, "queue_timeout": "200ms"}})
    assert told["total"]["ok"] > 0.9 * 400 * 8
    assert told["total"]["p99"] < 0.5
    assert told["services"][0]["queue"]["displaced"] + told["services"][0]["queue"]["full"] > 5000
    bare = outcome(overload)
    assert bare["total"]["ok"] < 0.5 * told["total"]["ok"]


def test_workers_share_what_runs_at_a_time_and_breakers() -> None:
    told = outcome(
        {"duration": "20s", "workers": 4, "events": [{"at": "5s", "until": "10s", "errors": "100%"}]},
        service={"concurrency": 10, "breaker": {"window": "2s"}},
    )
    assert len(log(told, "breaker of app: closed")) == 1
    failing = next(phase for phase in told["phases"] if phase["from"] == 5)
    assert failing["attempts"] < failing["asked"] / 2
