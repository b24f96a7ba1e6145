"""Cells of shared state of what is served no more: they are given back, but not while anybody uses them."""

from __future__ import annotations

import time
from typing import cast

from headgate.controller.cells import GRACE_SECONDS, Cells
from headgate.core.cells import WorkerWord
from headgate.core.shared import SharedTable
from headgate.shm.names import endpoint_cell
from headgate.shm.region import Region
from headgate.spec import Address, Snapshot
from unit.proxy.stage import GET, OK, Stage, until

CELLS = 256
RELOADS = 3 * CELLS


class Memory:
    """The parts of a region that a stage has."""

    def __init__(self, stage: Stage) -> None:
        self.shared = memoryview(stage.shared)
        self._slot = memoryview(stage.memory)

    def slot(self, number: int) -> memoryview:
        assert number == 0
        return self._slot


def cells(stage: Stage) -> Cells:
    assert len(stage.shared) == CELLS * 256
    return Cells(cast(Region, Memory(stage)), lambda: 1)


def later() -> float:
    return time.monotonic() + GRACE_SECONDS + 1


async def reload(stage: Stage, cells: Cells, *, port: int) -> Snapshot:
    """Serve another endpoint, as the controller has it done."""
    snapshot = stage.snapshot(endpoints=(Address(host="127.0.0.1", port=port),))
    cells.expect(snapshot)
    stage.runtime.commit(stage.runtime.prepare(snapshot))
    cells.settle(snapshot)
    return snapshot


async def test_changing_names_do_not_fill_the_table() -> None:
    async with Stage() as stage:
        kept = cells(stage)
        given_back = 0
        for number in range(RELOADS):
            await reload(stage, kept, port=1000 + number)
            given_back += kept.sweep(later())
        assert given_back == RELOADS - 1


async def test_what_an_exchange_uses_is_kept_until_it_is_over() -> None:
    async with Stage() as stage:
        await stage.serve()
        kept = cells(stage)
        await reload(stage, kept, port=stage.backend.port)
        name = endpoint_cell("backend", f"127.0.0.1:{stage.backend.port}", stage.backend.address)
        cell = SharedTable(memoryview(stage.shared)).cell(name)
        cell.write(1, 42)
        client = await stage.client()
        await client.send(GET)
        end = await stage.backend.accept()
        await end.request()
        await reload(stage, kept, port=9)
        await until(lambda: stage.word(0, WorkerWord.WORKER_OLDEST), "the worker to say so")
        assert kept.sweep(later()) == 0
        assert cell.read(1) == 42
        await end.send(OK)
        assert (await client.response()).status == 200
        client.close()
        await stage.quiet()
        assert kept.sweep(time.monotonic()) == 0, "somebody may just be starting with it"
        await until(lambda: kept.sweep(later()), "its cell")
        assert cell.read(1) == 0
