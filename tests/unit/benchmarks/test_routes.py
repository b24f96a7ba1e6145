"""The mixed routes of the `routes` row."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from benchmarks.peers import PEERS, Setting
from benchmarks.routes import MISSES, SHARED_HOST, Mix
from headgate.config import load

if TYPE_CHECKING:
    from pathlib import Path


def test_mix_has_the_shape_that_it_promises() -> None:
    routes = Mix(5000).routes
    assert len(routes) == len({route.name for route in routes}) == 5000
    assert Counter(route.kind for route in routes) == {
        "prefix": 2500,
        "exact": 1000,
        "regex": 500,
        "header": 500,
        "method": 500,
    }
    assert sum(route.host == SHARED_HOST for route in routes) == pytest.approx(5000 / 3, rel=0.01)


def test_few_routes_have_one_of_each_kind() -> None:
    assert sorted(route.kind for route in Mix(5).routes) == ["exact", "header", "method", "prefix", "regex"]


@pytest.mark.parametrize("count", [5, 5000])
def test_traffic_has_the_same_mix_whatever_the_number_of_routes(count: int) -> None:
    mix = Mix(count)
    requests = mix.requests(4000)
    hosts = {route.host.replace("*", "www") for route in mix.routes}
    bases = {route.base for route in mix.routes}
    misses = [r for r in requests if r.host not in hosts or r.path.split("/")[1] not in bases]
    assert len(misses) / 4000 == pytest.approx(MISSES, abs=0.001)
    assert sum(r.method == "DELETE" for r in requests) / 4000 == pytest.approx(0.1, abs=0.001)
    assert sum(bool(r.headers) for r in requests) / 4000 == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize(("count", "expected"), [(0, 1), (5, 5), (5000, 5000)])
def test_headgate_accepts_what_the_benchmarks_write(
    count: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headgate = PEERS["headgate"]
    monkeypatch.setattr(headgate, "path", classmethod(lambda _: "headgate"))
    setting = Setting(port=8080, admin_port=9080, backend_port=9001, core=0, folder=tmp_path, routes=count)
    command = headgate(setting).configure()
    loaded = load(command[-1], environ={})
    assert [str(problem) for problem in loaded.problems] == []
    assert len(yaml.safe_load((tmp_path / "headgate.yaml").read_text())["routes"]) == expected
