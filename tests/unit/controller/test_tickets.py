"""When the secret of session tickets changes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from headgate.controller.tickets import TicketRotation
from headgate.shm import region
from headgate.shm.tickets import last_rotation, ticket_secrets


@pytest.fixture
def view() -> Iterator[memoryview]:
    fd = region.create()
    yield region.Region(fd).tickets
    os.close(fd)


def test_it_rotates_in_time(view: memoryview) -> None:
    rotation = TicketRotation(view, lambda: 100.0)
    made = last_rotation(view)
    assert rotation.look(made) == 100
    assert rotation.look(made + 99) == 1
    assert ticket_secrets(view)[0] == 1
    assert rotation.look(made + 100) == 100
    assert ticket_secrets(view)[0] == 2
    assert last_rotation(view) == made + 100


def test_another_controller_goes_on_in_time(view: memoryview) -> None:
    made = last_rotation(view)
    TicketRotation(view, lambda: 100.0).look(made + 100)
    assert TicketRotation(view, lambda: 100.0).look(made + 150) == 50
    assert ticket_secrets(view)[0] == 2


def test_off(view: memoryview) -> None:
    rotation = TicketRotation(view, lambda: 0.0)
    assert rotation.look(last_rotation(view) + 1e9) > 0
    assert ticket_secrets(view)[0] == 1


def test_another_interval_counts_at_once(view: memoryview) -> None:
    interval = [1000.0]
    rotation = TicketRotation(view, lambda: interval[0])
    made = last_rotation(view)
    assert rotation.look(made + 500) == 500
    interval[0] = 400.0
    rotation.look(made + 500)
    assert ticket_secrets(view)[0] == 2


@pytest.mark.parametrize(("back", "counter"), [(50, 1), (1000, 2)])
def test_a_clock_that_is_set_back(view: memoryview, back: float, counter: int) -> None:
    """A little: it waits. So much that it would wait for ever: it rotates."""
    assert TicketRotation(view, lambda: 100.0).look(last_rotation(view) - back) > 0
    assert ticket_secrets(view)[0] == counter


def test_what_a_dead_controller_left_half_done_is_mended(view: memoryview) -> None:
    view[50] ^= 1
    TicketRotation(view, lambda: 100.0).look(1e9)
    assert len(ticket_secrets(view)[1]) == 3
