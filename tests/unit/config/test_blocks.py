"""Blocks of metrics stay with their names over reloads."""

from __future__ import annotations

import pytest

from headgate.config import ConfigError
from headgate.config.blocks import assign_blocks
from headgate.shm.region import BLOCKS
from headgate.spec import Metrics


def test_numbers_begin_behind_the_workers_own_block() -> None:
    assert assign_blocks(["route:a", "route:b"]) == Metrics(blocks={"route:a": 1, "route:b": 2}, next=3)


def test_names_keep_their_blocks_and_retired_ones_are_not_given_away() -> None:
    first = assign_blocks(["route:a", "route:b"])
    second = assign_blocks(["route:b", "route:c"], first)
    assert second.blocks == {"route:a": 1, "route:b": 2, "route:c": 3}
    third = assign_blocks(["route:a", "route:c"], second)
    assert third.blocks["route:a"] == 1
    assert third.next == 4


def test_as_many_as_there_are() -> None:
    assert assign_blocks(f"route:{i}" for i in range(BLOCKS - 1)).next == BLOCKS


def test_full_by_too_many_names() -> None:
    with pytest.raises(ConfigError) as error:
        assign_blocks(f"route:{i}" for i in range(BLOCKS))
    assert str(error.value) == (
        "error: metrics need 65536 blocks for listeners, routes, services and endpoints; there are 65535\n"
        "    use fewer routes, services and endpoints in one Headgate"
    )


def test_full_by_retired_names() -> None:
    before = assign_blocks(f"route:{i}" for i in range(BLOCKS - 1))
    with pytest.raises(ConfigError) as error:
        assign_blocks(["route:0", "route:new"], before)
    assert str(error.value) == (
        "error: metrics need 65536 blocks for listeners, routes, services and endpoints; there are 65535\n"
        "    65534 of them belong to names that were removed since the start: restart Headgate to free them"
    )
