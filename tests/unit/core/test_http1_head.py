"""Faults of heads. What each is for stands in the corpus of tests/codec and in docs/differences.md."""

from __future__ import annotations

from codec.corpus import REQUESTS, RESPONSES
from codec.subjects import ClientConversation, ServerConversation
from headgate.core.events import Event, Violation
from headgate.core.http1_head import FAULTS


def reasons(events: list[Event]) -> set[tuple[int, str]]:
    return {(event.status, event.reason) for event in events if isinstance(event, Violation)}


def test_every_fault_has_a_sample() -> None:
    seen: set[tuple[int, str]] = set()
    for sample in REQUESTS:
        seen |= reasons(ServerConversation().receive(sample.data))
    for sample in RESPONSES:
        seen |= reasons(ClientConversation(sample.asked).receive(sample.data))
    assert set(FAULTS.values()) <= seen


def test_reasons_tell_faults_apart() -> None:
    assert len({reason for _, reason in FAULTS.values()}) == len(FAULTS)
