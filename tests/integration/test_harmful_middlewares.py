"""Middlewares that harm the worker they run in: the others go on as if nothing were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.asking import Answer, Client
from support.processes import gone, pid_of, ready, workers
from support.product import Product, proxying, until
from support.specimens import running

WORKERS = 3
MEMORY = 128 << 20  # bytes


def harmed(kind: str, **more: Any) -> dict[str, Any]:
    """A configuration whose route "bad" has a middleware that does harm; "good" says who answers."""
    return proxying(
        "127.0.0.1:1",
        process={"workers": WORKERS, "drain_timeout": "1s", **more.pop("process", {})},
        middlewares={"harmful": {"type": f"specimens:{kind}"}, "names": {"type": "specimens:Names"}},
        routes=[
            {"name": "bad", "match": {"path": "/bad"}, "middlewares": ["harmful"], "respond": {"body": "ok"}},
            {"name": "good", "match": {"path": "/good"}, "middlewares": ["names"], "service": "backend"},
        ],
        **more,
    )


def named(client: Client) -> int:
    """The process that answers."""
    answer = client.ask("/good")
    assert answer.status == 200, answer
    return int(answer.body)


@contextmanager
def clients(product: Product) -> Iterator[dict[int, Client]]:
    """A connection to each worker, by its process."""
    with ExitStack() as stack:
        found: dict[int, Client] = {}

        def all_found() -> bool:
            client = stack.enter_context(Client(product.port))
            found.setdefault(named(client), client)
            return len(found) == WORKERS

        until(all_found, "a connection to each worker")
        yield found


def ask_late(port: int) -> int:
    with Client(port) as client:
        return named(client)


class Witness:
    """Looks at what becomes of all workers while one is harmed, its first."""

    def __init__(self, product: Product, known: dict[int, Client]) -> None:
        self.product = product
        self._known = known
        self._controller = pid_of(product, "ctl")
        self.victim, *self.others = workers(product)
        self.rounds = 0  # of answers by all others while the victim was there

    def harm(self, path: str) -> None:
        """Ask the victim, and do not wait for its answer."""
        self._known[self.victim].begin(path)

    def ask_victim(self, path: str) -> Answer:
        return self._known[self.victim].ask(path)

    def others_answer(self) -> bool:
        """On the connections that they have."""
        assert [named(self._known[pid]) for pid in self.others] == self.others
        self.rounds += not gone(self.victim)
        return True

    def until(self, text: str) -> None:
        """Wait for something in the log; the others answer all the time."""
        until(lambda: self.others_answer() and text in self.product.log, text)

    def sees_one_replaced(self) -> None:
        """The others answer all the time, until the victim is gone; then another one serves instead of it."""
        until(lambda: self.others_answer() and gone(self.victim), "its end")
        until(lambda: len(workers(self.product)) == WORKERS, "the next one")
        ready(self.product)
        first, *others = workers(self.product)
        assert others == self.others
        assert first != self.victim
        assert self.others_answer(), "no connection was lost"
        assert pid_of(self.product, "ctl") == self._controller
        assert self.product.metric("headgate_worker_restarts_total") == 1

    def bytes_beyond(self, limit: int) -> int:
        """How much the victim has to take to have a little more than `limit` bytes."""
        pages = int(Path(f"/proc/{self.victim}/statm").read_text().split()[1])
        return limit - pages * os.sysconf("SC_PAGE_SIZE") + (8 << 20)


@contextmanager
def witnessed(config: dict[str, Any]) -> Iterator[Witness]:
    with running(config) as product, clients(product) as known:
        yield Witness(product, known)


def blocked(product: Product) -> float:
    return product.metric("headgate_middleware_blocked_total", middleware="harmful", hook="on_request")


def test_who_loops_for_ever_costs_its_own_worker_only() -> None:
    config = harmed("Loops", process={"hook_limit": "2s"})
    with witnessed(config) as witness, ThreadPoolExecutor(12) as threads:
        product = witness.product
        witness.harm("/bad")
        witness.until("on_request of specimens.Loops holds up the event loop")
        late = [threads.submit(ask_late, product.port) for _ in range(12)]
        witness.sees_one_replaced()
        assert witness.rounds >= 10, "they do not wait for it"
        assert {each.result() for each in late} <= set(workers(product)), "who came meanwhile is served"
        assert product.log.count("middleware harmful has held up the event loop for") == 1
        assert blocked(product) == 1


def test_who_eats_memory_has_its_worker_replaced_in_order() -> None:
    config = harmed("Eats", process={"memory_limit": f"{MEMORY}", "drain_timeout": "20s"})
    with witnessed(config) as witness, ThreadPoolExecutor(1) as threads:
        product = witness.product
        asked = threads.submit(witness.ask_victim, f"/bad?linger={witness.bytes_beyond(MEMORY)}")
        witness.sees_one_replaced()
        assert asked.result().status == 200, "what ran is finished"
        assert "worker 0 has" in product.log
        assert "more than the 128 MiB of process.memory_limit" in product.log
        assert "worker 0 ended with exit code 0" in product.log
        assert "this worker ends" not in product.log, "nobody had to end it"


def test_who_eats_memory_and_does_not_stop_costs_its_worker() -> None:
    config = harmed("Eats", process={"memory_limit": f"{MEMORY}", "hook_limit": "off"})
    with witnessed(config) as witness:
        witness.harm(f"/bad?hang={witness.bytes_beyond(MEMORY * 5 // 4)}")
        witness.sees_one_replaced()
        assert "middleware harmful holds up a worker with 1" in witness.product.log
        assert blocked(witness.product) == 1
