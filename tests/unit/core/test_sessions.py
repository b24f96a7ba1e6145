"""Sessions by an id of the application's: kept for those who come back, whatever floods in."""

from __future__ import annotations

import mmap
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import spec
from headgate.core.cells import Block, bytes_of
from headgate.core.learning import Learning, learned
from headgate.core.sessions import Bound, SessionTable
from headgate.core.shared import SharedTable
from headgate.core.stickiness import StickyWord
from unit.core.test_keys import head

NOW = 1_800_000_000
HOUR = 3600
SET = 256  # bytes


def table(sets: int) -> SessionTable:
    return SessionTable(memoryview(mmap.mmap(-1, sets * SET)))


def test_what_was_bound_is_found() -> None:
    sessions = table(16)
    assert sessions.find(5, NOW, HOUR) == 0
    assert sessions.bind(5, 77, NOW, HOUR) is Bound.BOUND_NEW
    assert sessions.find(5, NOW, HOUR) == 77
    assert sessions.bind(5, 88, NOW, HOUR) is Bound.BOUND_AGAIN
    assert sessions.find(5, NOW, HOUR) == 88
    assert sessions.find(6, NOW, HOUR) == 0


def test_a_session_lasts_as_long_as_it_is_used() -> None:
    sessions = table(16)
    sessions.bind(5, 77, NOW, HOUR)
    assert sessions.find(5, NOW + HOUR, HOUR) == 77
    assert sessions.find(5, NOW + 2 * HOUR, HOUR) == 77
    assert sessions.find(5, NOW + 3 * HOUR + 1, HOUR) == 0
    assert sessions.bind(5, 88, NOW + 3 * HOUR + 1, HOUR) is Bound.BOUND_NEW


def test_workers_have_one_table() -> None:
    memory = mmap.mmap(-1, 4 * SET)
    one, other = SessionTable(memoryview(memory)), SessionTable(memoryview(memory))
    one.bind(5, 77, NOW, HOUR)
    assert other.find(5, NOW, HOUR) == 77


def test_a_flood_of_new_ids_pushes_out_new_ones_only() -> None:
    sessions = table(1)
    for key in range(1, 6):
        sessions.bind(key, key, NOW, HOUR)
        assert sessions.find(key, NOW + 1, HOUR) == key
    outcomes = {sessions.bind(key, key, NOW + 2 + key // 100, HOUR) for key in range(100, 5000)}
    assert outcomes == {Bound.BOUND_NEW, Bound.BOUND_FOR_ANOTHER}
    assert [sessions.find(key, NOW + 60, HOUR) for key in range(1, 6)] == [1, 2, 3, 4, 5]
    assert sessions.find(4999, NOW + 60, HOUR) == 4999


def test_clients_that_are_there_keep_their_places() -> None:
    sessions = table(1)
    for key in range(1, 9):
        sessions.bind(key, key, NOW, HOUR)
        sessions.find(key, NOW + key, HOUR)
    assert sessions.bind(9, 9, NOW + 20, HOUR) is Bound.NOT_BOUND
    assert sessions.find(9, NOW + 20, HOUR) == 0
    # The one that was away longest makes way.
    for key in range(2, 9):
        sessions.find(key, NOW + 70, HOUR)
    assert sessions.bind(9, 9, NOW + 100, HOUR) is Bound.BOUND_FOR_ANOTHER
    assert [bool(sessions.find(key, NOW + 100, HOUR)) for key in range(1, 10)] == [False, *[True] * 8]


def test_what_is_over_makes_way_first() -> None:
    sessions = table(1)
    for key in range(1, 9):
        sessions.bind(key, key, NOW, 10 if key == 4 else HOUR)
    assert sessions.bind(9, 9, NOW + 11, HOUR) is Bound.BOUND_NEW
    assert [bool(sessions.find(key, NOW + 11, HOUR)) for key in range(1, 10)] == [
        key != 4 for key in range(1, 10)
    ]


def test_half_full_nearly_all_have_a_place() -> None:
    sessions = table(1024)
    draw = random.Random(3)
    keys = [draw.getrandbits(64) | 1 for _ in range(4096)]
    for key in keys:
        sessions.bind(key, 7, NOW, HOUR)
        sessions.find(key, NOW, HOUR)
    lost = sum(sessions.find(key, NOW, HOUR) == 0 for key in keys)
    assert lost < 4096 * 0.03


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 40), st.integers(1, 5), st.integers(0, 100)), max_size=200
    )
)
def test_nobody_gets_the_endpoint_of_another(steps: list[tuple[bool, int, int, int]]) -> None:
    sessions = table(2)
    known: dict[int, int] = {}
    now = NOW
    for binds, key, endpoint, seconds in steps:
        now += seconds
        if binds:
            if sessions.bind(key << 8, endpoint, now, 300) is not Bound.NOT_BOUND:
                known[key] = endpoint
        else:
            assert sessions.find(key << 8, now, 300) in (0, known.get(key, 0))


