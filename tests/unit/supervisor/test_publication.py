from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.supervisor.publication import Phase, Publication


def phase(publication: Publication) -> Phase:
    """Where it is now, also for a type checker that remembers where it was."""
    return publication.phase


def test_all_prepare_then_all_commit() -> None:
    publication = Publication(1, [0, 1])
    publication.prepared(0)
    assert phase(publication) is Phase.PREPARING
    assert publication.waiting == {1}
    publication.committed(0)  # nobody asked for it yet
    publication.prepared(1)
    assert phase(publication) is Phase.COMMITTING
    publication.committed(1)
    publication.committed(0)
    assert phase(publication) is Phase.DONE
    assert publication.reasons == []


def test_without_members_it_is_decided() -> None:
    assert Publication(1, []).phase is Phase.DONE


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (lambda p: p.refused(1, "no such thing"), "worker 1 refused it: no such thing"),
        (
            lambda p: p.lost(1, "was killed by SIGKILL"),
            "worker 1 was killed by SIGKILL while it built the snapshot",
        ),
        (lambda p: p.expired(5.0), "no answer within 5 s from worker 1"),
        (lambda p: p.abandon("the controller died"), "the controller died"),
    ],
)
def test_one_failure_abandons(fail: Callable[[Publication], None], reason: str) -> None:
    publication = Publication(1, [0, 1])
    publication.prepared(0)
    fail(publication)
    assert phase(publication) is Phase.ABANDONED
    assert publication.reasons == [reason]
    publication.prepared(1)
    assert phase(publication) is Phase.ABANDONED


def test_a_loss_after_the_decision_changes_nothing() -> None:
    publication = Publication(1, [0, 1])
    publication.prepared(0)
    publication.prepared(1)
    publication.lost(1, "died")
    assert publication.members == {0}
    publication.abandon("too late")
    publication.refused(0, "too late")
    publication.committed(0)
    assert phase(publication) is Phase.DONE


def test_who_does_not_commit_in_time_is_named() -> None:
    publication = Publication(1, [0, 1])
    publication.prepared(0)
    publication.prepared(1)
    publication.committed(0)
    assert publication.expired(5.0) == {1}
    assert phase(publication) is Phase.DONE


class Publishing(RuleBasedStateMachine):
    """Whatever the workers answer in whatever order: decided once, and never half."""

    slots = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.publication = Publication(1, [0, 1, 2])
        self.ready: set[int] = set()
        self.decided = False

    @rule(slot=slots)
    def prepared(self, slot: int) -> None:
        if self.publication.phase is Phase.PREPARING:
            self.ready.add(slot)
        self.publication.prepared(slot)

    @rule(slot=slots)
    def committed(self, slot: int) -> None:
        self.publication.committed(slot)

    @rule(slot=slots)
    def lost(self, slot: int) -> None:
        self.publication.lost(slot, "died")

    @precondition(lambda self: len(self.ready) < 3)
    @rule(slot=slots)
    def refused(self, slot: int) -> None:
        self.publication.refused(slot, "no")

    @rule()
    def expired(self) -> None:
        self.publication.expired(1.0)

    @invariant()
    def a_decision_stands(self) -> None:
        phase = self.publication.phase
        committed = phase in (Phase.COMMITTING, Phase.DONE)
        assert committed or not self.decided
        assert not committed or self.ready >= {0, 1, 2}
        assert (phase is Phase.ABANDONED) == bool(self.publication.reasons)
        assert bool(self.publication.waiting) == (phase in (Phase.PREPARING, Phase.COMMITTING))
        self.decided = committed


TestPublishing = Publishing.TestCase
