"""Small configurations and scenarios that are drawn from a seed.

`PYTHONPATH=tests python -m support.worlds SEED` runs one, and prints both files and what is wrong.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from random import Random
from typing import Any

import msgspec
import yaml

from headgate import config
from headgate.controller.rotation import Orders
from headgate.core.rotation import Mode
from headgate.simulation.judge import Judge
from headgate.simulation.scenario import Scenario
from headgate.simulation.trial import Trial, run
from headgate.simulation.world import World
from headgate.spec import Service, Snapshot

BALANCE: tuple[Any, ...] = (
    "round_robin",
    "random",
    "least_requests",
    "power_of_two",
    "least_time",
    "first_available",
    "ip_hash",
    "rendezvous",
    {"algorithm": "consistent_hash", "key": "path", "table": "maglev"},
    {"algorithm": "consistent_hash", "key": "header:x-key", "bounded_load": 1.25},
    {"algorithm": "consistent_hash", "key": "client"},
)
SEEDS_OF_A_FILE = 8
CAUSES = ("connect", "refused", "reset", "timeout", 500, 502, 503)


def files(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A configuration, which some seeds in a row have in common, and a scenario, as plain data."""
    return _file(seed // SEEDS_OF_A_FILE), _scenario(Random(seed))


def _file(number: int) -> dict[str, Any]:
    lots = Random(number)
    names = ["one", "two", "three"][: lots.randint(1, 3)]
    services = {name: _service(lots, number, names) for number, name in enumerate(names)}
    routes = [_route(lots, number, names) for number in range(lots.randint(1, 2))]
    return {"listeners": {"web": {"bind": "127.0.0.1:8080"}}, "routes": routes, "services": services}


@lru_cache(maxsize=1)
def _snapshot(number: int) -> Snapshot:
    loaded = config.validate(_file(number))
    assert loaded.model is not None, "\n".join(str(problem) for problem in loaded.problems)
    return config.compile(loaded.model)


def world(seed: int) -> tuple[Snapshot, Scenario]:
    """They, ready to run."""
    return _snapshot(seed // SEEDS_OF_A_FILE), Scenario.model_validate(files(seed)[1])


class Operator(Judge):
    """A judge who gives orders now and then: drains and enables endpoints, and has workers load a file with
    other endpoints or weights, or the first one again.
    """

    def __init__(self, snapshot: Snapshot, lots: Random) -> None:
        super().__init__(snapshot)
        self._snapshot = snapshot
        self._lots = lots
        self._busy = lots.random() < 0.4

    def looked(self, world: World) -> None:
        """Look, and maybe act."""
        super().looked(world)
        if self._busy and self._lots.random() < 0.3 and world.now < world.scenario.duration:
            self._lots.choice([self._order, self._reload, self._restore])(world)

    def _order(self, world: World) -> None:
        *_, live = self._lots.choice(list(world.fleet.endpoints(world.snapshot)))
        live.order(
            Orders(self._lots.choice([Mode.ENABLED, Mode.DRAINING, Mode.DISABLED]), weight=live.orders.weight)
        )

    def _reload(self, world: World) -> None:
        services = tuple(self._changed(service) for service in self._snapshot.services)
        world.reload(msgspec.structs.replace(self._snapshot, services=services))

    def _changed(self, service: Service) -> Service:
        endpoints = self._lots.sample(service.endpoints, self._lots.randint(1, len(service.endpoints)))
        weighed = [
            msgspec.structs.replace(one, weight=self._lots.randint(1, 3), backup=False) for one in endpoints
        ]
        return msgspec.structs.replace(service, endpoints=tuple(weighed))

    def _restore(self, world: World) -> None:
        world.reload(self._snapshot)


def trial(seed: int) -> Trial:
    """Run it."""
    snapshot, scenario = world(seed)
    return run(snapshot, scenario, seed, judge=Operator(snapshot, Random(f"{seed} operator")))


def _maybe(lots: Random, value: Any, chance: float = 0.5) -> dict[str, Any]:
    """The one key, or nothing. Always as much is drawn."""
    return value if lots.random() < chance else {}


def _route(lots: Random, number: int, names: list[str]) -> dict[str, Any]:
    route: dict[str, Any] = {"name": f"route-{number}"}
    if number == 0 and lots.random() < 0.5:
        route["match"] = {"path": "/a/*"}
    elif number == 0:
        route["match"] = {"method": ["GET", "POST"], "path": "/*"}
    if len(names) > 1 and lots.random() < 0.4:
        route["services"] = [
            {"service": name, "weight": lots.randint(0, 9) + (name == "one")} for name in names
        ]
        route |= _maybe(lots, {"sticky": "client"}, 0.3)
    else:
        first, *others = lots.sample(names, len(names))
        route["service"] = first
        if others:
            route |= _maybe(lots, {"mirror": {"service": others[0], "percent": 20, "timeout": "1s"}}, 0.2)
    causes = lots.sample(CAUSES, lots.randint(1, len(CAUSES)))
    retry: dict[str, Any] = {"attempts": lots.randint(2, 4), "on": causes}
    retry |= _maybe(lots, {"per_try_timeout": f"{lots.randint(20, 400)}ms"}, 0.4)
    retry |= _maybe(lots, {"methods": ["POST"]}, 0.3)
    route |= _maybe(lots, {"retry": retry}, 0.6)
    after = lots.choice(["p90", f"{lots.randint(5, 200)}ms"])
    route |= _maybe(lots, {"hedge": {"after": after, "budget": f"{lots.choice([1, 5, 50])}%"}}, 0.4)
    route |= _maybe(lots, {"timeouts": {"request": f"{lots.randint(50, 2000)}ms"}}, 0.3)
    route |= _maybe(lots, {"concurrency": lots.randint(1, 20)}, 0.2)
    route |= _maybe(lots, {"fault": {"percent": "10%", "delay": "50ms", "abort": 418}}, 0.1)
    return route


def _service(lots: Random, number: int, names: list[str]) -> dict[str, Any]:
    count = lots.randint(1, 6)
    endpoints = []
    for other in range(count):
        endpoint: dict[str, Any] = {
            "address": f"10.1.{number}.{other}:80",
            "weight": lots.choice([0, 1, 1, 3]) if other else 1,
        }
        endpoint |= _maybe(lots, {"backup": True}, 0.1 if other else 0.0)
        endpoints.append(endpoint)
    service: dict[str, Any] = {"endpoints": endpoints, "balance": lots.choice(BALANCE)}
    breaker: dict[str, Any] = {
        "scope": lots.choice(["service", "endpoint"]),
        "open_for": "500ms",
        "window": "1s",
    }
    breaker |= _maybe(lots, {"consecutive": lots.randint(1, 5)})
    breaker |= _maybe(lots, {"latency": f"{lots.randint(10, 300)}ms"})
    if number and lots.random() < 0.3:
        breaker["fallback"] = names[0]
    service |= _maybe(lots, {"breaker": breaker})
    check = {"path": "/", "interval": "300ms", "fast_interval": "100ms", "timeout": "200ms"}
    check |= _maybe(lots, {"initial": "unhealthy"}, 0.2)
    service |= _maybe(lots, {"health_check": check}, 0.4)
    outliers = {"consecutive_errors": lots.randint(1, 5), "interval": "200ms", "ejection": "300ms"}
    outliers |= {"max_ejected": lots.choice(["30%", "50%", "100%"])}
    service |= _maybe(lots, {"outliers": outliers}, 0.4)
    service |= _maybe(lots, {"slow_start": "1s"}, 0.2)
    service |= _maybe(lots, {"panic": lots.choice(["off", "30%"])}, 0.3)
    service |= _maybe(lots, {"sticky": lots.choice(["cookie", "header"])}, 0.2)
    budget = lots.choice(["off", {"percent": "10%", "per_second": 1}])
    service |= _maybe(lots, {"retry_budget": budget}, 0.6)
    limit: dict[str, Any] = {"queue": lots.randint(0, 20), "queue_timeout": f"{lots.randint(50, 500)}ms"}
    limit |= lots.choice(
        [{"limit": lots.randint(1, 20)}, {"adaptive": True}, {"endpoint": lots.randint(1, 6)}]
    )
    service |= _maybe(lots, {"concurrency": limit}, 0.4)
    return service


def _scenario(lots: Random) -> dict[str, Any]:
    load: dict[str, Any] = {"addresses": lots.choice([1, 5, 50])}
    load |= lots.choice(
        [{"rate": f"{lots.randint(10, 50)}/s"}, {"clients": lots.randint(1, 6), "think": "50ms"}]
    )
    load |= _maybe(lots, {"patience": f"{lots.randint(50, 1000)}ms"}, 0.3)
    load["requests"] = [
        {"path": f"/{lots.choice('ab')}/{number}", "headers": {"x-key": str(number)}}
        | _maybe(lots, {"method": "POST", "body": "100B"}, 0.3)
        for number in range(lots.randint(1, 4))
    ]
    return {
        "duration": "1200ms",
        "workers": lots.choice([1, 1, 2, 3]),
        "load": load,
        "endpoints": {"latency": {"p50": "10ms", "p99": "60ms"}}
        | _maybe(lots, {"capacity": lots.randint(1, 9)}, 0.3),
        "events": [_event(lots) for _ in range(lots.randint(0, 3))],
    }


def _event(lots: Random) -> dict[str, Any]:
    start = lots.randint(0, 1000)
    event: dict[str, Any] = {"at": f"{start}ms", "endpoints": lots.choice(["all", "half", 1, 2])}
    event |= _maybe(lots, {"until": f"{start + lots.randint(50, 800)}ms"}, 0.8)
    return event | lots.choice(
        [
            {"latency": "x20"},
            {"latency": "300ms"},
            {"errors": lots.choice(["20%", "100%"]), "status": lots.choice([500, 503])},
            {"resets": lots.choice(["20%", "100%"])},
            {"state": lots.choice(["down", "hangs", "unreachable"])},
        ]
    )


def told(seed: int) -> str:
    """Both files as text, and how to run them again."""
    file, scenario = files(seed)
    texts = [yaml.safe_dump(one, sort_keys=False) for one in (file, scenario)]
    return "\n".join([f"again: PYTHONPATH=tests python -m support.worlds {seed}", *texts])


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    done = trial(wanted)
    sys.stdout.write("\n".join([told(wanted), str(done.outcome["total"]), *done.faults, ""]))
    sys.exit(bool(done.faults))