class Stage:
    """A service that learns, and what it counts."""

    def __init__(self) -> None:
        self.block = Block(memoryview(mmap.mmap(-1, bytes_of(1))), 0)
        cell = SharedTable(memoryview(mmap.mmap(-1, 16 * 256))).cell("service:a")
        self.rules = Learning(
            "a", spec.Sticky(by="learn", name="SID", lifetime=HOUR), cell, self.block, table(64)
        )

    def ask(self, cookie: str, answer: str, taken: int, now: float = NOW) -> int:
        """A request with this cookie, whose answer sets that one. Where the client belonged before."""
        request = head("/", f"Cookie: {cookie}")
        return learned(self.rules, request, head("/", f"Set-Cookie: {answer}"), taken, now)

    @property
    def counts(self) -> list[int]:
        return [self.block.read(word) for word in StickyWord]


def test_the_id_that_an_answer_sets_belongs_to_its_endpoint() -> None:
    stage = Stage()
    assert stage.ask("a=1", "SID=abc; Path=/; HttpOnly", 7) == 0
    assert stage.ask("a=1; SID=abc", "other=1", 7) == 7
    assert stage.ask("SID=abd", "other=1", 8) == 0
    assert stage.counts == [2, 1, 0, 0, 1, 0, 0]


def test_a_new_id_of_a_known_client() -> None:
    """As after a login. Both hold: a request with the old one may be on its way."""
    stage = Stage()
    stage.ask("a=1", "SID=abc", 7)
    stage.ask("SID=abc", "SID=def", 7)
    assert stage.ask("SID=def", "a=1", 7) == 7
    assert stage.ask("SID=abc", "a=1", 7) == 7


def test_the_id_of_a_lost_endpoint_belongs_to_the_next() -> None:
    stage = Stage()
    stage.ask("a=1", "SID=abc", 7)
    assert stage.ask("SID=abc", "a=1", 9) == 7
    assert stage.ask("SID=abc", "a=1", 9) == 9
    assert stage.counts == [1, 1, 1, 0, 1, 0, 0]


def test_ids_that_clients_make_up_are_not_learned() -> None:
    stage = Stage()
    for number in range(1000):
        stage.ask(f"SID=made-up-{number}", "a=1", 7)
    assert stage.ask("SID=made-up-999", "a=1", 7) == 0
    assert stage.counts == [1001, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("taken_back", ["SID=; Max-Age=0", "SID", "sid=abc", "XSID=abc", 'SID=""'])
def test_what_sets_no_id(taken_back: str) -> None:
    stage = Stage()
    stage.ask("a=1", taken_back, 7)
    assert stage.ask("SID=abc", "a=1", 7) == 0
    assert stage.block.read(StickyWord.STICKY_LEARNED) == 0


def test_the_last_of_several_cookies_holds() -> None:
    stage = Stage()
    response = head("/", "Set-Cookie: SID=one", "set-cookie: b=2; SID=no", "SET-COOKIE: SID=two; Path=/")
    learned(stage.rules, head(), response, 7, NOW)
    assert stage.ask("SID=two", "a=1", 7) == 7
    assert stage.ask("SID=one", "a=1", 7) == 0
    assert stage.ask("SID=no", "a=1", 7) == 0
