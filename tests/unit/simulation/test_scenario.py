"""Scenarios: what they mean, and what the page about them says."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from statistics import mean, quantiles

import pytest

from headgate import config
from headgate.simulation.preparation import fit, made_up
from headgate.simulation.scenario import Behaviour, Event, Latency, Load, Request, Scenario, parse
from headgate.simulation.trial import run
from headgate.spec import Snapshot
from support.configurations import EVERYTHING

PAGE = (Path(__file__).parents[3] / "docs" / "simulation.md").read_text()


def compiled(text: str) -> Snapshot:
    loaded = config.load("headgate.yaml", text=text, environ={})
    assert loaded.model is not None, loaded.problems
    return config.compile(loaded.model)


def test_the_examples_of_the_page_are_good() -> None:
    file, scenario = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    fit(parse(scenario), compiled(file))


@pytest.mark.parametrize("section", [Scenario, Load, Request, Behaviour, Event, Latency])
def test_the_page_names_every_key(section: type[Scenario]) -> None:
    words = set(re.findall(r"[\w]+", PAGE))
    assert set(section.by_key()) <= words
    assert all(field.description for field in section.by_key().values())


def drawn(latency: object, count: int = 20_000) -> list[float]:
    lots = Random(1)
    return [Latency.model_validate(latency).draw(lots) for _ in range(count)]


def test_latencies() -> None:
    assert set(drawn("20ms", 10)) == {0.02}
    parts = quantiles(drawn({"p50": "20ms", "p99": "100ms"}), n=100)
    assert parts[49] == pytest.approx(0.02, rel=0.05)
    assert parts[98] == pytest.approx(0.1, rel=0.1)
    assert mean(drawn({"p50": "20ms", "slow": "10%", "slow_times": "x10"})) == pytest.approx(0.038, rel=0.05)


def test_what_an_event_says_of_latency_goes_over_what_was_there() -> None:
    usual = Latency.model_validate({"p50": "20ms", "p99": "60ms", "slow": "2%"})
    times = Latency.model_validate("x50").over(usual)
    assert (times.p50, times.p99, times.times, times.slow) == (0.02, 0.06, 50, 0.02)
    assert Latency.model_validate("2s").over(usual) == Latency.model_validate("2s")
    assert Latency.model_validate("x2").over(times).times == 100


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("all", [0, 1, 2]),
        ("half", [0]),
        (2, [0, 1]),
        ("10.0.0.3:80", [2]),
        (["10.0.0.1:80", "10.0.0.3:80"], [0, 2]),
    ],
)
def test_which_endpoints_an_event_is_about(said: object, chosen: list[int]) -> None:
    event = Event.model_validate({"at": "1s", "endpoints": said, "service": "app"})
    names = [f"10.0.0.{number}:80" for number in (1, 2, 3)]
    assert [number for number in range(3) if event.chooses("app", number, 3, names[number])] == chosen
    assert not any(event.chooses("other", number, 3, names[number]) for number in range(3))


def test_a_file_with_every_key_runs() -> None:
    """TLS, unix sockets, names that nobody resolves, splits, mirrors, faults."""
    scenario = parse(
        """\
duration: 5s
workers: 2
load:
  network: 10.0.0.0/8
  requests:
    - &asked
      path: "/v1/a?debug=1&v=1.10"
      host: www.example.com
      headers: { x-canary: "yes", x-version: "2", x-there: "1", x-test: "1" }
    - { <<: *asked, method: POST, body: 2KiB }
    - { path: /robots.txt }
    - { path: /old/1 }
events: [{ at: 1s, until: 3s, endpoints: half, state: hangs }]
"""
    )
    trial = run(compiled(EVERYTHING), scenario, 1)
    assert trial.faults == ()
    assert trial.outcome["total"]["ok"] == trial.outcome["total"]["asked"] > 400
    assert set(trial.outcome["splits"]) == {"api: stable", "api: canary"}
    assert all(endpoint["attempts"] for endpoint in trial.outcome["services"][1]["endpoints"])


def test_one_request_is_made_up_for_each_route_that_leads_to_a_service() -> None:
    snapshot = compiled(
        """\
listeners: { web: { bind: 127.0.0.1:80 } }
routes:
  - name: orders
    match: { host: "*.example.com", path: /orders/*, method: POST, headers: { x-user: "7" } }
    service: app
  - { name: items, match: { path: "~ ^/item/[0-9]+$" }, service: app }
  - { name: found, match: { path: /find, query: { q: tea } }, service: app }
  - { name: old, match: { path: /old }, redirect: { path: /new } }
  - { name: rest, service: app }
services: { app: { endpoints: [127.0.0.1:81] } }
"""
    )
    assert [(one.method, one.host, one.path, one.headers) for one in made_up(snapshot, "192.0.2.1")] == [
        ("POST", "any.example.com", "/orders/", {"x-user": "7"}),
        ("GET", "localhost", "/find?q=tea", {}),
        ("GET", "localhost", "/", {}),
    ]
