"""What customers do: who enters a journey, once; who leaves it, at once; in whatever order it is told."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from journey_stage import ANNA, COURSE, NOON, ONBOARDING, activated, event, publish
from sqlalchemy import update

from domain.actions import Basis, Capability, Kind, State
from domain.journeys import journey_key
from domain.planning import Payload, PlannedAction
from services.quarantine import Who, replay
from services.replaying import Verdict
from store import customers
from store.enrolments import ERASED, NO_CONSENT, SILENCED
from store.ledger.enqueue import About, enqueue
from store.tables import metadata

Deliver = Callable[..., Any]
enrolments, actions = metadata.tables["enrolments"], metadata.tables["actions"]
THANKS, TIP = journey_key("onboarding", "C-1", 1, "thanks"), journey_key("onboarding", "C-1", 1, "tip")


def later(**delta: float) -> datetime:
    """Noon and then some."""
    return NOON + timedelta(**delta)


@pytest.fixture(autouse=True)
def live(installation: Any) -> list[str]:
    """Both journeys are live."""
    return publish(installation.database, ONBOARDING, COURSE)


def one(installation: Any) -> Any:
    (row,) = installation.rows("enrolments")
    return row


def go_to_tip(installation: Any, *, state: State | None = None, due_at: datetime | None = None) -> None:
    """As the planner does it: Anna waits for the tip; with a state, its message is written and stands there."""
    row = one(installation)
    due_at = due_at or later(days=3)
    with installation.database.write() as connection:
        made = {}
        if state is not None:
            planned = PlannedAction(
                key=TIP,
                kind=Kind.MESSAGE,
                basis=Basis.PROACTIVE,
                capability=Capability.MAIL,
                payload=Payload("journey-step/1", {"journey": "onboarding", "step": "tip"}),
                due_at=due_at,
                purpose="onboarding",
            )
            about = About(customer_id=row.customer_id, enrolment_id=row.id)
            made = enqueue(connection, [planned], about, run="t", now=NOON)
        standing = {"step": "tip", "due_at": None if made else due_at, "action_id": made.get(TIP)}
        connection.execute(update(enrolments).values(previous_at=later(minutes=1), **standing))
        way = (
            [State.CLAIMED, State.SENDING]
            if state is State.SENDING
            else []
            if state in {None, State.READY}
            else [state]
        )
        for step in way:
            connection.execute(update(actions).where(actions.c.key == TIP).values(state=step))


# -- entering -----------------------------------------------------------------------------------------------------


async def test_the_first_activation_enters_and_the_welcome_is_due_at_once(
    deliver: Deliver, installation: Any, live: list[str]
) -> None:
    told = await deliver(activated(at=later(minutes=-1)))
    assert (told.http_status, told.body["status"], told.body["problems"]) == (202, "accepted", [])
    row = one(installation)
    assert (row.journey, row.journey_hash, row.number, row.key_part, row.state) == (
        "onboarding",
        live[0],
        1,
        "C-1",
        "active",
    )
    assert (row.step, row.due_at, row.entered_at, row.previous_at) == ("welcome", *[later(minutes=-1)] * 3)
    (customer,) = installation.rows("customers")
    assert (customer.ref, customer.email, customer.time_zone) == ("C-1", "anna@example.com", "Europe/Warsaw")
    assert [(it.event, it.name, it.times) for it in installation.rows("behaviour")] == [("customer.activated", "", 1)]


async def test_a_device_that_an_event_tells_of_is_kept(deliver: Deliver, installation: Any) -> None:
    await deliver(activated(customer={"ref": "C-1", "device": "token-1"}))
    (customer,) = installation.rows("customers")
    assert (customer.device, customer.email) == ("token-1", None)
    assert one(installation).step == "welcome"


@pytest.mark.parametrize("days", [-30, 0, 30], ids=["told late", "a second device", "later"])
async def test_no_other_activation_enters(deliver: Deliver, installation: Any, days: int) -> None:
    await deliver(activated(), "first")
    installation.clock.go(days=31)
    again = await deliver(activated(at=later(days=days)), "second")
    assert again.body["status"] == "accepted"
    assert one(installation).entered_at == NOON
    assert [it.times for it in installation.rows("behaviour")] == [2]


async def test_nor_does_a_second_one_of_whoever_was_there_before_the_journey(
    deliver: Deliver, installation: Any
) -> None:
    taken_off = update(metadata.tables["journeys"])
    with installation.database.write() as connection:
        connection.execute(taken_off.values(approved_at=None))
    await deliver(activated(), "first")
    with installation.database.write() as connection:
        connection.execute(taken_off.values(approved_at=NOON))
    installation.clock.go(days=1)
    await deliver(activated(at=later(days=1)), "second")
    assert not installation.rows("enrolments")


async def test_nor_does_one_after_the_journey_is_over(deliver: Deliver, installation: Any) -> None:
    await deliver(activated(), "first")
    await deliver(event("customer.churned", at=later(minutes=1)), "churned")
    installation.clock.go(days=90)
    await deliver(activated(at=later(days=90)), "second")
    assert one(installation).state == "left"


async def test_a_redelivery_is_answered_and_counted_once(deliver: Deliver, installation: Any) -> None:
    first = await deliver(activated(), "same")
    again = await deliver(activated(), "same")
    assert (again.body["duplicate"], again.body["event_id"]) == (True, first.body["event_id"])
    assert [it.times for it in installation.rows("behaviour")] == [1]


@pytest.mark.parametrize("number", range(3))
async def test_activations_side_by_side_are_one_entry(
    installation: Any, signed: Any, as_bytes: Any, number: int
) -> None:
    """As P6: from several processes at once, each telling of another device, some of them twice."""
    from services.intake import receive_webhook

    bodies = [as_bytes(activated(at=later(seconds=-(each % 6)))) for each in range(12)]
    async with installation.handrail() as first, installation.handrail() as second:
        await asyncio.gather(
            *(
                receive_webhook((first, second)[each % 2], "standard", signed(body, f"m-{each % 9}"), body)
                for each, body in enumerate(bodies)
            )
        )
    assert one(installation).number == 1
    (done,) = installation.rows("behaviour")
    accepted = {row.webhook_id for row in installation.rows("inbox")}
    assert (done.times, len(installation.rows("customers"))) == (len(accepted), 1)


async def test_a_bare_ref_that_nobody_has_waits_for_a_person_and_nothing_is_lost(
    deliver: Deliver, installation: Any, handrail: Any, on_file: Callable[..., int]
) -> None:
    told = await deliver(activated(customer={"ref": "C-7"}))
    assert (told.body["status"], told.body["problems"][0]["path"]) == ("quarantined", "data.customer")
    assert not installation.rows("customers")
    on_file("C-7", email="jan@example.com")
    (kept,) = installation.rows("quarantine")
    assert replay(handrail, kept.id, Who("ewa")).verdict is Verdict.ACCEPTED
    assert one(installation).key_part == "C-7"


async def test_an_event_from_the_future_waits_for_a_person(deliver: Deliver, installation: Any) -> None:
    told = await deliver(activated(at=later(days=2)))
    assert told.body["problems"][0]["problem"] == "lies more than a day in the future"
    assert not installation.rows("enrolments")


async def test_whoever_is_silenced_is_not_led_through_it(
    deliver: Deliver, installation: Any, on_file: Callable[..., int]
) -> None:
    anna = on_file("C-1", email="anna@example.com")
    with installation.database.write() as connection:
        customers.set_tact_lock(connection, anna, "bereavement: a person only", now=NOON)
    await deliver(activated())
    assert (one(installation).state, one(installation).reason) == ("left", SILENCED)


async def test_nor_is_whoever_refused_it_before(
    deliver: Deliver, installation: Any, on_file: Callable[..., int]
) -> None:
    anna = on_file("C-1", email="anna@example.com")
    with installation.database.write() as connection:
        customers.set_consent(connection, anna, "onboarding", "mail", granted=False, now=NOON)
    await deliver(activated())
    assert (one(installation).state, one(installation).reason) == ("left", NO_CONSENT)


async def test_of_somebody_erased_nothing_is_noted(
    deliver: Deliver, installation: Any, on_file: Callable[..., int]
) -> None:
    anna = on_file("C-1", email="anna@example.com")
    with installation.database.write() as connection:
        customers.erase(connection, anna, now=NOON)
    told = await deliver(activated())
    assert (told.body["status"], told.body["problems"][0]["problem"]) == (
        "noted",
        "customer.activated: the customer was erased",
    )
    assert not installation.rows("behaviour")
    assert not installation.rows("enrolments")


async def test_who_may_enter_again_does_so_when_it_is_time(deliver: Deliver, installation: Any) -> None:
    def opened(day: int) -> dict[str, Any]:
        return event("feature.used", at=later(days=day), customer=ANNA, feature="course")

    installation.clock.go(days=100)
    await deliver(opened(0), "a")
    await deliver(opened(1), "b")
    assert one(installation).number == 1
    with installation.database.write() as connection:
        connection.execute(update(enrolments).values(state="finished", ended_at=later(days=2), step=None, due_at=None))
    await deliver(opened(31), "c")
    assert one(installation).number == 1, "thirty days after they left, not after they entered"
    await deliver(opened(32), "d")
    assert [(row.number, row.state) for row in installation.rows("enrolments")] == [(1, "finished"), (2, "active")]


async def test_a_journey_is_for_those_it_says(deliver: Deliver, installation: Any) -> None:
    await deliver(event("feature.used", customer={**ANNA, "language": "cs"}, feature="course"))
    assert not installation.rows("enrolments")


async def test_the_wait_of_a_step_is_counted_on_the_customers_own_calendar(deliver: Deliver, installation: Any) -> None:
    """Not the account's zone, nor UTC (laudspeaker, dittofeed): clocks leap on 8 March there, on 29 March here."""
    installation.clock.now = at = datetime.fromisoformat("2026-03-07T15:00:00+00:00")
    chicago = {**ANNA, "time_zone": "America/Chicago"}
    await deliver(event("feature.used", at=at, customer=chicago, feature="course"))
    assert one(installation).due_at == at + timedelta(hours=23)


