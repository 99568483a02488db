"""What follows a lost answer, by what the integration declared; and how long to wait."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import Basis, Kind, WriteClass
from domain.recovery import DEATHS_ALONE, LOOKUPS, LookUp, Lost, SendAgain, ToPerson, after_lost_answer, backoff_seconds

A, B, C, D = WriteClass.A, WriteClass.B, WriteClass.C, WriteClass.D
ACK = Lost(Kind.ACKNOWLEDGEMENT, Basis.REPLY, D, resends=0, lookups=0, attempts=1, deaths_alone=0)
MESSAGE = replace(ACK, kind=Kind.MESSAGE, basis=Basis.PROACTIVE)
CALL = replace(ACK, kind=Kind.CALL, basis=Basis.SERVICE)
TASK = replace(ACK, kind=Kind.TASK, basis=Basis.INTERNAL)
EVERYTHING = [ACK, MESSAGE, CALL, TASK, replace(TASK, kind=Kind.TICKET), replace(TASK, kind=Kind.PAGE)]


def _after(lost: Lost, **facts: object) -> object:
    return after_lost_answer(replace(lost, **facts), max_attempts=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lost", "safe"), list(product(EVERYTHING, (A, B))))
def test_where_repeating_is_safe_it_is_repeated_a_few_times(lost: Lost, safe: WriteClass) -> None:
    for attempts in range(1, 5):
        remedy = _after(lost, write_class=safe, attempts=attempts)
        assert isinstance(remedy, SendAgain)
        assert not remedy.counts_as_resend
    assert isinstance(_after(lost, write_class=safe, attempts=5), ToPerson)


@pytest.mark.parametrize("lost", EVERYTHING)
def test_a_searchable_write_is_looked_up_twice_before_anything_else(lost: Lost) -> None:
    for lookups in (0, 1):
        assert _after(lost, write_class=C, lookups=lookups) == LookUp()
    assert _after(lost, write_class=C, lookups=2) != LookUp()


def test_what_two_searches_did_not_find_is_repeated_once_and_never_outward() -> None:
    for lost in EVERYTHING:
        remedy = _after(lost, write_class=C, lookups=LOOKUPS)
        if lost.basis is Basis.INTERNAL:
            assert isinstance(remedy, SendAgain)
            assert remedy.counts_as_resend
        else:
            assert isinstance(remedy, ToPerson)
        assert isinstance(_after(lost, write_class=C, lookups=LOOKUPS, resends=1), ToPerson)
        assert _after(lost, write_class=C, resends=1) == LookUp()


def test_where_nobody_can_tell_only_an_acknowledgement_is_resent_and_once() -> None:
    remedy = _after(ACK)
    assert isinstance(remedy, SendAgain)
    assert remedy.counts_as_resend
    assert isinstance(_after(ACK, resends=1), ToPerson)
    for lost in (MESSAGE, CALL, TASK, replace(ACK, basis=Basis.PROACTIVE), replace(MESSAGE, basis=Basis.REPLY)):
        assert isinstance(_after(lost), ToPerson)


@pytest.mark.parametrize(("lost", "write_class"), list(product(EVERYTHING, WriteClass)))
def test_what_killed_three_workers_alone_goes_to_a_person_whatever_its_class(
    lost: Lost, write_class: WriteClass
) -> None:
    assert isinstance(_after(lost, write_class=write_class, deaths_alone=DEATHS_ALONE), ToPerson)
    assert DEATHS_ALONE == 3


@given(
    lost=st.sampled_from(EVERYTHING),
    write_class=st.sampled_from(WriteClass),
    attempts=st.integers(1, 20),
)
def test_every_loss_comes_to_an_end(lost: Lost, write_class: WriteClass, attempts: int) -> None:
    """However often the answer is lost again: at most one unsafe repeat, and then a person."""
    lost = replace(lost, write_class=write_class, attempts=attempts)
    for _ in range(20):
        remedy = after_lost_answer(lost, max_attempts=5)
        if isinstance(remedy, ToPerson):
            assert remedy.reason
            assert lost.resends <= 1
            return
        if isinstance(remedy, LookUp):
            lost = replace(lost, lookups=lost.lookups + 1)
        else:
            resends = lost.resends + remedy.counts_as_resend
            assert remedy.counts_as_resend == (write_class in {C, D})
            lost = replace(lost, attempts=lost.attempts + 1, resends=resends, lookups=0)
    raise AssertionError("nobody is ever told")


@given(
    attempt=st.integers(-3, 10_000),
    first=st.floats(0.01, 60),
    longest=st.floats(60, 3600),
    jitter=st.floats(0, 1),
)
def test_waits_double_are_spread_and_bounded(attempt: int, first: float, longest: float, jitter: float) -> None:
    wait = backoff_seconds(attempt, first=first, longest=longest, jitter=jitter)
    assert first / 2 <= wait <= longest
    full = backoff_seconds(attempt, first=first, longest=longest, jitter=1)
    assert full / 2 <= wait <= full
    assert backoff_seconds(attempt + 1, first=first, longest=longest, jitter=1) <= full * 2


def test_the_first_waits_are_as_the_policy_says() -> None:
    waits = [backoff_seconds(attempt, first=2, longest=30, jitter=1) for attempt in range(1, 7)]
    assert waits == [2, 4, 8, 16, 30, 30]
