from __future__ import annotations

import gc

import pytest

from headgate.core.events import Closing, Credit, Data, Event, EventKind, Reset, Tunnel, Violation


@pytest.mark.parametrize(
    ("event", "kind", "description"),
    [
        (Data(b"abc", stream=3, last=True), EventKind.DATA, ("Data", 3, b"abc", True)),
        (Tunnel(2), EventKind.TUNNEL, ("Tunnel", 2, False)),
        (Credit(10, 1), EventKind.CREDIT, ("Credit", 1, False)),
        (Reset("gone", 1), EventKind.RESET, ("Reset", 1, "gone")),
        (Closing(), EventKind.CLOSING, ("Closing", 0, False)),
        (Violation(400, "no", 5), EventKind.VIOLATION, ("Violation", 5, 400, "no")),
    ],
    ids=repr,
)
def test_events_describe_themselves(event: Event, kind: EventKind, description: tuple[object, ...]) -> None:
    assert event.kind == kind
    assert event.describe() == description
    assert repr(event) == repr(description)


def test_a_violation_ends_its_stream() -> None:
    assert Violation(400, "no").last
    assert not Reset("no").last


def test_data_keeps_its_bytes() -> None:
    event = Data(bytes(range(256)) * 100)
    gc.collect()
    assert event.payload == bytes(range(256)) * 100


def test_no_bytes_are_not_no_data() -> None:
    assert Data().payload == b""
    with pytest.raises(TypeError):
        Data(None)  # type: ignore[arg-type]
