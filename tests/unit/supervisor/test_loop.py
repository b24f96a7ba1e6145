import os
import signal
import socket
from collections.abc import Iterator

import pytest

from headgate.supervisor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_timers_run_in_order_and_cancelled_ones_do_not(loop: Loop) -> None:
    ran: list[str] = []
    loop.later(0.02, lambda: ran.append("second"))
    loop.later(0.01, lambda: ran.append("first"))
    loop.later(0.0, lambda: ran.append("never")).cancel()
    loop.later(0.02, lambda: loop.stop(3))
    assert loop.run() == 3
    assert ran == ["first", "second"]


def test_a_signal_runs_its_callback(loop: Loop) -> None:
    seen: list[str] = []
    loop.on_signals({signal.SIGUSR1: lambda: seen.append("usr1"), signal.SIGUSR2: lambda: loop.stop(0)})
    loop.later(0.0, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    loop.later(0.01, lambda: os.kill(os.getpid(), signal.SIGUSR2))
    assert loop.run() == 0
    assert seen == ["usr1"]


def test_what_is_closed_by_another_callback_is_not_called(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called = []

    def read(number: int) -> None:
        called.append(number)
        for ours, _ in pairs:
            loop.unwatch(ours)
        loop.stop(0)

    for number, (ours, theirs) in enumerate(pairs):
        loop.watch(ours, lambda number=number: read(number))  # type: ignore[misc]
        theirs.send(b"x")
    loop.run()
    assert len(called) == 1
    for pair in pairs:
        for sock in pair:
            sock.close()


def test_writing_is_watched_only_when_asked_for(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    wrote = []

    def write() -> None:
        wrote.append(1)
        loop.watch(ours, lambda: None)
        loop.later(0.01, lambda: loop.stop(0))

    loop.watch(ours, lambda: None, write)
    loop.run()
    assert wrote == [1]
    loop.unwatch(ours)
    ours.close()
    theirs.close()


def test_a_number_that_was_opened_again_belongs_to_its_new_owner(loop: Loop) -> None:
    first, first_end = socket.socketpair()
    second, second_end = socket.socketpair()
    called: list[str] = []
    opened: list[socket.socket] = []

    def replace(name: str, other: socket.socket) -> None:
        """Close the other one and watch a new one under its number."""
        called.append(name)
        if opened:
            return
        number = other.fileno()
        loop.unwatch(other)
        other.close()
        opened.extend(socket.socketpair())
        assert opened[0].fileno() == number  # the lowest that is free
        loop.watch(opened[0], lambda: called.append("the new one"))
        loop.later(0.0, lambda: loop.stop(0))

    loop.watch(first, lambda: replace("first", second))
    loop.watch(second, lambda: replace("second", first))
    first_end.send(b"x")
    second_end.send(b"x")
    loop.run()
    for each in (first, first_end, second, second_end, *opened):
        each.close()
    assert called in (["first"], ["second"])
