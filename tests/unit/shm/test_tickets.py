"""Secrets of session tickets in the shared memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from headgate.shm import region
from headgate.shm.region import Region
from headgate.shm.tickets import (
    RECORD_BYTES,
    SECRET_BYTES,
    SECRETS,
    TicketsTorn,
    last_rotation,
    rotate_tickets,
    ticket_secrets,
)


@pytest.fixture
def fd() -> Iterator[int]:
    fd = region.create()
    yield fd
    os.close(fd)


def test_a_new_region_has_secrets(fd: int) -> None:
    counter, secrets = ticket_secrets(Region(fd).tickets)
    assert counter == 1
    assert len(set(secrets)) == SECRETS
    assert {len(secret) for secret in secrets} == {SECRET_BYTES}


def test_regions_have_different_secrets(fd: int) -> None:
    other = region.create()
    try:
        assert not set(ticket_secrets(Region(fd).tickets)[1]) & set(ticket_secrets(Region(other).tickets)[1])
    finally:
        os.close(other)


def test_all_roles_see_a_rotation(fd: int) -> None:
    controller, worker = Region(fd).tickets, Region(fd).tickets
    _, before = ticket_secrets(worker)
    assert rotate_tickets(controller, 1_000.7) == 2
    counter, after = ticket_secrets(worker)
    assert counter == 2
    assert after[1:] == before[:-1]
    assert after[0] not in before
    assert last_rotation(worker) == 1_000.0


def test_a_secret_is_gone_after_as_many_rotations_as_there_are_places(fd: int) -> None:
    view = Region(fd).tickets
    _, first = ticket_secrets(view)
    for _ in range(SECRETS):
        rotate_tickets(view, 0)
    assert not set(first) & set(ticket_secrets(view)[1])
    assert first[0] not in bytes(view)


def test_readers_never_see_half_a_rotation(fd: int) -> None:
    """Each list follows from the one before: nothing is mixed."""
    seen: list[tuple[int, list[bytes]]] = []
    done = threading.Event()

    def read() -> None:
        view = Region(fd).tickets
        while not done.is_set():
            seen.append(ticket_secrets(view))

    reader = threading.Thread(target=read)
    reader.start()
    view = Region(fd).tickets
    history = {1: ticket_secrets(view)[1]}
    for _ in range(500):
        counter = rotate_tickets(view, 0)
        history[counter] = ticket_secrets(view)[1]
    done.set()
    reader.join()
    assert all(history[counter] == secrets for counter, secrets in seen)


def test_what_is_not_whole_is_refused_and_mended_by_the_next_rotation(fd: int) -> None:
    view = Region(fd).tickets
    view[40] ^= 1
    with pytest.raises(TicketsTorn, match="the secrets of session tickets are not whole"):
        ticket_secrets(view)
    assert rotate_tickets(view, 5) == 1
    assert len(ticket_secrets(view)[1]) == SECRETS


def test_the_record_fits_into_the_header() -> None:
    assert region.TICKETS_AT + RECORD_BYTES <= region.HEADER_BYTES