# -- leaving ------------------------------------------------------------------------------------------------------

ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "churn": (event("customer.churned", at=later(minutes=2)), "left"),
    "goal": (event("goal.reached", at=later(minutes=2), goal="settled-in"), "goal"),
    "opt-out": (
        event("consent.changed", at=later(minutes=2), purpose="onboarding", channel="all", granted=False),
        "left",
    ),
}


@pytest.mark.parametrize("state", [None, State.PLANNED, State.READY, State.CLAIMED], ids=str)
@pytest.mark.parametrize("what", ENDS)
async def test_an_exit_is_at_once(deliver: Deliver, installation: Any, what: str, state: State | None) -> None:
    """In mid-delay too (Braze's take effect when the delay ends), and when its message waits or is reserved already."""
    await deliver(activated())
    go_to_tip(installation, state=state)
    installation.clock.go(minutes=5)
    body, ends_as = ENDS[what]
    assert (await deliver(body, "exit")).body["status"] == "accepted"
    row = one(installation)
    assert (row.state, row.ended_at) == (ends_as, later(minutes=5))
    assert (row.step, row.due_at, row.action_id) == (None, None, None)
    assert installation.states().get(TIP) == (None if state is None else State.CANCELLED)


async def test_what_is_being_sent_is_not_called_back(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation, state=State.SENDING)
    installation.clock.go(minutes=5)
    await deliver(ENDS["goal"][0], "goal")
    assert installation.states() == {TIP: State.SENDING, THANKS: State.READY}
    assert installation.action(THANKS).after_id == installation.action(TIP).id, "one step after the other"


