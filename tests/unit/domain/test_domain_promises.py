"""Promises: kept, broken, excused, or not to be known yet."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_world import NOON, later

from domain.promises import Promise, PromiseState, Seen, settle

PROMISE = Promise(("standard", "r-1"), made_at=NOON, answer_by=later(minutes=60))
LOOKED = Seen(answered_at=None, looked_at=later(minutes=59), is_at_desk=True, is_erased=False)
TOLERANCE = timedelta(seconds=60)


def state(seen: Seen, minutes: float) -> PromiseState | None:
    end = settle(PROMISE, seen, tolerance=TOLERANCE, now=later(minutes=minutes))
    return None if end is None else end.state


@pytest.mark.parametrize(
    ("answered", "now", "end"),
    [
        (10, 20, PromiseState.KEPT),
        (60, 60, PromiseState.KEPT),
        (61, 61, PromiseState.KEPT),  # as exactly as the desk is looked at
        (62, 62, PromiseState.BROKEN),
        (-5, 30, None),  # an answer before it was promised is none
        (-5, 70, None),  # and nobody has looked since
        (None, 59, None),
        (None, 61, None),
    ],
)
def test_kept_is_an_answer_in_time(answered: float | None, now: float, end: PromiseState | None) -> None:
    at = None if answered is None else later(minutes=answered)
    assert state(replace(LOOKED, answered_at=at), now) is end


def test_broken_is_known_only_to_whoever_looked_afterwards() -> None:
    assert state(LOOKED, 300) is None
    assert state(replace(LOOKED, looked_at=None), 300) is None
    assert state(replace(LOOKED, looked_at=later(minutes=60.5)), 300) is PromiseState.BROKEN


def test_what_never_reached_the_desk_was_answered_by_nobody() -> None:
    away = replace(LOOKED, looked_at=None, is_at_desk=False)
    assert state(away, 61) is None
    assert state(away, 61.1) is PromiseState.BROKEN


def test_an_erased_customer_excuses_it() -> None:
    assert state(replace(LOOKED, is_erased=True), 0) is PromiseState.EXCUSED
