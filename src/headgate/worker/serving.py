"""What a worker serves with: runtime, listening sockets and access records, changed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from headgate.proxy.runtime import Plan, Runtime, SnapshotRefused
from headgate.shm.region import Region
from headgate.spec import Endpoint, Snapshot
from headgate.worker.listening import Held, Listening, Served
from headgate.worker.records import Records, RecordsError

LOOK_SECONDS = 0.02  # how often it is looked whether draining is done


class Serving:
    """Builds a snapshot aside with `prepare`, swaps it in with `commit`, ends with `leave` and `close`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: logging.Logger, region: Region, worker: int
    ) -> None:
        self._loop = loop
        self._log = log
        self._runtime = Runtime(
            loop,
            region.slot(worker),
            region.shared,
            worker=worker,
            log=log,
            tickets=region.tickets,
            sessions=region.sessions,
            keys=region.keys,
        )
        self._listening = Listening(loop, self._runtime.listen)
        self._records = Records(loop)
        self._plan: Plan | None = None
        self._next: Snapshot | None = None
        self._held_back: dict[str, tuple[Endpoint, ...]] = {}
        self._leaving = False
        self._ready = True
        self.snapshot: Snapshot | None = None
        self._runtime.on_accept(self._accept)

    @property
    def active(self) -> int:
        """Exchanges and tunnels that run."""
        return self._runtime.active

    def prepare(self, snapshot: Snapshot) -> str:
        """Build `snapshot` aside. Returns why it cannot be served, or nothing."""
        self.abandon()
        try:
            self._plan = self._runtime.prepare(snapshot)
            self._records.prepare(snapshot.access_log)
        except (SnapshotRefused, RecordsError) as error:
            self.abandon()
            return str(error)
        except Exception as error:  # noqa: BLE001  a bug must refuse a snapshot, not end the worker
            self._log.exception("the snapshot cannot be built")
            self.abandon()
            return f"internal error: {error!r}"
        self._next = snapshot
        return ""

    def commit(self, served: Mapping[str, Served], sockets: Mapping[Held, int]) -> None:
        """Serve what was built, on these listeners; `sockets` are descriptors that come in addition."""
        assert self._plan is not None
        assert self._next is not None
        self._runtime.commit(self._plan)
        self.snapshot, self._plan, self._next = self._next, None, None
        self._runtime.set_sink(self._records.commit())
        self._runtime.set_ready(self._ready)
        self.replace({})
        if not self._leaving:
            self._listening.hold(sockets)
            self._listening.serve(served)
            self._listening.settle()

    def abandon(self) -> None:
        """Forget what was built."""
        self._plan = self._next = None
        self._records.abandon()
        self.replace({})

    def replace(self, services: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Give services new endpoints: now or, while a snapshot is built aside, on top of that one."""
        self._held_back |= services
        if self._plan is None and self.snapshot is not None:
            for service, endpoints in self._held_back.items():
                self._runtime.replace_endpoints(service, endpoints)
            self._held_back = {}

    def adopt(self, sockets: Mapping[Held, int]) -> None:
        """Listen for another slot too."""
        self._listening.hold(sockets)
        self._listening.settle()

    def release(self, slot: int) -> None:
        """Stop listening for another slot."""
        self._listening.release(slot)
        self._listening.settle()

    def _accept(self, accepting: bool) -> None:
        self._listening.accepting = accepting
        self._listening.settle()

    def unready(self) -> None:
        """Say on the listeners' health paths that no more should come here."""
        self._ready = False
        self._runtime.set_ready(False)

    async def leave(self, limit: float, on_closed: Callable[[], None]) -> None:
        """Accept nothing more, tell that by `on_closed`, and finish what runs, within `limit` seconds."""
        self._leaving = True
        deadline = self._loop.time() + limit
        self.unready()
        await self._listening.close()
        on_closed()
        self._runtime.drain()
        while self._runtime.connections and self._loop.time() < deadline:  # noqa: ASYNC110  it says no more
            await asyncio.sleep(LOOK_SECONDS)
        if self._runtime.active:
            self._log.warning("%d exchanges are cut by the drain limit of %g s", self._runtime.active, limit)

    def answer(self, what: str, of: str) -> list[dict[str, object]]:
        """What the controller asks all workers. Nothing about what this one does not know."""
        if what != "mirror_samples" or self.snapshot is None:
            return []
        return self._runtime.mirror_samples(of)

    def reopen(self) -> None:
        """The file of the access log was moved away."""
        self._records.reopen()

    async def close(self) -> None:
        """End everything now; access records are written first, within a limit."""
        await self._listening.close()
        self._runtime.abort()
        await self._records.close()
