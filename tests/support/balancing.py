"""What each balancer makes of endpoints that are not alike: the figures of docs/simulation.md.

`PYTHONPATH=tests python -m support.balancing` prints the table.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from headgate import config
from headgate.simulation.scenario import Scenario
from headgate.simulation.trial import run

BY_CLIENT = {"algorithm": "consistent_hash", "key": "client"}
ALGORITHMS: dict[str, Any] = {
    "round_robin": "round_robin",
    "random": "random",
    "least_requests": "least_requests",
    "power_of_two": "power_of_two",
    "least_time": "least_time",
    "first_available": "first_available",
    "ip_hash": "ip_hash",
    "rendezvous": {"algorithm": "rendezvous", "key": "client"},
    "consistent_hash": BY_CLIENT,
    "consistent_hash, maglev": BY_CLIENT | {"table": "maglev"},
    "consistent_hash, bounded_load 1.25": {
        "algorithm": "consistent_hash",
        "key": "client",
        "bounded_load": 1.25,
    },
}
ENDPOINTS = [f"10.0.0.{number}:80" for number in range(1, 6)]
LAST = ENDPOINTS[-1]
USUAL = {"latency": {"p50": "20ms", "p99": "60ms"}}
SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "alike": [],
    "one 5 times slower": [{"endpoints": LAST, "latency": "x5"}],
    "one 50 times slower": [{"endpoints": LAST, "latency": "x50"}],
    "one fails every second": [{"endpoints": LAST, "errors": "50%", "latency": "1ms"}],
    "one is down": [{"endpoints": LAST, "state": "down"}],
}


class Figures(NamedTuple):
    """What clients saw, and the part of the attempts that the last endpoint got."""

    p50: float
    p99: float
    failed: float
    share: float


def figures(algorithm: str, situation: str, duration: str = "40s") -> Figures:
    """Of 200 requests a second, while the last endpoint is not like the others."""
    loaded = config.validate(
        {
            "listeners": {"web": {"bind": "127.0.0.1:8080"}},
            "routes": [{"name": "all", "service": "app"}],
            "services": {"app": {"balance": ALGORITHMS[algorithm], "endpoints": ENDPOINTS}},
        }
    )
    assert loaded.model is not None, loaded.problems
    events = [{"at": "0s"} | event for event in SITUATIONS[situation]]
    scenario = Scenario.model_validate(
        {
            "duration": duration,
            "load": {"rate": "200/s", "addresses": 20000},
            "endpoints": USUAL,
            "events": events,
        }
    )
    trial = run(config.compile(loaded.model), scenario, 1)
    assert trial.faults == ()
    total, (service,) = trial.outcome["total"], trial.outcome["services"]
    share = service["endpoints"][-1]["share"]
    return Figures(total["p50"], total["p99"], total["failed"] / total["asked"], share)


def _cells(found: Figures) -> str:
    failed = f", {found.failed * 100:.1f} % fail" if found.failed else ""
    return f"{found.p50 * 1000:.0f} / {found.p99 * 1000:.0f} ms{failed} ({found.share * 100:.1f} %)"


def _name(algorithm: str) -> str:
    return ", ".join(f"`{word}`" for word in algorithm.split(", "))


def rows() -> list[tuple[str, ...]]:
    """The whole table."""
    return [
        ("`balance`", *SITUATIONS),
        *(
            (_name(name), *(_cells(figures(name, situation)) for situation in SITUATIONS))
            for name in ALGORITHMS
        ),
    ]


if __name__ == "__main__":
    head, *body = rows()
    for row in (head, ("---",) * len(head), *body):
        sys.stdout.write(f"| {' | '.join(row)} |\n")
