"""`headgate simulate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headgate.cli.simulate import POLICIES, command
from headgate.proxy.runtime import Runtime, SnapshotRefused
from headgate.simulation.judge import Judge
from headgate.simulation.scenario import built_in
from headgate.simulation.trial import POLICIES as KNOWN_POLICIES

FILE = """\
listeners: { web: { bind: 127.0.0.1:8080 } }
routes:
  - name: shop
    match: { host: shop.example.com, path: /shop/* }
    service: shop
    retry: { attempts: 3, on: [connect, reset, timeout, 503], per_try_timeout: 500ms }
    hedge: { after: 100ms, budget: 5% }
services:
  shop:
    endpoints: [127.0.0.1:9001, 127.0.0.1:9002, 127.0.0.1:9003, 127.0.0.1:9004]
    health_check: { path: /healthz, interval: 1s }
    outliers: { max_ejected: 50% }
    breaker: { scope: endpoint }
"""
SCENARIO = """\
duration: 4s
load: { rate: 50/s }
endpoints: { latency: { p50: 10ms, p99: 50ms } }
events:
  - { at: 1s, until: 3s, endpoints: half, latency: 2s }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "headgate.yaml").write_text(FILE)
    (tmp_path / "slow.yaml").write_text(SCENARIO)
    return tmp_path / "headgate.yaml"


def simulate(file: Path, *arguments: str, scenario: str = "slow.yaml") -> Result:
    name = str(file.with_name(scenario)) if scenario.endswith(".yaml") else scenario
    return CliRunner().invoke(command, [str(file), "--scenario", name, *arguments])


def refused(file: Path, text: str) -> str:
    file.with_name("bad.yaml").write_text(text)
    done = simulate(file, scenario="bad.yaml")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def outcome(file: Path, *arguments: str, scenario: str = "slow.yaml") -> Any:
    done = simulate(file, *arguments, "--json", scenario=scenario)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(file: Path) -> None:
    first, second, other = (simulate(file, "--seed", seed, "--json").stdout_bytes for seed in ("7", "7", "8"))
    assert first == second
    assert first != other
    assert simulate(file, "--seed", "7").stdout_bytes == simulate(file, "--seed", "7").stdout_bytes


def test_the_figures_fit_together(file: Path) -> None:
    told = outcome(file)
    total = told["total"]
    assert 150 < total["asked"] < 250
    assert total["ok"] + total["failed"] == total["asked"]
    assert sum(told["failures"].values()) == total["failed"]
    for parts in ("phases", "seconds"):
        assert sum(part["asked"] for part in told[parts]) == total["asked"]
    assert [(part["from"], part["to"]) for part in told["phases"]] == [(0, 1), (1, 3), (3, 4)]
    (service,) = told["services"]
    attempts = sum(endpoint["attempts"] for endpoint in service["endpoints"])
    assert attempts == told["upstream"]["attempts"] == total["attempts"]
    assert attempts >= total["asked"]
    hedges = told["attempts"]["hedges"]
    assert hedges["sent"] == hedges["won"] + hedges["lost"] > 0
    assert told["faults"] == []


def test_the_table_for_people(file: Path) -> None:
    lines = simulate(file).stdout.splitlines()
    assert lines[0] == "a scenario (seed 1)"
    assert " ".join(lines[2].split()) == "when asked ok failed p50 p95 p99 attempts ejected breakers open"
    assert [line.split()[0] for line in lines[3:7]] == ["0-1", "1-3", "3-4", "all"]
    assert "service shop (round_robin)" in lines
    assert len(simulate(file, "--every-second").stdout.splitlines()) == len(lines) + 1


def test_what_a_policy_is_good_for(file: Path) -> None:
    names = ["as it is", *(f"without {name}" for name in POLICIES[:-1]), "without all"]
    done = simulate(file, "--compare", "--json")
    told = json.loads(done.stdout)
    assert list(told) == names
    slow = {name: one["phases"][1] for name, one in told.items()}
    assert slow["as it is"]["p95"] < 1 < slow["without all"]["p95"]
    assert told["as it is"]["total"]["asked"] == told["without all"]["total"]["asked"]
    without = outcome(file, *(f"--without={name}" for name in POLICIES))
    assert without["phases"] == told["without all"]["phases"]
    rows = [
        line for line in simulate(file, "--compare").stdout.splitlines() if line.startswith("without all")
    ]
    assert len(rows) == 3
    assert simulate(file, "--compare", "--seeds", "2").exit_code == 2


def test_the_policies_are_those_that_are_known() -> None:
    assert POLICIES == KNOWN_POLICIES


def test_many_seeds(file: Path) -> None:
    assert simulate(file, "--seeds", "3").stdout.startswith("3 seeds, 0 of them broke a rule\n")
    told = outcome(file, "--seeds", "3", "--seed", "5")
    assert told["seeds"] == 3
    assert told["failed"] == []
    least, median, most = told["figures"]["ok"]
    assert least <= median <= most
    assert median in [outcome(file, "--seed", seed)["total"]["ok"] for seed in ("5", "6", "7")]


def test_a_rule_that_is_broken_says_which_seed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "close", lambda judge: judge._fault("the sky fell"))
    done = simulate(file, "--seeds", "2", "--seed", "41")
    assert done.exit_code == 1
    assert "2 seeds, 2 of them broke a rule" in done.stdout
    assert "the sky fell" in done.stderr
    assert (
        f"again: headgate simulate {file} --scenario {file.with_name('slow.yaml')} --seed 42" in done.stderr
    )
    done = simulate(file, "--seed", "42", "--json")
    assert done.exit_code == 1
    (fault,) = json.loads(done.stdout)["faults"]
    assert fault.endswith("the sky fell")


@pytest.mark.parametrize("name", built_in())
def test_the_scenarios_that_are_there(file: Path, name: str) -> None:
    done = simulate(file, scenario=name)
    assert done.exit_code == 0, done.output
    assert built_in()[name] in done.stdout
    assert f"{name} " in CliRunner().invoke(command, ["--list"]).stdout


def test_a_scenario_that_is_nowhere(file: Path) -> None:
    done = simulate(file, scenario="slow-hlf")
    assert done.exit_code == 2
    assert '"slow-hlf" is neither a file nor the name of a scenario' in done.stderr
    assert 'did you mean "slow-half"?' in done.stderr


BAD = {
    "durations: 4s": 'bad.yaml:1:1: error: durations: "durations" is not a key here',
    "duration: 4": '"4" has no unit',
    "events: [{ at: 1s, errors: 150% }]": 'bad.yaml:1:28: error: events[0].errors: "150%" is neither',
    "events: [{ at: 1s, errors: -1% }]": 'events[0].errors: "-1%" is neither off nor a share',
    "events: [{ at: 2s, until: 1s }]": "is over before it begins",
    "events: [{ at: 1s, endpoints: 127.0.0.1:9009 }]": '"127.0.0.1:9009" is not an endpoint of',
    "events: [{ at: 1s, endpoints: 0 }]": "is not a number of endpoints",
    "events: [{ at: 1s, service: shot }]": 'did you mean "shop"?',
    "events: [{ at: 1s, state: dwon }]": '"dwon" is not up, down, hangs or unreachable',
    "events: [{ errors: 5% }]": '"at" is missing',
    "events: [{ at: 1s, latency: x0 }]": "is not how many times as long",
    "endpoints: { latency: { p50: 1s, p99: 1ms } }": "has a p99 that is below its p50",
    "load: { rate: 10/s, clients: 3 }": "has a rate and clients",
    "load: { rate: 0/s }": "is not between 0 and 1000000 a second",
    "load: { requests: [{ path: shop }] }": "is not a path",
    "load: { arrival: often }": '"often" is not poisson or constant',
    "duration: [": "not YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_a_scenario_that_is_wrong(file: Path, text: str) -> None:
    assert BAD[text] in refused(file, text)


def test_a_file_that_is_wrong(file: Path) -> None:
    file.write_text(FILE.replace("attempts: 3", "attempts: three"))
    assert simulate(file).exit_code == 1
    file.unlink()
    assert simulate(file).exit_code == 2


def test_a_file_that_workers_refuse(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SnapshotRefused("snapshot 1: no memory for that")

    monkeypatch.setattr(Runtime, "prepare", refuse)
    done = simulate(file)
    assert done.exit_code == 1
    assert f"workers refuse {file}: snapshot 1: no memory for that" in done.stderr


def test_a_file_that_nothing_can_be_asked_of(file: Path) -> None:
    file.write_text('listeners: { web: { bind: ":80" } }\nroutes: [{ name: no, respond: { status: 204 } }]\n')
    assert "no route leads to a service" in refused(file, "duration: 1s")