async def test_at_the_goal_they_are_thanked(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation)
    installation.clock.go(minutes=5)
    await deliver(ENDS["goal"][0], "goal")
    thanks = installation.action(THANKS)
    assert (thanks.kind, thanks.basis, thanks.capability, thanks.state) == ("message", "service", "mail", "ready")
    assert (thanks.due_at, thanks.enrolment_id, thanks.purpose) == (later(minutes=2), one(installation).id, None)
    assert (thanks.payload["schema"], thanks.payload["template"]) == ("journey-step/1", "onboarding-thanks")
    await deliver(event("goal.reached", at=later(minutes=3), goal="settled-in"), "again")
    assert list(installation.states()) == [THANKS]


async def test_a_goal_at_night_is_thanked_for_in_the_morning(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    installation.clock.go(hours=12)
    await deliver(event("goal.reached", at=later(hours=12), goal="settled-in"), "goal")
    thanks = installation.action(THANKS)
    opening = datetime.fromisoformat("2026-03-05T07:00:00+00:00")  # 08:00 in Warsaw
    assert opening <= thanks.due_at <= opening + timedelta(minutes=installation.policy.journeys.spread_minutes)
    assert "quiet hours" in thanks.reason


async def test_who_leaves_us_after_the_goal_is_not_thanked(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    installation.clock.go(minutes=5)
    await deliver(ENDS["goal"][0], "goal")
    await deliver(event("customer.churned", at=later(minutes=3)), "churned")
    assert installation.states() == {THANKS: State.CANCELLED}
    assert one(installation).state == "goal"


@pytest.mark.parametrize(
    "body",
    [
        event("customer.churned", at=later(days=-1)),
        event("goal.reached", at=later(days=-1), goal="settled-in"),
        event("goal.reached", goal="another"),
        event("feature.used", feature="setup"),
        event("consent.changed", purpose="marketing", channel="all", granted=False),
        event("consent.changed", purpose="onboarding", channel="mail", granted=True),
    ],
    ids=["churned before", "reached before", "another goal", "no exit", "another purpose", "allowed"],
)
async def test_what_is_older_or_other_ends_nothing(deliver: Deliver, installation: Any, body: dict[str, Any]) -> None:
    await deliver(activated(), "entry")
    await deliver(body, "other")
    assert one(installation).state == "active"


async def test_every_order_comes_to_the_same(installation: Any, signed: Any, as_bytes: Any) -> None:
    """Activated, set up, at the goal, and gone once, long before: whatever is told first."""
    from services.intake import receive_webhook

    installation.clock.go(minutes=30)
    for place, order in enumerate(permutations(range(4))):
        who = {**ANNA, "ref": f"C-{place}"}
        story = [
            activated(customer=who),
            event("feature.used", at=later(minutes=1), customer=who, feature="setup"),
            event("goal.reached", at=later(minutes=2), customer=who, goal="settled-in"),
            event("customer.churned", at=later(days=-9), customer=who),
        ]
        async with installation.handrail() as handrail:
            for number in order:
                body = as_bytes(story[number])
                await receive_webhook(handrail, "standard", signed(body, f"{place}-{number}"), body)
    assert {(row.state, row.number, row.entered_at) for row in installation.rows("enrolments")} == {("goal", 1, NOON)}
    assert len(installation.rows("enrolments")) == 24
    states = installation.states()
    assert set(states.values()) == {State.READY}
    assert set(states) == {journey_key("onboarding", f"C-{place}", 1, "thanks") for place in range(24)}
    told = {(it.event, it.first_at, it.last_at, it.times) for it in installation.rows("behaviour")}
    assert len(told) == 4


async def test_churn_told_before_the_activation_it_follows_leaves_nobody_inside(
    deliver: Deliver, installation: Any
) -> None:
    installation.clock.go(minutes=5)
    await deliver(event("customer.churned", at=later(minutes=2), customer=ANNA), "churned")
    await deliver(activated(), "activated")
    assert (one(installation).state, one(installation).reason) == ("left", "customer.churned")


# -- waits that end -----------------------------------------------------------------------------------------------


async def test_what_a_step_waits_for_ends_its_wait(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation)
    installation.clock.go(hours=1)
    await deliver(event("feature.used", at=later(minutes=30), feature="setup"), "setup")
    assert (one(installation).step, one(installation).due_at) == ("tip", later(minutes=30))


async def test_no_wait_ends_before_the_step_before_was_over(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation)
    installation.clock.go(hours=1)
    await deliver(event("feature.used", at=later(seconds=1), feature="setup"), "setup")
    assert one(installation).due_at == later(minutes=1)


async def test_another_step_waits_on(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation)
    installation.clock.go(hours=1)
    await deliver(event("feature.used", at=later(minutes=30), feature="export"), "export")
    assert one(installation).due_at == later(days=3)


@pytest.mark.parametrize("days", [1, -2], ids=["since they entered", "before, and told late"])
async def test_what_they_did_makes_a_planned_step_be_looked_at_again(
    deliver: Deliver, installation: Any, days: int
) -> None:
    needless = "by: [mail]\n    skip_when: {seen: {event: feature.used, named: guide}}\n  - id: thanks"
    publish(
        installation.database,
        ONBOARDING.replace("version: 1", "version: 2").replace("by: [mail]\n  - id: thanks", needless),
    )
    await deliver(activated())
    go_to_tip(installation, state=State.READY)
    installation.clock.go(days=2)
    (before,) = installation.rows("customers")
    await deliver(event("feature.used", at=later(days=days), feature="export"), "another")
    (unmoved,) = installation.rows("customers")
    await deliver(event("feature.used", at=later(days=days), feature="guide"), "guide")
    (moved,) = installation.rows("customers")
    assert (unmoved.version, moved.version) == (before.version, before.version + 1)
    assert (one(installation).state, one(installation).step) == ("active", "tip")


# -- consent ------------------------------------------------------------------------------------------------------


def say(granted: bool, channel: str = "all", *, at: datetime = NOON) -> dict[str, Any]:
    return event("consent.changed", at=at, purpose="onboarding", channel=channel, granted=granted)


async def test_what_is_taken_back_by_one_channel_is_left_to_the_others(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    await deliver(say(True), "all")
    installation.clock.go(minutes=5)
    await deliver(say(False, "mail", at=later(minutes=1)), "mail")
    assert {row.channel: row.granted for row in installation.rows("consents")} == {
        "mail": False,
        "sms": True,
        "voice": True,
        "push": True,
    }
    assert one(installation).state == "active"
    for channel in ("sms", "voice", "push"):
        await deliver(say(False, channel, at=later(minutes=2)), channel)
    assert (one(installation).state, one(installation).reason) == ("left", NO_CONSENT)


async def test_an_older_word_never_overrides_a_later_one(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    installation.clock.go(minutes=5)
    await deliver(say(False, at=later(minutes=2)), "no")
    told = await deliver(say(True, at=later(minutes=1)), "yes")
    assert (told.body["status"], told.body["problems"][0]["problem"]) == (
        "noted",
        "consent.changed: onboarding: a later word is known",
    )
    assert {row.granted for row in installation.rows("consents")} == {False}


async def test_erasure_ends_it(deliver: Deliver, installation: Any) -> None:
    await deliver(activated())
    go_to_tip(installation, state=State.READY)
    with installation.database.write() as connection:
        customers.erase(connection, one(installation).customer_id, now=NOON)
    assert (one(installation).reason, installation.states()) == (ERASED, {TIP: State.CANCELLED})


async def test_a_bad_answer_ends_it(deliver: Deliver, installation: Any, answer: Callable[..., Any]) -> None:
    """It opens a case: the tact lock is set where all locks are, so nobody who sets one can forget this."""
    await deliver(activated())
    go_to_tip(installation, state=State.READY)
    await deliver(answer(), "answer")
    assert (one(installation).reason, installation.states()[TIP]) == (SILENCED, State.CANCELLED)
