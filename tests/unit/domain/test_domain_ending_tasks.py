"""What a colleague reads in the task about an ending, who has it, and by when."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from ledger_world import POLICY

from domain.customers import Customer, Tier
from domain.ending_tasks import assignee_of, compose_note, compose_task
from domain.endings import not_needed
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing, expiry_key, named_by
from domain.hours import ContactWindow
from domain.policy import Priority
from domain.staffing import OpenHours, Weekday

TODAY = date(2026, 3, 4)
GOLD = Entitlement(
    ref="E-1",
    customer_ref="C-1",
    kind=EntitlementKind.SUBSCRIPTION,
    product="Gold",
    ends_on=date(2026, 3, 18),
    time_zone="Europe/Prague",
    occurrence="2026-03-18",
    value=Money(129_000, "CZK"),
)
ANNA = Customer("C-1", name="Anna Nowak", phone="+48601234567", email="anna@example.com", tier=Tier.VIP)
WORKDAYS = (Weekday.MONDAY, Weekday.TUESDAY, Weekday.WEDNESDAY, Weekday.THURSDAY, Weekday.FRIDAY)
WEEK = replace(
    POLICY,
    staffing=replace(
        POLICY.staffing,
        time_zone="Europe/Warsaw",
        hours=dict.fromkeys(WORKDAYS, (OpenHours(time(8), time(18)),)),
        holidays=frozenset(),
    ),
)


def test_a_task_tells_what_ends_what_is_at_stake_who_it_is_and_why_a_person() -> None:
    task = compose_task(GOLD, ANNA, POLICY, 14, Priority.HIGH, TODAY)
    assert task.title == "Gold: subscription ends on Wed 18 Mar 2026"
    assert task.body.splitlines() == [
        'What ends: subscription "Gold" (E-1) ends on Wed 18 Mar 2026, 14 days left.',
        "At stake: worth 1290.00 CZK a term, 51.60 EUR at risk; priority high.",
        "Who: Anna Nowak (C-1), one of our most valuable customers (vip).",
        "Why a person: customers of tier vip are not called about a subscription.",
        "How to reach them: +48601234567 or anna@example.com, by day on their clock (Europe/Warsaw).",
        "If nothing is done: it ends that day, and they lose what they subscribed to.",
    ]


def test_a_task_about_a_supply_says_that_its_day_is_an_estimate() -> None:
    supply = replace(
        GOLD, kind=EntitlementKind.SUPPLY, earliest_on=date(2026, 3, 10), latest_on=date(2026, 3, 25), value=None
    )
    task = compose_task(supply, ANNA, POLICY, 7, Priority.LOW, TODAY)
    assert "is likely used up on Wed 18 Mar 2026, 14 days left; estimated from what they bought before" in task.body
    assert "any day between Tue 10 Mar 2026 and Wed 25 Mar 2026" in task.body
    assert "At stake: its value is not known; priority low." in task.body


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"tact_lock": "hardship"}, "they are in distress (hardship): sell nothing. You may offer: a pause without a"),
        ({"tier": Tier.CORE, "phone": None}, "no phone number on file that may be called"),
        ({"tier": Tier.CORE}, "a call by the voicebot is not possible, or they do not want one"),
    ],
)
def test_a_task_says_why_it_is_for_a_person(facts: dict[str, object], why: str) -> None:
    task = compose_task(GOLD, replace(ANNA, **facts), POLICY, 14, Priority.HIGH, TODAY)  # type: ignore[arg-type]
    assert f"Why a person: {why}" in task.body


def test_a_task_says_how_the_customer_likes_to_be_reached() -> None:
    known = replace(
        ANNA, window=ContactWindow(time(16), time(18, 30)), time_zone="Europe/Prague", language="cs", email=None
    )
    body = compose_task(GOLD, known, POLICY, 14, Priority.HIGH, TODAY).body
    assert "+48601234567, between 16:00 and 18:30 on their clock (Europe/Prague), language cs." in body
    unknown = Customer("C-9")
    body = compose_task(GOLD, unknown, POLICY, 14, Priority.HIGH, TODAY).body
    assert "How to reach them: no phone number and no address on file." in body
    assert "Who: C-9, a customer with few purchases so far (basic)." in body


@pytest.mark.parametrize(
    ("facts", "assignee"),
    [
        ({}, "Key Accounts"),
        ({"tier": Tier.CORE}, "Renewals"),
        ({"dedicated_agent": "agent-7"}, "agent-7"),
        ({"dedicated_agent": "agent-7", "tact_lock": "bereavement"}, "Care"),
    ],
)
def test_a_task_goes_to_the_agent_or_the_tiers_team_and_in_distress_to_the_team_for_it(
    facts: dict[str, object], assignee: str
) -> None:
    customer = replace(ANNA, **facts)  # type: ignore[arg-type]
    assert assignee_of(customer, POLICY) == assignee
    assert compose_task(GOLD, customer, POLICY, 14, Priority.HIGH, TODAY).assignee == assignee


@pytest.mark.parametrize(
    ("horizon", "today", "due_at"),
    [
        (30, date(2026, 2, 20), datetime(2026, 3, 4, 17, tzinfo=UTC)),  # at 14 days somebody looks again
        (14, TODAY, datetime(2026, 3, 13, 17, tzinfo=UTC)),  # the 15th is a Sunday: by Friday's end of work
        (3, date(2026, 3, 16), datetime(2026, 3, 18, 17, tzinfo=UTC)),  # the last day
        (14, date(2026, 3, 15), datetime(2026, 3, 15, 23, tzinfo=UTC)),  # a Sunday: not before today
    ],
)
def test_a_task_is_due_before_the_next_horizon_while_colleagues_work(
    horizon: int, today: date, due_at: datetime
) -> None:
    assert compose_task(GOLD, ANNA, WEEK, horizon, Priority.HIGH, today).due_at == due_at


@pytest.mark.parametrize(
    ("today", "left"),
    [(date(2026, 3, 17), "1 day left"), (date(2026, 3, 18), "today"), (date(2026, 3, 20), "2 days ago")],
)
def test_a_note_says_how_many_days_are_left_and_how_pressing_it_is(today: date, left: str) -> None:
    assert compose_note(GOLD, POLICY, Priority.CRITICAL, today).splitlines() == [
        f'Still open: subscription "Gold" (E-1) ends on Wed 18 Mar 2026, {left}; it was neither renewed nor cancelled.',
        "At stake: worth 1290.00 CZK a term, 51.60 EUR at risk; priority critical.",
    ]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, None),
        ({"ends_on": TODAY}, None),
        ({"standing": Standing.CANCELLED}, "cancelled: nobody needs to be contacted"),
        ({"auto_renews": True}, "renews by itself: nobody needs to be contacted"),
        (
            {"ends_on": date(2027, 3, 18), "occurrence": "2027-03-18"},
            "renewed until 2027-03-18: nobody needs to be contacted",
        ),
        (
            {"ends_on": date(2026, 3, 10), "occurrence": "2026-03-10"},
            "ends on 2026-03-10 already: that ending is looked at by itself",
        ),
        (
            {"kind": EntitlementKind.SUPPLY, "occurrence": "after-2026-03-01"},
            "bought again: enough until about 2026-03-18, nobody needs to be contacted",
        ),
        ({"ends_on": date(2026, 3, 3)}, "it ended on 2026-03-03: too late for this"),
    ],
)
def test_why_nobody_needs_to_be_contacted_any_more(facts: dict[str, object], why: str | None) -> None:
    assert not_needed(replace(GOLD, **facts), "2026-03-18", TODAY, POLICY) == why  # type: ignore[arg-type]


@pytest.mark.parametrize("ref", ["E-1", "E/1", "é 1%", "expiry/x"])
def test_a_key_names_its_ending(ref: str) -> None:
    assert named_by(expiry_key(ref, "after-2026-02-01", "task", 14)) == (ref, "after-2026-02-01")


@pytest.mark.parametrize("other", ["case/C-1/1/ticket", "expiry/E-1", ""])
def test_another_key_names_no_ending(other: str) -> None:
    with pytest.raises(ValueError, match="is no key of an ending"):
        named_by(other)
