"""The last look before a socket opens: which verdict, and which comes first when several hold."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import MORNING, NIGHT, NOON, POLICY, later

from domain.actions import Basis, Capability
from domain.customers import Customer
from domain.recheck import GO, Defer, Expire, Facts, Go, Replan, Skip, ToPerson, Verdict, recheck

ANNA = Customer("C-1", email="anna@example.com", phone="+48600000001", time_zone="Europe/Warsaw")
FREE = Facts(
    basis=Basis.PROACTIVE,
    capability=Capability.SMS,
    not_after=None,
    stale_after=None,
    changed=(),
    approved=True,
    customer=ANNA,
    suppressed=False,
    consent=True,
    contacts=(),
)

LADDER: list[tuple[str, dict[str, object], type[Verdict]]] = [
    ("erased", {"customer": replace(ANNA, erased=True)}, Skip),
    ("pointless", {"not_after": NIGHT}, Expire),
    ("suppressed", {"suppressed": True}, Skip),
    ("no consent", {"consent": False}, Skip),
    ("changed", {"changed": ("customer",)}, Replan),
    ("overdue", {"stale_after": NIGHT}, Replan),
    ("unapproved", {"approved": False}, Replan),
    ("locked", {"customer": replace(ANNA, tact_lock="case")}, ToPerson),
    ("night", {}, Defer),
]
"""At night, each with everything below it: the first one speaks."""


@pytest.mark.parametrize("rung", range(len(LADDER)), ids=[name for name, _, _ in LADDER])
def test_what_ends_an_action_comes_before_what_delays_it(rung: int) -> None:
    below: dict[str, object] = {}
    for _, facts, _ in reversed(LADDER[rung:]):
        below |= facts
    if LADDER[rung][0] == "erased":
        below["customer"] = replace(ANNA, erased=True, tact_lock="case")
    verdict = recheck(replace(FREE, **below), POLICY, now=NIGHT)  # type: ignore[arg-type]
    assert type(verdict) is LADDER[rung][2]
    alone = recheck(replace(FREE, **LADDER[rung][1]), POLICY, now=NIGHT)  # type: ignore[arg-type]
    assert alone == verdict


@pytest.mark.parametrize("rung", range(len(LADDER)), ids=[name for name, _, _ in LADDER])
def test_what_may_have_gone_out_already_ends_with_a_person(rung: int) -> None:
    _, facts, verdict = LADDER[rung]
    out = recheck(replace(FREE, may_be_out=True, **facts), POLICY, now=NIGHT)  # type: ignore[arg-type]
    assert type(out) is (ToPerson if verdict in {Skip, Expire} else verdict)


def test_with_nothing_against_it_it_goes() -> None:
    assert recheck(FREE, POLICY, now=NOON) is GO


def test_an_instant_after_which_it_is_pointless_is_already_too_late() -> None:
    assert isinstance(recheck(replace(FREE, not_after=NOON), POLICY, now=NOON), Expire)
    assert recheck(replace(FREE, not_after=NOON), POLICY, now=NOON - timedelta(microseconds=1)) is GO
    assert isinstance(recheck(replace(FREE, stale_after=NOON), POLICY, now=NOON), Replan)
    assert recheck(replace(FREE, stale_after=NOON), POLICY, now=NOON - timedelta(microseconds=1)) is GO


def test_reasons_are_for_people() -> None:
    def reason(**facts: object) -> str:
        verdict = recheck(replace(FREE, **facts), POLICY, now=NOON)  # type: ignore[arg-type]
        assert not isinstance(verdict, Go)
        return verdict.reason

    assert reason(not_after=NOON) == "pointless after 2026-03-04 11:00 UTC"
    assert reason(changed=("case", "customer")) == "changed since it was planned: case, customer"
    assert reason(customer=replace(ANNA, tact_lock="bereavement")) == "tact lock: bereavement"
    assert reason(contacts=(NOON, NOON)) == "frequency cap: 2 proactive contacts in 7 days"


def test_never_asked_is_never_yes() -> None:
    assert isinstance(recheck(replace(FREE, consent=None), POLICY, now=NOON), Skip)
    for basis in (Basis.REPLY, Basis.SERVICE, Basis.INTERNAL):
        assert recheck(replace(FREE, consent=None, basis=basis), POLICY, now=NOON) is GO


def test_the_night_ends_in_the_customers_zone_or_ours_when_unknown() -> None:
    assert recheck(FREE, POLICY, now=NIGHT) == Defer(MORNING, "quiet hours until 08:00 (Europe/Warsaw)")
    unknown = replace(FREE, customer=replace(ANNA, time_zone=None))
    assert recheck(unknown, POLICY, now=NIGHT) == recheck(FREE, POLICY, now=NIGHT)
    assert recheck(replace(FREE, customer=replace(ANNA, time_zone="Asia/Tokyo")), POLICY, now=NIGHT) is GO


@pytest.mark.parametrize(
    ("ages", "until"),
    [((), None), ((1,), None), ((1, 2), 5), ((6, 1), 1), ((6, 5, 1), 2), ((3, 3), 4)],
)
def test_the_cap_opens_when_enough_contacts_are_old(ages: tuple[int, ...], until: int | None) -> None:
    verdict = recheck(replace(FREE, contacts=tuple(later(days=-age) for age in ages)), POLICY, now=NOON)
    if until is None:
        assert verdict is GO
    else:
        assert verdict == Defer(later(days=until), "frequency cap: 2 proactive contacts in 7 days")


def test_what_is_for_nobody_is_not_held_by_anybodys_hours() -> None:
    nobody = replace(FREE, customer=None, basis=Basis.INTERNAL, capability=Capability.ALERT)
    assert recheck(nobody, POLICY, now=NIGHT) is GO


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=NOON.tzinfo))  # noqa: DTZ001


@settings(max_examples=150, deadline=None)
@given(
    basis=st.sampled_from(Basis),
    capability=st.sampled_from([Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.CRM]),
    zone=st.sampled_from(["Europe/Warsaw", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", None]),
    ages=st.lists(st.integers(0, 7 * 86_400 - 1), max_size=4),
    now=instants,
)
def test_what_is_deferred_goes_once_its_time_has_come(
    basis: Basis, capability: Capability, zone: str | None, ages: list[int], now: datetime
) -> None:
    """Never into the past, and never round in circles: a few deferrals later it goes."""
    contacts = tuple(now - timedelta(seconds=age) for age in ages)
    facts = replace(FREE, basis=basis, capability=capability, customer=replace(ANNA, time_zone=zone))
    for _ in range(4):
        window = now - timedelta(days=POLICY.contact.cap.days)
        verdict = recheck(replace(facts, contacts=tuple(at for at in contacts if at > window)), POLICY, now=now)
        if verdict is GO:
            return
        assert isinstance(verdict, Defer)
        assert verdict.until > now
        now = verdict.until
    raise AssertionError("it never goes")
