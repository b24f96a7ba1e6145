"""Rates that several machines keep together, in Redis or Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.middleware import option
from headgate.middleware.options import Duration, Secret

if TYPE_CHECKING:
    from headgate.middleware import Worker

MOST_AT_ONCE = 256  # decisions in one call
FIRST_PROBE, LONGEST_PROBE = 0.1, 5.0  # seconds between looks whether it is back
SCHEMES = ("redis://", "rediss://", "unix://")

# GCRA as core/rates.pyx has it, in microseconds of the server's clock since 2023, for which doubles will do.
# For each key: how long until it may happen (0: it may, and was counted), and until all has come back.
SCRIPT = """
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1000000 + time[2]
local interval, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = {}
for _, key in ipairs(KEYS) do
  local till = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local wait = till + interval - now - span
  if wait > 0.1 then
    found[#found + 1] = math.ceil(wait)
  else
    till = till + interval
    redis.call('SET', key, string.format('%.3f', till), 'PX', math.ceil((till - now) / 1000) + 1000)
    found[#found + 1] = 0
  end
  found[#found + 1] = math.ceil(till - now)
end
return found
"""


@dataclass(frozen=True, slots=True)
class Redis:
    """A Redis or Valkey that machines share. While it does not answer, each machine keeps the limit by
    itself.
    """

    url: Secret = option(
        "Where it is; with a password or without.", example="redis://redis.example.com:6379/0"
    )
    prefix: str = option("What names of its keys begin with.", "headgate")
    timeout: Duration = option("How long a request waits for it before the limit is kept here.", 0.05)


@dataclass(frozen=True, slots=True)
class Decision:
    """Nanoseconds until it may happen (0: now) and until everything has come back, and how many more could
    come.
    """

    wait: int
    reset: int
    remaining: int


class RedisRates:
    """One limit, on one connection of this worker. Decisions that come while a call is under way go together
    in the next. Raises ValueError when it cannot be used.
    """

    def __init__(self, options: Redis, name: str, rate: float, burst: int, worker: Worker) -> None:
        try:
            from redis.asyncio import Redis as Client
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ValueError("redis: the package redis is missing; install headgate[redis]") from None
        if not options.url.text.startswith(SCHEMES):
            raise ValueError(f"redis.url begins with none of {', '.join(SCHEMES)}")
        self._prefix = options.prefix
        self._timeout = options.timeout
        self._worker = worker
        self._interval = 1e6 / rate
        self._span = burst * self._interval
        self._salt = f"{name}\n{rate!r}\n{burst}\n".encode()
        # Tried twice at once: a connection that was idle may have ended, which is no Redis that is away.
        retry = Retry(NoBackoff(), 1)
        self._client: Any = Client.from_url(options.url.text, single_connection_client=True, retry=retry)
        self._script = self._client.register_script(SCRIPT)
        self._waiting: list[tuple[str, asyncio.Future[Decision | None]]] = []
        self._task: asyncio.Task[None] | None = None  # asks, or looks whether it is back
        # Whether it is worth asking.
        self.near = True

    async def take(self, key: str) -> Decision | None:
        """Take one; None when Redis does not answer."""
        if not self.near:  # it was lost since somebody looked
            return None
        future: asyncio.Future[Decision | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._name_of(key), future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    def _name_of(self, key: str) -> str:
        """Keys may be secrets of users: they are hashed, the same on all machines."""
        return f"{self._prefix}:{hashlib.blake2b(self._salt + key.encode(), digest_size=16).hexdigest()}"

    async def _run(self) -> None:
        """Ask as long as somebody waits."""
        try:
            while self._waiting:
                asking, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                self._answer(asking, await self._ask([name for name, _ in asking]))
        except Exception as error:  # noqa: BLE001 - whatever a library raises, requests go on
            self.near = False
            self._answer(asking + self._waiting, [])
            self._waiting = []
            self._worker.log("Redis does not answer (%s): the limit is kept here", _said(error), level=30)
            self._task = asyncio.create_task(self._look())
        else:
            self._task = None

    async def _ask(self, names: list[str]) -> list[Decision]:
        async with asyncio.timeout(self._timeout):
            found = await self._script(keys=names, args=[f"{self._interval:.6f}", f"{self._span:.6f}"])
        return [
            Decision(wait * 1000, reset * 1000, max(0, int((self._span - reset) / self._interval)))
            for wait, reset in zip(found[::2], found[1::2], strict=True)
        ]

    @staticmethod
    def _answer(asking: list[tuple[str, asyncio.Future[Decision | None]]], decisions: list[Decision]) -> None:
        for number, (_, future) in enumerate(asking):
            if not future.done():  # its exchange may be over
                future.set_result(decisions[number] if decisions else None)

    async def _look(self) -> None:
        """Wait until it is back."""
        pause = FIRST_PROBE
        while True:
            await self._disconnect()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PROBE)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(max(self._timeout, FIRST_PROBE)):
                    await self._client.ping()
                break
        self.near = True
        self._task = None
        self._worker.log("Redis answers again: the limit is shared")

    async def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            await self._client.connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._task is not None:
            self._task.cancel()
        with contextlib.suppress(Exception):
            await self._client.aclose()


def _said(error: Exception) -> str:
    """What an error says, without the address, in which a password may stand."""
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
