"""The breaker: opens after failures in a row or refused credentials, closes after a probe, probes grow rarer."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from ledger_world import NOON, later

from domain.breaker import Breaker, BreakerRules

RULES = BreakerRules(open_after_failures=3, probe_seconds=5, probe_longest_seconds=60)
CLOSED = Breaker(is_open=False, since=later(hours=-1))


def _sends(breaker: Breaker, successes: int = 0, failures: int = 0, at: float = 0) -> Breaker:
    return breaker.after_sends(
        successes=successes, failures=failures, reason="silent", now=later(seconds=at), rules=RULES
    )


def _probe(breaker: Breaker, *, ok: bool, at: float = 0) -> Breaker:
    return breaker.after_probe(ok=ok, reason="still silent", now=later(seconds=at), rules=RULES)


def test_failures_in_a_row_open_it() -> None:
    breaker = _sends(_sends(CLOSED, failures=1), failures=1)
    assert not breaker.is_open
    breaker = _sends(breaker, failures=1)
    assert (breaker.is_open, breaker.since, breaker.reason) == (True, NOON, "3 failures in a row: silent")
    assert breaker.next_probe_at == later(seconds=5)


def test_one_window_of_failures_opens_it() -> None:
    assert _sends(CLOSED, failures=32).is_open


def test_a_success_ends_the_row() -> None:
    breaker = _sends(_sends(CLOSED, failures=2), successes=1, failures=30)
    assert (breaker.is_open, breaker.failures) == (False, 0)
    assert not _sends(breaker, failures=2).is_open


def test_nothing_sent_changes_nothing() -> None:
    assert _sends(CLOSED) is CLOSED


def test_a_late_success_does_not_close_an_open_one() -> None:
    breaker = _sends(_sends(CLOSED, failures=3), successes=5)
    assert breaker.is_open


def test_further_failures_do_not_begin_it_anew() -> None:
    breaker = _sends(CLOSED, failures=3)
    again = _sends(breaker, failures=9, at=99)
    assert (again.since, again.next_probe_at, again.openings) == (breaker.since, breaker.next_probe_at, 1)


def test_refused_credentials_open_it_at_once_and_are_named() -> None:
    breaker = CLOSED.opened("renew TOKEN", now=NOON, rules=RULES)
    assert (breaker.is_open, breaker.reason) == (True, "renew TOKEN")
    renamed = _sends(CLOSED, failures=3).opened("renew TOKEN", now=later(seconds=9), rules=RULES)
    assert (renamed.since, renamed.reason) == (NOON, "renew TOKEN")


def test_a_good_probe_closes_it() -> None:
    breaker = _probe(_sends(CLOSED, failures=3), ok=True, at=5)
    assert (breaker.is_open, breaker.since, breaker.failures) == (False, later(seconds=5), 0)
    assert (breaker.reason, breaker.next_probe_at) == (None, None)


def test_a_bad_probe_of_an_open_one_waits_for_the_next() -> None:
    breaker = _probe(_sends(CLOSED, failures=3), ok=False, at=5)
    assert breaker.is_open
    assert breaker.reason == "still silent"
    assert breaker.next_probe_at is not None
    assert breaker.next_probe_at > later(seconds=5)


def test_bad_probes_of_a_closed_one_open_it_like_failures() -> None:
    breaker = CLOSED
    for _ in range(3):
        assert not breaker.is_open
        breaker = _probe(breaker, ok=False)
    assert breaker.is_open


def test_good_probes_of_a_closed_one_change_nothing() -> None:
    assert _probe(CLOSED, ok=True) is CLOSED


def test_probes_grow_rarer_while_it_flaps_and_never_too_rare() -> None:
    breaker, at, waits = CLOSED, 0.0, []
    for _ in range(6):
        breaker = _sends(breaker, failures=3, at=at)
        assert breaker.next_probe_at is not None
        waits.append((breaker.next_probe_at - later(seconds=at)).total_seconds())
        at += waits[-1]
        breaker = _sends(_probe(breaker, ok=True, at=at), successes=1, at=at + 1)
        at += 2
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_lasting_recovery_forgets_the_flapping() -> None:
    breaker = _probe(_sends(replace(CLOSED, openings=4), failures=3), ok=True, at=60)
    assert _sends(breaker, successes=1, at=119).openings == 5
    assert _sends(breaker, successes=1, at=120).openings == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30))
def test_an_open_breaker_always_has_its_next_probe(history: list[tuple[int, int, bool]]) -> None:
    """So that nothing is held back for ever."""
    breaker = CLOSED
    for at, (successes, failures, ok) in enumerate(history):
        breaker = _sends(breaker, successes, failures, at)
        if successes == failures:
            breaker = _probe(breaker, ok=ok, at=at)
        assert (breaker.next_probe_at is not None) == breaker.is_open
        assert (breaker.reason is not None) == breaker.is_open
        if breaker.next_probe_at is not None:
            assert breaker.next_probe_at <= later(seconds=at + RULES.probe_longest_seconds)
