"""The last look before a socket opens: which verdict, and which comes first when several hold."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import MORNING, NIGHT, NOON, POLICY, later

from domain.actions import Basis, Capability
from domain.channels import Channel, Confidentiality
from domain.customers import Customer
from domain.gates import DataSet, Gate, GateVerdict
from domain.hours import ContactWindow
from domain.journeys import Standing
from domain.recheck import GO, LOOK_AGAIN, Defer, Enrolled, Expire, Facts, Go, Replan, Skip, ToPerson, Verdict, recheck

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
GATE = Gate(1, DataSet.ENTITLEMENTS, GateVerdict.PASS, is_events=False, last_passed_at=NOON)
CALL = replace(FREE, capability=Capability.VOICE, is_ending=True, gate=GATE)
AT_IT = Enrolled("journey/onboarding/C-1/1/guide", Standing.ACTIVE, None, is_its_turn=True, window=None)
STEP = replace(FREE, enrolled=AT_IT)
AFTERNOON = later(hours=4)
"""16:00 in Warsaw: when those are called who stated no hours."""

LADDER: list[tuple[str, dict[str, object], type[Verdict]]] = [
    ("erased", {"customer": replace(ANNA, erased=True)}, Skip),
    ("trouble again", {"asks_if_over": True, "customer": replace(ANNA, tact_lock="case")}, Skip),
    ("no task", {"has_no_task": True}, Skip),
    ("pointless", {"not_after": NIGHT}, Expire),
    ("suppressed", {"suppressed": True}, Skip),
    ("no consent", {"consent": False}, Skip),
    ("halted", {"gate": replace(GATE, verdict=GateVerdict.HALT)}, ToPerson),
    ("confidential", {"tells": Confidentiality.CONFIDENTIAL}, ToPerson),
    ("changed", {"changed": ("customer",)}, Replan),
    ("overdue", {"stale_after": NIGHT}, Replan),
    ("unapproved", {"approved": False}, Replan),
    ("stale", {"gate": replace(GATE, last_passed_at=NOON - timedelta(days=9))}, Defer),
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


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"customer": replace(ANNA, tact_lock="bereavement")}, "tact lock: bereavement"),
        ({"consent": False}, "no consent for this purpose on this channel"),
        ({"consent": None}, "no consent for this purpose on this channel"),
        ({"suppressed": True}, "the address is suppressed (bounce or complaint)"),
        ({"tells": Confidentiality.CONFIDENTIAL}, "it is confidential: too confidential for voice"),
    ],
)
def test_an_ending_that_must_not_be_called_about_is_planned_another_way(facts: dict[str, object], reason: str) -> None:
    """And never twice: what may have gone out already is for a person."""
    refused = replace(CALL, **facts)  # type: ignore[arg-type]
    assert recheck(refused, POLICY, now=AFTERNOON) == Replan(reason)
    assert isinstance(recheck(replace(refused, may_be_out=True), POLICY, now=AFTERNOON), ToPerson)


def test_only_what_takes_a_task_away_is_done_about_an_erased_customer() -> None:
    gone = replace(FREE, basis=Basis.INTERNAL, capability=Capability.CRM, customer=replace(ANNA, erased=True))
    assert recheck(gone, POLICY, now=NOON) == Skip("the customer was erased")
    assert recheck(replace(gone, is_closing=True), POLICY, now=NOON) is GO


def test_nothing_about_an_ending_goes_without_a_gate_that_let_its_data_through() -> None:
    """P20; what is about no ending needs none."""
    assert recheck(CALL, POLICY, now=AFTERNOON) is GO
    without = recheck(replace(CALL, gate=None), POLICY, now=AFTERNOON)
    assert without == ToPerson("the data it rests on came through no gate")
    halted = replace(GATE, verdict=GateVerdict.HALT)
    assert isinstance(recheck(replace(CALL, gate=halted), POLICY, now=AFTERNOON), ToPerson)
    warned = replace(GATE, verdict=GateVerdict.WARNINGS)
    assert recheck(replace(CALL, gate=warned), POLICY, now=AFTERNOON) is GO
    assert recheck(replace(CALL, is_ending=False, gate=None), POLICY, now=AFTERNOON) is GO


@pytest.mark.parametrize(("is_events", "hours", "feed"), [(False, 48, "imported"), (True, 720, "told by events")])
def test_stale_data_is_looked_at_again_later(is_events: bool, hours: int, feed: str) -> None:
    passed = AFTERNOON - timedelta(hours=hours)
    fresh = replace(CALL, gate=replace(GATE, is_events=is_events, last_passed_at=passed))
    assert recheck(fresh, POLICY, now=AFTERNOON) is GO
    stale = replace(fresh, gate=replace(GATE, is_events=is_events, last_passed_at=passed - timedelta(seconds=1)))
    held = recheck(stale, POLICY, now=AFTERNOON)
    assert isinstance(held, Defer)
    assert held.until == AFTERNOON + LOOK_AGAIN
    assert held.reason.startswith("stale: ")
    assert feed in held.reason


@pytest.mark.parametrize("tells", Confidentiality)
@pytest.mark.parametrize("capability", [Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH])
def test_words_go_by_channels_of_their_class_alone(capability: Capability, tells: Confidentiality) -> None:
    """Whatever else says yes."""
    verdict = recheck(replace(FREE, capability=capability, tells=tells), POLICY, now=NOON)
    goes = tells.rank <= POLICY.channels[Channel(capability.value)].carries.rank
    assert verdict == (GO if goes else ToPerson(f"it is {tells}: too confidential for {capability}"))


def test_colleagues_are_told_what_is_confidential_but_a_pager_is_not() -> None:
    told = replace(FREE, basis=Basis.INTERNAL, tells=Confidentiality.CONFIDENTIAL)
    assert recheck(replace(told, capability=Capability.CRM), POLICY, now=NOON) is GO
    assert recheck(replace(told, capability=Capability.TICKETING), POLICY, now=NOON) is GO
    assert isinstance(recheck(replace(told, capability=Capability.ALERT), POLICY, now=NOON), ToPerson)


def test_a_call_about_an_ending_keeps_the_tiers_hours_unless_the_customer_stated_their_own() -> None:
    assert recheck(CALL, POLICY, now=NOON) == Defer(AFTERNOON, "outside the contact window until 16:00 (Europe/Warsaw)")
    assert recheck(replace(CALL, is_ending=False), POLICY, now=NOON) is GO
    stated = replace(ANNA, window=ContactWindow(time(11), time(13)))
    assert recheck(replace(CALL, customer=stated), POLICY, now=NOON) is GO


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


LEFT = replace(AT_IT, standing=Standing.LEFT, why="they are no customer any more", is_its_turn=False)
THANKS = replace(AT_IT, standing=Standing.GOAL, why="goal.reached")


@pytest.mark.parametrize(
    ("enrolled", "verdict"),
    [
        (AT_IT, GO),
        (THANKS, GO),
        (LEFT, Skip("the journey is over: they are no customer any more")),
        (replace(LEFT, why=None, standing=Standing.FINISHED), Skip("the journey is over: finished")),
        (replace(THANKS, is_its_turn=False), Skip("the journey is over: goal.reached")),
        (replace(AT_IT, is_its_turn=False), Skip("the customer is at another step of the journey")),
    ],
)
def test_a_step_goes_when_it_is_its_turn(enrolled: Enrolled, verdict: Verdict) -> None:
    assert recheck(replace(FREE, enrolled=enrolled), POLICY, now=NOON) == verdict


def test_a_journeys_step_is_not_for_a_person_when_the_customer_is_silenced() -> None:
    locked = replace(ANNA, tact_lock="nps 0")
    step = replace(STEP, customer=locked)
    assert recheck(step, POLICY, now=NOON) == Skip("tact lock: nps 0")
    assert isinstance(recheck(replace(step, may_be_out=True), POLICY, now=NOON), ToPerson)
    assert isinstance(recheck(replace(FREE, customer=locked), POLICY, now=NOON), ToPerson)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ({"suppressed": True}, "the address is suppressed (bounce or complaint)"),
        ({"consent": False}, "no consent for this purpose on this channel"),
        ({"tells": Confidentiality.PERSONAL}, "it is personal: too confidential for sms"),
    ],
)
def test_a_journeys_step_looks_for_another_channel(fact: dict[str, object], why: str) -> None:
    assert recheck(replace(STEP, **fact), POLICY, now=NOON) == Replan(why)  # type: ignore[arg-type]
    assert isinstance(recheck(replace(STEP, may_be_out=True, **fact), POLICY, now=NOON), ToPerson)  # type: ignore[arg-type]


def test_steps_of_journeys_held_by_one_night_are_spread_over_the_morning() -> None:
    moments = set()
    for number in range(200):
        enrolled = replace(AT_IT, key=f"journey/onboarding/C-{number}/1/guide")
        verdict = recheck(replace(FREE, enrolled=enrolled), POLICY, now=NIGHT)
        assert isinstance(verdict, Defer)
        assert verdict == recheck(replace(FREE, enrolled=enrolled), POLICY, now=later(hours=15))  # the same night
        assert verdict.reason == "quiet hours until 08:00 (Europe/Warsaw)"
        assert MORNING <= verdict.until < MORNING + timedelta(minutes=60)
        assert recheck(replace(FREE, enrolled=enrolled), POLICY, now=verdict.until) is GO
        moments.add(verdict.until)
    assert len(moments) > 190


def test_a_journeys_hours_are_for_who_stated_none() -> None:
    evening = replace(STEP, enrolled=replace(AT_IT, window=ContactWindow(time(17), time(18))))
    verdict = recheck(evening, POLICY, now=NOON)
    assert isinstance(verdict, Defer)
    assert later(hours=5) <= verdict.until < later(hours=6)  # 17:00 to 18:00 in Warsaw
    stated = replace(ANNA, window=ContactWindow(time(11), time(13)))
    assert recheck(replace(evening, customer=stated), POLICY, now=NOON) is GO
