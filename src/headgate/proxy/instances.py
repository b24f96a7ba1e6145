"""Instances of middlewares in a worker: found again over reloads while what they are set to is equal."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from headgate.core.cells import Block, MiddlewareWord
from headgate.core.key_permits import KeyPermits
from headgate.core.rates import RateLimit, RateTable
from headgate.middleware.description import instance_of
from headgate.middleware.histogram import bucket_of
from headgate.middleware.resolution import MiddlewareMissing, class_of
from headgate.middleware.worker import Fetched, Worker
from headgate.proxy.chain import Chain, Step, attach_chains
from headgate.proxy.fetching import Fetcher
from headgate.proxy.watchdog import Watchdog
from headgate.shm.names import middleware_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headgate import spec
    from headgate.core.shared import SharedCell, SharedTable
    from headgate.proxy.context import Context
    from headgate.proxy.snapshot import LiveSnapshot
    from headgate.shm.region import KeyMemory

THREADS = 4


class LiveWorker(Worker):
    """The worker as one middleware of it sees it."""

    def __init__(self, instances: Instances, middleware: spec.Middleware) -> None:
        self._instances = instances
        self._name = middleware.name
        self._block = Block(instances.memory, middleware.metric)
        self._counters = {
            name: MiddlewareWord.MIDDLEWARE_OWN + number
            for number, (name, _) in enumerate(middleware.counters)
        }
        self._histograms = {
            name: MiddlewareWord.MIDDLEWARE_HISTOGRAMS + number * MiddlewareWord.MIDDLEWARE_HISTOGRAM_WORDS
            for number, (name, _) in enumerate(middleware.histograms)
        }

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float = 10.0,  # noqa: ASYNC109 - the exchange ends then, which is more than that nobody waits
        limit: int = 1 << 20,
    ) -> Fetched:
        """Ask for something through the pools of this worker."""
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        return await self._instances.fetcher.fetch(url, method, fields, body, timeout, limit)

    async def in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in one of a few threads."""
        call = functools.partial(function, *args, **kwargs)
        return await self._instances.loop.run_in_executor(self._instances.threads, call)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the counters that the class names. Raises KeyError for another."""
        self._block.increase(self._counters[name], by)

    def observe(self, name: str, value: float) -> None:
        """Put a value into one of the histograms that the class names. Raises KeyError for another."""
        first = self._histograms[name]
        self._block.increase(first, max(0, round(value * 1e6)))
        self._block.increase(first + 1 + bucket_of(value))

    def shared(self, key: str) -> SharedCell:
        """Words that all workers share."""
        return self._instances.shared.cell(middleware_cell(self._name, key))

    def rate_limit(self, rate: float, burst: int, what: str = "") -> RateLimit:
        """So many times a second for each key, in all workers together."""
        return self._instances.rates.limit(f"{self._name}\n{what}", rate, burst)

    def take_permit(self, key: str, limit: int) -> int:
        """1, 0 or -1, as `Worker` says."""
        workers = self._instances.context.snapshot.spec.process.workers
        return self._instances.permits.take(self._name, key, limit, workers)

    def give_permit(self, key: str) -> None:
        """What was taken is over."""
        self._instances.permits.give(self._name, key)

    def log(self, text: str, *args: object, level: int = 20) -> None:
        """Write to the log of Headgate."""
        message = text % args if args else text
        self._instances.context.log.log(level, "middleware %s: %s", self._name, message)


class Instances:
    """All of one worker. `memory`: its slot, with number `slot`; `shared` and `keys`: everybody's tables."""

    def __init__(
        self, context: Context, memory: memoryview, shared: SharedTable, keys: KeyMemory, slot: int
    ) -> None:
        self.context = context
        self.loop: asyncio.AbstractEventLoop = context.loop
        self.fetcher = Fetcher(context)
        self.memory = memory
        self.shared = shared
        self._keys = keys
        self._slot = slot
        self._steps: dict[str, Step] = {}
        self._chains: list[Chain] = []
        self._leaving: list[tuple[Step, list[Chain]]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._watchdog: Watchdog | None = None

    @functools.cached_property
    def rates(self) -> RateTable:
        """Limits of rates by key."""
        return RateTable(self._keys.rates, self._keys.seed)

    @functools.cached_property
    def permits(self) -> KeyPermits:
        """Permits by key."""
        return KeyPermits(self._keys.permits, self._keys.seed, self._slot)

    @functools.cached_property
    def threads(self) -> ThreadPoolExecutor:
        """A few threads for what would hold up the loop."""
        return ThreadPoolExecutor(THREADS, thread_name_prefix="middleware")

    def prepare(self, live: LiveSnapshot) -> tuple[dict[str, Step], list[Chain]]:
        """The instances of a snapshot, and its chains, attached. Raises ValueError with what is missing."""
        steps = {}
        for middleware in live.spec.middlewares:
            known = self._steps.get(middleware.name)
            steps[middleware.name] = (
                known if known is not None and known.spec == middleware else self._made(middleware)
            )
        return steps, attach_chains(live, steps)

    def _made(self, middleware: spec.Middleware) -> Step:
        try:
            kind = class_of(middleware.type, middleware.folder, middleware.edition)
            instance = instance_of(kind, middleware.name, middleware.options, LiveWorker(self, middleware))
            return Step(middleware, instance, self.memory)
        except (MiddlewareMissing, OSError) as error:
            raise ValueError(f"middleware {middleware.name}: {error}") from error
        except Exception as error:
            # It is other people's code: whatever it raises refuses the snapshot.
            raise ValueError(f"middleware {middleware.name}: {type(error).__name__}: {error}") from error

    def commit(self, steps: dict[str, Step], chains: list[Chain]) -> None:
        """These serve from now on; the others are closed when their exchanges are over."""
        gone = [step for name, step in self._steps.items() if steps.get(name) is not step]
        self._leaving += [(step, [chain for chain in self._chains if step in chain.steps]) for step in gone]
        self._steps, self._chains = steps, chains
        if steps and self._watchdog is None:
            self._watchdog = Watchdog(self.context)
        if self._watchdog is not None:
            self._watchdog.configure(self.context.snapshot.spec.process)

    def sweep(self) -> None:
        """Close those that nobody needs any more."""
        over = [step for step, chains in self._leaving if not any(chain.ways for chain in chains)]
        self._leaving = [(step, chains) for step, chains in self._leaving if step not in over]
        for step in over:
            task = self.loop.create_task(self._close(step))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self, step: Step) -> None:
        try:
            await step.middleware.close()
        except Exception:
            self.context.log.exception("middleware %s: close failed", step.name)

    def abort(self) -> None:
        """The worker ends."""
        if self._watchdog is not None:
            self._watchdog.stop()
        if "threads" in self.__dict__:
            self.threads.shutdown(wait=False, cancel_futures=True)
