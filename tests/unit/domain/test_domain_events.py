"""Events about one entitlement come to the same in every order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.entitlements import Entitlement, EntitlementKind, Money, Standing, occurrence_of
from domain.events import Told, is_news

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
FIRST = Entitlement("S-1", "C-1", EntitlementKind.SUBSCRIPTION, "Care", date(2026, 4, 1), "Europe/Warsaw", "2026-04-01")

_ends = st.dates(date(2026, 4, 1), date(2026, 4, 3))
entitlements = st.builds(
    lambda ends_on, **facts: replace(FIRST, ends_on=ends_on, occurrence=occurrence_of(ends_on), **facts),
    ends_on=_ends,
    standing=st.sampled_from(Standing),
    auto_renews=st.booleans(),
    value=st.sampled_from([None, Money(0, "EUR"), Money(0, "PLN")]),
    customer_ref=st.sampled_from(["C-1", "C-2"]),
)
tellings = st.builds(Told, entitlements, st.integers(0, 2).map(lambda hours: NOON + timedelta(hours=hours)))


def last(told: Sequence[Told]) -> Told | None:
    """What is believed after all of them, in this order."""
    known: Told | None = None
    for one in told:
        known = one if is_news(one, known) else known
    return known


@given(st.lists(tellings, min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_every_order_and_any_repeats_come_to_the_same(both: tuple[list[Told], list[Told]]) -> None:
    sent, came = both
    assert last(sent) == last(came) == last([*came, *sent])


@given(tellings, tellings)
def test_the_later_one_is_believed_and_nothing_twice(one: Told, other: Told) -> None:
    assert not is_news(one, one)
    if one.changed_at < other.changed_at:
        assert is_news(other, one)
        assert not is_news(one, other)


def test_of_one_instant_a_cancellation_is_believed_over_a_renewal() -> None:
    renewed = Told(replace(FIRST, ends_on=date(2027, 4, 1)), NOON)
    cancelled = Told(replace(FIRST, standing=Standing.CANCELLED), NOON)
    assert is_news(cancelled, renewed)
    assert not is_news(renewed, cancelled)


def test_the_first_one_is_news() -> None:
    assert is_news(Told(FIRST, NOON), None)
