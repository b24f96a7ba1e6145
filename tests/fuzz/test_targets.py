"""The short form of the fuzz targets: seeds, and some thousand changes of them, always the same."""

from __future__ import annotations

from random import Random

import pytest

from fuzz.coverage import NoCoverage
from fuzz.engine import Engine
from fuzz.targets import TARGETS, Target

COUNTS = {"configuration": 150, "routing": 1500, "paths": 10000}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_target_holds(target: Target) -> None:
    engine = Engine(target, NoCoverage(), Random(2))
    engine.start()
    engine.run(count=COUNTS.get(target.name, 3000))
    assert engine.runs == len(target.seeds) + COUNTS.get(target.name, 3000)
