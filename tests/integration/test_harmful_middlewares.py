"""Middlewares that harm the worker they run in: the others go on as if nothing were."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from support.asking import Client
from support.processes import gone, pid_of, ready, workers
from support.product import Product, proxying, until
from support.specimens import running

WORKERS = 3


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


def test_who_loops_for_ever_costs_its_own_worker_only() -> None:
    config = harmed("Loops", process={"hook_limit": "2s"})
    with running(config) as product, clients(product) as known, ThreadPoolExecutor(12) as threads:
        controller = pid_of(product, "ctl")
        victim, *others = workers(product)
        rounds = 0

        def others_answer() -> bool:
            """On their connections, while it is there."""
            nonlocal rounds
            assert [named(known[pid]) for pid in others] == others
            rounds += not gone(victim)
            return True

        known[victim].begin("/bad")
        blames = "on_request of specimens.Loops holds up the event loop"
        until(lambda: others_answer() and blames in product.log, "its name")
        late = [threads.submit(ask_late, product.port) for _ in range(12)]
        until(lambda: others_answer() and gone(victim), "its end")
        assert rounds >= 10, "they do not wait for it"
        ready(product)
        after = workers(product)
        assert after[1:] == others
        assert after[0] != victim
        assert {each.result() for each in late} <= set(after), "who came meanwhile waits, and is served"
        assert [named(known[pid]) for pid in others] == others, "no connection was lost"
        assert pid_of(product, "ctl") == controller
        assert product.metric("headgate_worker_restarts_total") == 1
        assert product.log.count("middleware harmful has held up the event loop for") == 1
        blocked = "headgate_middleware_blocked_total"
        assert product.shows(blocked, 1, middleware="harmful", hook="on_request")
