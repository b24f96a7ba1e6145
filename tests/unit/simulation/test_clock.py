"""Virtual time."""

from __future__ import annotations

import pytest

from headgate.simulation.clock import Clock, Stuck


def test_what_is_due_is_called_in_order_of_time_then_of_asking() -> None:
    clock, called = Clock(5.0), list[tuple[str, float]]()

    def note(name: str) -> None:
        called.append((name, clock.time()))
        if name == "first":
            clock.call_soon(note, "soon")

    for delay, name in ((2.0, "late"), (1.0, "first"), (1.0, "second"), (9.0, "never")):
        clock.call_later(delay, note, name)
    clock.run(10.0)
    assert called == [("first", 6.0), ("second", 6.0), ("soon", 6.0), ("late", 7.0)]
    assert clock.now == 10.0


def test_what_is_cancelled_is_not_called() -> None:
    clock, called = Clock(0.0), list[int]()
    timer = clock.call_later(1.0, called.append, 1)
    clock.call_later(0.5, timer.cancel)
    clock.call_at(-3.0, called.append, 2)
    clock.run(2.0)
    assert called == [2]


def test_time_that_does_not_go_on_is_an_error() -> None:
    clock = Clock(0.0)

    def again() -> None:
        clock.call_soon(again)

    again()
    with pytest.raises(Stuck, match="at one moment"):
        clock.run(1.0)
