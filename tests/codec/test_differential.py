"""What we read, h11 and llhttp read as the same messages, but for differences that are explained.

And what we send on, each of them reads as exactly one message with the same body.
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.corpus import REQUESTS, RESPONSES, Sample
from codec.differences import WE_READ, WE_REFUSE, Difference, Refusal, differing
from codec.mutations import MORSELS, mutated
from codec.readers import (
    REQUEST_READERS,
    RESPONSE_READERS,
    our_requests,
    our_responses,
)
from codec.relay import relay_requests, relay_response
from fuzz.mutation import mutate
from support.readers import READERS

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a\r\n\r\n"
SHORT_REQUESTS = [sample for sample in REQUESTS if len(sample.data) < 4096]
SHORT_RESPONSES = [sample for sample in RESPONSES if len(sample.data) < 4096]


def compare_requests(data: bytes) -> dict[str, str]:
    """How each peer differs. A request behind the bytes shows where the message before it ended."""
    ours = our_requests(data)
    return {name: differing(ours, read(data), name) for name, read in REQUEST_READERS.items()}


def compare_responses(data: bytes, asked: bytes, *, ended: bool) -> dict[str, str]:
    ours = our_responses(data, asked, ended=ended)
    return {
        name: differing(ours, read(data, asked, ended=ended), name)
        for name, read in RESPONSE_READERS.items()
        if not (name == "llhttp" and asked == b"HEAD")  # httptools cannot be told
    }


@pytest.mark.parametrize("sample", REQUESTS, ids=str)
def test_requests_of_the_corpus(sample: Sample) -> None:
    compare_requests(sample.data)
    compare_requests(sample.data + SENTINEL)


@pytest.mark.parametrize("sample", RESPONSES, ids=str)
def test_responses_of_the_corpus(sample: Sample) -> None:
    compare_responses(sample.data, sample.asked, ended=False)
    compare_responses(sample.data, sample.asked, ended=True)


@given(mutation=mutated(SHORT_REQUESTS), sentinel=st.booleans())
def test_mutated_requests(mutation: tuple[Sample, bytes], sentinel: bool) -> None:
    compare_requests(mutation[1] + SENTINEL * sentinel)


@given(mutation=mutated(SHORT_RESPONSES), ended=st.booleans())
def test_mutated_responses(mutation: tuple[Sample, bytes], ended: bool) -> None:
    sample, data = mutation
    compare_responses(data, sample.asked, ended=ended)


def test_many_mutations() -> None:
    """More than Hypothesis has time for, always the same ones."""
    chance = Random(9112)
    requests, responses = [s.data for s in SHORT_REQUESTS], [s.data for s in SHORT_RESPONSES]
    for _ in range(8000):
        data = mutate(chance.choice(requests), requests, MORSELS, chance, 2048)
        compare_requests(data + SENTINEL)
        sample = chance.choice(SHORT_RESPONSES)
        data = mutate(sample.data, responses, MORSELS, chance, 2048)
        compare_responses(data, sample.asked, ended=True)


# The table.


@pytest.mark.parametrize(
    "difference", WE_READ, ids=lambda difference: f"{difference.name} {difference.peers}"
)
def test_each_difference_has_an_example(difference: Difference) -> None:
    shown = (
        compare_responses(difference.example, b"GET", ended=False)
        if difference.sides[0]
        else compare_requests(difference.example)
    )
    assert all(shown[peer] == difference.name for peer in difference.peers), shown


@pytest.mark.parametrize("refusal", WE_REFUSE, ids=lambda refusal: refusal.reason)
def test_each_refusal_has_an_example(refusal: Refusal) -> None:
    shown = (
        compare_responses(refusal.example, refusal.asked, ended=False)
        if refusal.asked
        else compare_requests(refusal.example)
    )
    assert all(shown[peer] == refusal.reason for peer in refusal.peers), shown


def test_the_document_lists_what_the_code_explains() -> None:
    text = DOCUMENT.read_text()
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    documented = {(name.strip(), frozenset(re.findall(r"h11|llhttp", peers))) for name, peers in rows}
    explained: dict[str, set[str]] = {}
    for name, peers in [(row.name, row.peers) for row in WE_READ] + [
        (row.reason, row.peers) for row in WE_REFUSE
    ]:
        explained.setdefault(name, set()).update(peers)
    assert {(name, frozenset(peers)) for name, peers in explained.items()} == {
        (name, peers) for name, peers in documented if peers
    }


# What is sent on.


def assert_one_message(data: bytes, body: bytes) -> None:
    """Every reader, strict or careless, sees one request that ends where the bytes end."""
    for name, read in READERS.items():
        reading = read(data)
        assert reading.ends == [len(data)], (name, reading, data)
        assert reading.bodies == [body], (name, reading, data)
        assert not reading.refused, (name, reading, data)


def relay_all(data: bytes) -> int:
    relayed = relay_requests(data)
    for message in relayed:
        assert_one_message(message.sent, message.body)
    return len(relayed)


@pytest.mark.parametrize("sample", REQUESTS, ids=str)
def test_relayed_requests_of_the_corpus(sample: Sample) -> None:
    expected = [message for message in sample.messages if not message[0].startswith("CONNECT")]
    assert relay_all(sample.data) == len(expected)


@given(mutation=mutated(SHORT_REQUESTS))
def test_relayed_requests_are_one_request_each(mutation: tuple[Sample, bytes]) -> None:
    relay_all(mutation[1])


def test_many_relayed_requests() -> None:
    chance = Random(9110)
    pool = [sample.data for sample in SHORT_REQUESTS if sample.messages]
    relayed = sum(relay_all(mutate(chance.choice(pool), pool, MORSELS, chance, 2048)) for _ in range(4000))
    assert relayed > 400, "hardly anything was valid"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@given(
    mutation=mutated([sample for sample in SHORT_RESPONSES if sample.asked != b"UPGRADE"]),
    ended=st.booleans(),
)
def test_relayed_responses_are_one_response_each(
    version: bytes,
    mutation: tuple[Sample, bytes],
    ended: bool,
) -> None:
    sample, data = mutation
    asked = sample.asked + b" / HTTP/" + version + b"\r\nHost: a\r\n\r\n"
    relayed = relay_response(data, asked, ended=ended)
    if relayed is None:
        return
    for name, read in RESPONSE_READERS.items():
        if name == "llhttp" and sample.asked == b"HEAD":
            continue
        reading = read(relayed.sent, sample.asked, ended=True)
        assert not reading.refused, (name, reading)
        assert reading.messages[-1].start == (str(relayed.head.status),), (name, reading)
        assert reading.messages[-1].body == relayed.body, (name, reading)
