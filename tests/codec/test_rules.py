"""The rules that every codec keeps (docs/guarantees.md): no exception for any input, the same events
whatever the split of the bytes, bounded memory, deterministic, silent after a violation.
"""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.corpus import Sample
from codec.mutations import mutated
from codec.subjects import SUBJECTS, Subject, converse, merge
from headgate.core.events import Event, Violation

PAIRS = [(subject, sample) for subject in SUBJECTS for sample in subject.samples]
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
every_sample = pytest.mark.parametrize(
    ("subject", "sample"), PAIRS, ids=[f"{subject}: {sample}" for subject, sample in PAIRS]
)


def cuts(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def test_the_corpus_is_large_and_names_are_unique() -> None:
    assert len(PAIRS) >= 120
    for subject in SUBJECTS:
        names = [sample.name for sample in subject.samples]
        assert len(names) == len(set(names))


@every_sample
def test_a_sample_comes_to_what_the_corpus_says(subject: Subject, sample: Sample) -> None:
    events = converse(subject, sample, [sample.data], ended=sample.ended)
    messages, status = read(events)
    assert messages == list(sample.messages)
    assert status == sample.status


def read(events: list[tuple[object, ...]]) -> tuple[list[tuple[str, bytes]], int]:
    """Complete messages, as the corpus names them, and the status of the violation behind them."""
    messages: list[tuple[str, bytes]] = []
    start, body, status = "", b"", 0
    for event in events:
        match event:
            case ("RequestHead", _, method, target, *_):
                start, body = f"{method} {target}", b""
            case ("ResponseHead", _, int(code), *_):
                start, body = str(code), b""
                if 100 <= code < 200 and code != 101:
                    messages.append((start, b""))
            case ("Data", _, bytes(payload), _):
                body = payload
            case ("Violation", _, int(status), _):
                pass
        if event[0] == "Trailers" or (event[0] in {"RequestHead", "ResponseHead", "Data"} and event[-1]):
            messages.append((start, body))
    return messages, status


def places(size: int) -> list[int]:
    """Where to cut: everywhere, but for what is long, where it matters."""
    if size < 4096:
        return list(range(1, size))
    return [*range(1, 64), *range(64, size, 997), size - 1]


@every_sample
def test_every_split_in_two_gives_the_same_events(subject: Subject, sample: Sample) -> None:
    whole = converse(subject, sample, [sample.data], ended=sample.ended)
    for place in places(len(sample.data)):
        pieces = [sample.data[:place], sample.data[place:]]
        assert converse(subject, sample, pieces, ended=sample.ended) == whole, place


@every_sample
def test_single_bytes_give_the_same_events(subject: Subject, sample: Sample) -> None:
    whole = converse(subject, sample, [sample.data], ended=sample.ended)
    size = 1 if len(sample.data) < 4096 else 61
    pieces = [sample.data[at : at + size] for at in range(0, len(sample.data), size)]
    assert converse(subject, sample, pieces, ended=sample.ended) == whole


@every_sample
def test_every_beginning_ends_in_one_event(subject: Subject, sample: Sample) -> None:
    """The connection ends at any byte: what was cut short is never presented as complete."""
    for size in range(min(len(sample.data), 512)):
        conversation = subject.begin(sample)
        events = merge(conversation.receive(sample.data[:size])) if size else []
        at_end = merge(conversation.receive(b""))
        over = bool(events) and events[-1][0] in {"Violation", "Closing"}
        assert len(at_end) == (0 if over else 1), (size, at_end)
        if not sample.ended:
            messages, _ = read(events + at_end)
            assert messages == list(sample.messages[: len(messages)]), size
        assert conversation.receive(b"x") == []
        assert conversation.receive(b"") == []


@every_subject
@given(data=st.data())
def test_any_split_of_any_mutation_gives_the_same_events(subject: Subject, data: st.DataObject) -> None:
    sample, stream = data.draw(mutated(subject.samples))
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    whole = converse(subject, sample, [stream], ended=True)
    assert converse(subject, sample, cuts(stream, places), ended=True) == whole
    assert converse(subject, sample, cuts(stream, places), ended=True) == whole, "not deterministic"


@every_subject
@given(pieces=st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_give_the_same_events_and_no_exception(subject: Subject, pieces: list[bytes]) -> None:
    sample = subject.samples[0]
    whole = converse(subject, sample, [b"".join(pieces)], ended=True)
    assert converse(subject, sample, pieces, ended=True) == whole


@every_sample
def test_nothing_comes_in_after_a_violation_and_the_output_drains(subject: Subject, sample: Sample) -> None:
    if not sample.status:
        return
    conversation = subject.begin(sample)
    events = conversation.receive(sample.data)
    assert isinstance(events[-1], Violation)
    for more in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0", b"HTTP/1.1 200 OK\r\n\r\n", b""):
        assert conversation.receive(more) == []
    assert conversation.codec.next() == []
    conversation.codec.output()
    assert conversation.codec.output() == b""


@every_subject
def test_two_conversations_do_not_mix(subject: Subject) -> None:
    """Heads are used again: what one conversation left in them never shows in another."""
    chance = random.Random(7)
    alone = {sample: converse(subject, sample, [sample.data], ended=True) for sample in subject.samples}
    for _ in range(200):
        pair = chance.choices(subject.samples, k=2)
        conversations = [subject.begin(sample) for sample in pair]
        events: list[list[Event]] = [[], []]
        for at in range(0, max(len(sample.data) for sample in pair), 37):
            for i, sample in enumerate(pair):
                if sample.data[at : at + 37]:
                    events[i] += conversations[i].receive(sample.data[at : at + 37])
        for i, sample in enumerate(pair):
            assert merge(events[i] + conversations[i].receive(b"")) == alone[sample]


@every_sample
def test_events_stay_readable_after_the_codec_is_gone(subject: Subject, sample: Sample) -> None:
    """What Python was given owns its bytes."""
    conversation = subject.begin(sample)
    events = conversation.receive(sample.data)
    described = [event.describe() for event in events]
    conversation.receive(b"x" * 100)
    del conversation
    assert [event.describe() for event in events] == described
