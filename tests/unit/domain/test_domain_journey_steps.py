"""Steps of journeys: conditions, waits on the customer's own calendar, hours, channels, what follows."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import POLICY

from domain.actions import Basis, Capability
from domain.channels import Channel, ChannelRules, Confidentiality
from domain.contact import hours_hold
from domain.customers import Customer, Purpose, Tier
from domain.hours import ContactWindow, QuietHours
from domain.journey_steps import (
    Send,
    SkipStep,
    Traveller,
    decide,
    first_step,
    following,
    holds,
    pointless_at,
    rests_on,
    wait_over_at,
    words_of,
)
from domain.journeys import (
    END,
    After,
    Anchor,
    Branch,
    Condition,
    Entry,
    EventName,
    Happened,
    Journey,
    Seen,
    Step,
)

MAIL, SMS, PUSH, VOICE, PERSON = Channel.MAIL, Channel.SMS, Channel.PUSH, Channel.VOICE, Channel.PERSON
WARSAW = "Europe/Warsaw"
KEY = "journey/onboarding/C-1/1/guide"
NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
ALL_YES = dict.fromkeys(Channel, True)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def a_step(step_id: str = "guide", **facts: Any) -> Step:
    return Step(step_id, **{"message": "onboarding-guide", "by": (MAIL, SMS), **facts})


def a_journey(*steps: Step, **facts: Any) -> Journey:
    return Journey(
        "onboarding", 1, "new customers", Purpose.ONBOARDING, Entry(EventName.ACTIVATED), steps or (a_step(),), **facts
    )


def somebody(**facts: Any) -> Customer:
    known = {"email": "c@example.com", "phone": "+48600000000", "time_zone": WARSAW, "tier": Tier.CORE}
    return Customer("C-1", **{**known, **facts})


def a_traveller(customer: Customer | None = None, **facts: Any) -> Traveller:
    known = {"entered_at": NOON, "previous_at": NOON, "consents": ALL_YES}
    return Traveller(customer or somebody(), **{**known, **facts})


def done(event: EventName, name: str = "", times: int = 1, last: datetime = NOON) -> dict[Any, Happened]:
    return {(event, name): Happened(NOON - timedelta(days=90), last, times)}


def decided(
    step: Step, traveller: Traveller, *, due_at: datetime = NOON, now: datetime | None = None, **how: Any
) -> Any:
    journey = a_journey(step, **how)
    return decide(journey, step, traveller, POLICY, due_at=due_at, now=now or due_at, key=KEY)


USED = Seen(EventName.FEATURE_USED, "autopay")


@pytest.mark.parametrize(
    ("condition", "is_so"),
    [
        (Condition(), True),
        (Condition(seen=USED), True),
        (Condition(seen=replace(USED, named="cards")), False),
        (Condition(seen=replace(USED, named=None)), True),
        (Condition(seen=replace(USED, event=EventName.OPENED)), False),
        (Condition(seen=replace(USED, times=3)), True),
        (Condition(seen=replace(USED, times=4)), False),
        (Condition(seen=replace(USED, named=None, times=4)), True),  # three of one and one of another
        (Condition(seen=replace(USED, within_days=10)), True),
        (Condition(seen=replace(USED, within_days=9)), False),
        (Condition(tier=frozenset({Tier.CORE, Tier.VIP})), True),
        (Condition(tier=frozenset({Tier.VIP})), False),
        (Condition(language=frozenset({"cs"})), True),
        (Condition(language=frozenset({"pl"})), False),
        (Condition(all=(Condition(seen=USED), Condition(language=frozenset({"pl"})))), False),
        (Condition(any=(Condition(seen=USED), Condition(language=frozenset({"pl"})))), True),
        (Condition(any=(Condition(language=frozenset({"pl"})),)), False),
        (Condition(none=(Condition(language=frozenset({"pl"})), Condition(seen=USED))), False),
        (Condition(none=(Condition(language=frozenset({"pl"})),)), True),
        (Condition(seen=USED, tier=frozenset({Tier.VIP})), False),
    ],
)
def test_what_holds_of_a_customer(condition: Condition, is_so: bool) -> None:
    behaviour = done(EventName.FEATURE_USED, "autopay", times=3, last=NOON - timedelta(days=10))
    behaviour |= done(EventName.FEATURE_USED, "export", last=NOON - timedelta(days=20))
    traveller = a_traveller(somebody(language="cs-CZ"), behaviour=behaviour)
    assert holds(condition, traveller, now=NOON) is is_so


@pytest.mark.parametrize(
    ("step", "rests"),
    [
        (a_step(), False),
        (a_step(skip_when=Condition(seen=USED)), True),
        (a_step(when=Condition(none=(Condition(any=(Condition(seen=replace(USED, named=None)),)),))), True),
        (a_step(skip_when=Condition(seen=replace(USED, named="cards"))), False),
        (a_step(skip_when=Condition(seen=replace(USED, event=EventName.OPENED))), False),
    ],
)
def test_what_a_step_rests_on(step: Step, rests: bool) -> None:
    assert rests_on(step, EventName.FEATURE_USED, "autopay") is rests


def test_an_unknown_language_is_none_of_those_named() -> None:
    assert not holds(Condition(language=frozenset({"pl", "cs", "en"})), a_traveller(), now=NOON)


def test_conditions_in_words() -> None:
    condition = Condition(
        seen=Seen(EventName.FEATURE_USED, "autopay", times=2, within_days=7),
        tier=frozenset({Tier.VIP, Tier.CORE}),
        none=(Condition(language=frozenset({"pl"}), tier=frozenset({Tier.BASIC})),),
    )
    assert words_of(condition) == (
        "has done feature.used (autopay), at least 2 times, the last within 7 days, and tier is core or vip, "
        "and not: (tier is basic, and language is pl)"
    )
    assert words_of(Condition()) == "everybody"


@pytest.mark.parametrize(
    ("after", "place", "counted_from", "over"),
    [
        (After(), WARSAW, "2026-03-04T12:00+01:00", "2026-03-04T12:00+01:00"),
        (After(hours=24), WARSAW, "2026-03-28T12:00+01:00", "2026-03-29T13:00+02:00"),  # hours are the clock's
        (After(days=1), WARSAW, "2026-03-28T12:00+01:00", "2026-03-29T12:00+02:00"),  # days are the calendar's
        (After(days=1), WARSAW, "2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"),  # 2:30 is leapt over
        (After(days=1), WARSAW, "2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00"),  # twice: the first
        (After(days=1), "Europe/Prague", "2026-10-24T12:00+02:00", "2026-10-25T12:00+01:00"),
        (After(days=1), "Australia/Lord_Howe", "2026-10-03T02:10+10:30", "2026-10-04T02:30+11:00"),
        (After(days=1), "Australia/Lord_Howe", "2026-10-03T12:00+10:30", "2026-10-04T12:00+11:00"),
        (After(days=1), "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00"),  # there is no 30 December
        (After(days=2), "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00"),
        (After(days=1), "Africa/Casablanca", "2026-02-14T12:00+01:00", "2026-02-15T12:00+00:00"),  # Ramadan begins
        (After(days=2, hours=3, minutes=5), WARSAW, "2026-03-04T12:00+01:00", "2026-03-06T15:05+01:00"),
        (After(days=1, at=time(9)), WARSAW, "2026-03-04T07:00+01:00", "2026-03-05T09:00+01:00"),
        (After(days=1, at=time(9)), WARSAW, "2026-03-04T09:00:05+01:00", "2026-03-05T09:00+01:00"),  # no day is lost
        (After(hours=2, at=time(9)), WARSAW, "2026-03-04T12:00+01:00", "2026-03-05T09:00+01:00"),  # never before
        (After(hours=2, at=time(15)), WARSAW, "2026-03-04T12:00+01:00", "2026-03-04T15:00+01:00"),
        (After(days=1, hours=2, at=time(9)), WARSAW, "2026-03-04T12:00+01:00", "2026-03-06T09:00+01:00"),
        (After(days=1, at=time(2, 30)), WARSAW, "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        (After(days=1, at=time(10)), "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T10:00+14:00"),
        (After(at=time(2, 30)), WARSAW, "2026-03-29T00:30+01:00", "2026-03-29T03:00+02:00"),
    ],
)
def test_a_wait_is_over_at_this_instant(after: After, place: str, counted_from: str, over: str) -> None:
    traveller = a_traveller(somebody(time_zone=place), previous_at=at(counted_from))
    assert wait_over_at(a_step(after=after), traveller, default_time_zone="UTC") == at(over)


def test_who_lives_nowhere_we_know_of_lives_in_the_default_zone() -> None:
    traveller = a_traveller(somebody(time_zone=None), previous_at=at("2026-03-28T12:00+01:00"))
    step = a_step(after=After(days=1))
    assert wait_over_at(step, traveller, default_time_zone=WARSAW) == at("2026-03-29T12:00+02:00")
    assert wait_over_at(step, traveller, default_time_zone="UTC") == at("2026-03-29T11:00+00:00")


def test_a_wait_from_the_entry_waits_for_the_step_before_too() -> None:
    step = a_step(after=After(Anchor.ENTRY, days=3))
    soon = a_traveller(previous_at=NOON + timedelta(days=1))
    late = a_traveller(previous_at=NOON + timedelta(days=5))
    assert wait_over_at(step, soon, default_time_zone=WARSAW) == NOON + timedelta(days=3)
    assert wait_over_at(step, late, default_time_zone=WARSAW) == NOON + timedelta(days=5)


def test_a_wait_counts_from_an_ending_on_the_endings_own_calendar() -> None:
    step = a_step(after=After(Anchor.ENDING, days=-3, at=time(10)))
    ends: dict[str, Any] = {"next_ending": date(2026, 3, 30)}
    assert wait_over_at(step, a_traveller(**ends), default_time_zone="UTC") == at("2026-03-27T10:00+01:00")
    over_the_leap = a_step(after=After(Anchor.ENDING, hours=-24))
    assert wait_over_at(over_the_leap, a_traveller(**ends), default_time_zone="UTC") == at("2026-03-28T23:00+01:00")
    tokyo = a_traveller(**ends, ending_zone="Asia/Tokyo")
    assert wait_over_at(over_the_leap, tokyo, default_time_zone="UTC") == at("2026-03-29T00:00+09:00")
    assert wait_over_at(step, a_traveller(), default_time_zone="UTC") is None


ODD_ZONES = [WARSAW, "Europe/Prague", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"]
seconds_after = st.integers(0, 365 * 86_400)
instants = st.sampled_from([at("2011-12-01T00:00Z"), at("2026-01-01T00:00Z")]).flatmap(
    lambda first: seconds_after.map(lambda seconds: first + timedelta(seconds=seconds))
)


@given(instants, st.sampled_from(ODD_ZONES), st.times(), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_daily_steps_come_once_a_date_that_there_is(start: datetime, place: str, wall: time, days: int) -> None:
    """P26: steps a day apart at one hour are on dates that follow each other, whatever clocks do."""
    zone = ZoneInfo(place)
    wall = wall.replace(second=0, microsecond=0)
    traveller = a_traveller(somebody(time_zone=place), previous_at=start)
    begun = wait_over_at(a_step(after=After(days=days, at=wall)), traveller, default_time_zone="UTC")
    dates = []
    for _ in range(40):
        assert begun is not None
        dates.append(begun.astimezone(zone).date())
        begun = wait_over_at(
            a_step(after=After(days=1, at=wall)), replace(traveller, previous_at=begun), default_time_zone="UTC"
        )
    lost = date(2011, 12, 30) if place == "Pacific/Apia" else None
    expected = [dates[0] + timedelta(days=number) for number in range(42)]
    assert dates == [it for it in expected if it != lost][:40]


def test_what_follows() -> None:
    fork = Step("fork", branch=(Branch("b", Condition(seen=USED)), Branch(END, Condition(tier=frozenset({Tier.VIP})))))
    a, thanks = a_step("a", then="c"), a_step("thanks")
    b, c = a_step("b"), a_step("c")
    journey = a_journey(fork, a, thanks, b, c, at_goal="thanks")
    used = a_traveller(behaviour=done(EventName.FEATURE_USED, "autopay"))
    vip = a_traveller(somebody(tier=Tier.VIP))
    assert first_step(journey) is fork
    assert following(journey, fork, used, now=NOON) is b
    assert following(journey, fork, vip, now=NOON) is None
    assert following(journey, fork, a_traveller(), now=NOON) is a  # nobody's branch: on in the file
    assert following(journey, a, vip, now=NOON) is c
    assert following(journey, c, vip, now=NOON) is None
    assert following(a_journey(c, thanks, at_goal="thanks"), c, vip, now=NOON) is None  # not reached: no thanks
    assert following(journey, thanks, vip, now=NOON) is None
    with pytest.raises(LookupError, match="no step nowhere"):
        following(journey, a_step("a", then="nowhere"), vip, now=NOON)


def test_a_step_goes_at_its_time() -> None:
    assert decided(a_step(), a_traveller(), due_at=NOON, now=NOON - timedelta(minutes=10)) == Send(MAIL, NOON)
    assert decided(a_step(), a_traveller(), due_at=NOON, now=NOON + timedelta(minutes=29)) == Send(MAIL, NOON)


def test_what_the_night_held_is_spread_from_the_morning() -> None:
    night = at("2026-03-04T23:00+01:00")
    send = decided(a_step(), a_traveller(), due_at=night)
    assert at("2026-03-05T08:00+01:00") < send.due_at < at("2026-03-05T09:00+01:00")
    assert send.reason == "quiet hours until 08:00 (Europe/Warsaw)"
    assert decided(a_step(), a_traveller(), due_at=night, now=night - timedelta(minutes=15)) == send


def test_hours_are_the_customers_else_the_journeys() -> None:
    journeys = ContactWindow(time(14), time(14, 30))
    send = decided(a_step(), a_traveller(), window=journeys)
    assert at("2026-03-04T14:00+01:00") <= send.due_at < at("2026-03-04T14:30+01:00")
    stated = a_traveller(somebody(window=ContactWindow(time(17), time(18))))
    send = decided(a_step(), stated, window=journeys)
    assert at("2026-03-04T17:00+01:00") <= send.due_at < at("2026-03-04T18:00+01:00")


def test_what_an_outage_held_is_spread_from_now() -> None:
    now = NOON + timedelta(hours=3)
    send = decided(a_step(), a_traveller(), due_at=NOON, now=now)
    assert now < send.due_at < now + timedelta(hours=1)
    assert send.reason == "late: it was due 2026-03-04 11:00 UTC"


def test_a_colleagues_task_minds_no_hour_and_no_consent() -> None:
    night = at("2026-03-04T23:00+01:00")
    step = a_step(message=None, ask="see how they get on", by=())
    assert decided(step, a_traveller(consents={}), due_at=night) == Send(PERSON, night)


@pytest.mark.parametrize(
    ("step", "traveller", "reason"),
    [
        (a_step(), a_traveller(somebody(erased=True)), "the customer was erased"),
        (a_step(), a_traveller(somebody(tact_lock="bereavement")), "tact lock: bereavement"),
        (
            a_step(skip_when=Condition(seen=USED)),
            a_traveller(behaviour=done(EventName.FEATURE_USED, "autopay")),
            "not needed any more: has done feature.used (autopay)",
        ),
        (a_step(when=Condition(tier=frozenset({Tier.VIP}))), a_traveller(), "only for: tier is vip"),
        (
            a_step(),
            a_traveller(somebody(email=None), consents={SMS: False}),
            "mail: no mail address on file; sms: no consent to onboarding",
        ),
        (
            a_step(by=(MAIL, PUSH)),
            a_traveller(suppressed={Capability.MAIL}),
            "mail: the address is suppressed (bounce or complaint); push: no device on file",
        ),
        (
            a_step(by=(SMS,), confidentiality=Confidentiality.PERSONAL),
            a_traveller(),
            "sms: it is personal, and this channel carries open at most",
        ),
        (
            a_step(by=(PERSON,), message=None, ask="call them"),
            a_traveller(somebody(tier=Tier.BASIC)),
            "person: dearer than a step may be for tier basic",
        ),
    ],
)
def test_why_a_step_is_left_out(step: Step, traveller: Traveller, reason: str) -> None:
    assert decided(step, traveller) == SkipStep(reason)


def test_conditions_are_asked_of_when_a_step_is_due_not_of_when_it_is_planned() -> None:
    """It is planned a quarter of an hour before: what was done ten days ago then is longer ago when it is due."""
    step = a_step(skip_when=Condition(seen=replace(USED, within_days=10)))
    traveller = a_traveller(behaviour=done(EventName.FEATURE_USED, "autopay", last=NOON - timedelta(days=10)))
    assert isinstance(decided(step, traveller, due_at=NOON, now=NOON - timedelta(minutes=15)), SkipStep)
    soon = NOON + timedelta(minutes=1)
    assert isinstance(decided(step, traveller, due_at=soon, now=NOON - timedelta(minutes=14)), Send)


def test_a_step_is_pointless_when_it_comes_too_late() -> None:
    step = a_step(pointless_after_hours=2)
    assert pointless_at(step, NOON) == NOON + timedelta(hours=2)
    assert pointless_at(a_step(), NOON) is None
    assert decided(step, a_traveller(), now=NOON + timedelta(minutes=20)) == Send(MAIL, NOON)
    assert isinstance(decided(step, a_traveller(), now=NOON + timedelta(hours=2)), SkipStep)
    held = decided(step, a_traveller(), due_at=at("2026-03-04T20:30+01:00"))  # the night is longer than that
    assert held == SkipStep("pointless 2 hours after it was due (quiet hours until 08:00 (Europe/Warsaw))")


def test_service_needs_no_consent() -> None:
    assert decided(a_step(basis=Basis.SERVICE), a_traveller(consents={})) == Send(MAIL, NOON)


def test_where_ways_part_nothing_is_sent() -> None:
    with pytest.raises(ValueError, match="parts the ways"):
        decided(Step("fork", branch=(Branch(END),)), a_traveller())


_ADDRESS = {MAIL: "email", SMS: "phone", VOICE: "phone", PUSH: "device"}


def _best(step: Step, traveller: Traveller, costs_at_most: int) -> Channel | None:
    """An oracle: every channel that is allowed, with its place; the lowest wins."""
    allowed = []
    for place, channel in enumerate(step.by):
        customer, rules = traveller.customer, POLICY.channels[channel]
        person = channel is PERSON
        reachable = person or getattr(customer, _ADDRESS[channel])
        clean = person or channel.value not in {it.value for it in traveller.suppressed}
        agreed = person or step.basis is Basis.SERVICE or traveller.consents.get(channel) is True
        discreet = list(Confidentiality).index(step.confidentiality) <= list(Confidentiality).index(rules.carries)
        if reachable and clean and agreed and discreet and rules.cost_minor <= costs_at_most:
            preferred = customer.preferred_channel is not None and customer.preferred_channel.value == channel.value
            allowed.append((not preferred, place, channel))
    return min(allowed)[2] if allowed else None


@given(
    by=st.permutations(list(Channel)).flatmap(lambda all_: st.integers(1, 5).map(lambda many: tuple(all_[:many]))),
    missing=st.sets(st.sampled_from(["email", "phone", "device"])),
    suppressed=st.sets(st.sampled_from([Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH])),
    consents=st.dictionaries(st.sampled_from(list(Channel)), st.sampled_from([True, True, False, None])),
    preferred=st.none() | st.sampled_from([Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH]),
    tier=st.sampled_from(list(Tier)),
    basis=st.sampled_from([Basis.SERVICE, Basis.PROACTIVE]),
    confidentiality=st.sampled_from(list(Confidentiality)),
)
@settings(max_examples=400, deadline=None)
def test_the_channel_is_the_first_that_nothing_speaks_against(
    by: tuple[Channel, ...],
    missing: set[str],
    suppressed: set[Capability],
    consents: dict[Channel, bool | None],
    preferred: Capability | None,
    tier: Tier,
    basis: Basis,
    confidentiality: Confidentiality,
) -> None:
    known = {"email": "c@example.com", "phone": "+48600000000", "device": "d-1"} | dict.fromkeys(missing)
    traveller = a_traveller(
        somebody(preferred_channel=preferred, tier=tier, **known), suppressed=suppressed, consents=consents
    )
    step = a_step(by=by, basis=basis, confidentiality=confidentiality)
    best = _best(step, traveller, {Tier.VIP: 900, Tier.CORE: 900, Tier.BASIC: 60}[tier])
    outcome = decided(step, traveller)
    assert (outcome.channel if isinstance(outcome, Send) else None) is best


@given(
    instants,
    st.sampled_from(ODD_ZONES),
    st.none() | st.tuples(st.times(), st.times()).filter(lambda it: it[0] != it[1]),
    st.integers(0, 3000),
    st.sampled_from([MAIL, SMS]),
)
@settings(max_examples=200, deadline=None)
def test_nothing_is_due_at_an_hour_that_holds_it(
    due_at: datetime, place: str, hours: tuple[time, time] | None, late_minutes: int, channel: Channel
) -> None:
    window = None if hours is None else ContactWindow(*hours)
    now = due_at + timedelta(minutes=late_minutes)
    send = decided(a_step(by=(channel,)), a_traveller(somebody(time_zone=place)), due_at=due_at, now=now, window=window)
    leaves_at = max(send.due_at, now)
    quiet = QuietHours(time(20), time(8))
    assert hours_hold(Basis.PROACTIVE, Capability(channel.value), window, quiet, place, leaves_at) is None


def test_every_pair_of_channels_falls_back_to_the_second() -> None:
    for first, second in product([MAIL, SMS, PUSH], repeat=2):
        if first is not second:
            traveller = a_traveller(somebody(device="d-1"), consents={second: True})
            assert decided(a_step(by=(first, second)), traveller).channel is second


def test_rules_of_a_channel_are_the_policys() -> None:
    dear = replace(POLICY, channels={**POLICY.channels, MAIL: ChannelRules(1000, Confidentiality.PERSONAL)})
    step = a_step()
    assert decide(a_journey(step), step, a_traveller(), dear, due_at=NOON, now=NOON, key=KEY) == Send(SMS, NOON)
