"""Calls followed to their end: each outcome, duplicates, late ones, and those that nobody tells of."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.actions import Basis, Capability, Kind, State
from domain.calls import CallOutcome, after_call_key, call_key
from domain.customers import Customer, Tier
from domain.entitlements import Entitlement, EntitlementKind, expiry_key, occurrence_of
from domain.gates import DataSet
from domain.hours import ContactWindow
from domain.planning import Payload, PlannedAction
from domain.review_rules import Risk, Rule
from domain.risk import Ask
from services.calls import follow_calls, follow_withheld
from services.quarantine import Who, replay
from services.replaying import Verdict
from store import calls, customers
from store.entitlements import Owned, save
from store.gates import event_gate
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions, consents

Deliver = Callable[..., Any]
ENDS = date(2026, 4, 20)
TASK = expiry_key("S-1", occurrence_of(ENDS), "task")
UNREACHED = ("no_answer", "busy", "voicemail", "failed")


def call(number: int) -> str:
    return call_key("S-1", occurrence_of(ENDS), number)


def a_task(due_at: datetime, skip: str | None = None) -> PlannedAction:
    """The ending's task, as somebody else planned it."""
    payload = Payload("expiry-task/1", {"horizon": 30, "priority": "normal"})
    return PlannedAction(TASK, Kind.TASK, Basis.INTERNAL, Capability.CRM, payload, due_at, skip=skip)


class Phone:
    """A customer's subscription that ends on 20 April, and calls about it."""

    def __init__(self, installation: Any, deliver: Deliver, **customer: Any) -> None:
        self.installation, self.deliver = installation, deliver
        self.save(ENDS, **customer)

    def save(self, ends_on: date, **customer: Any) -> None:
        """The entitlement, as it stands now."""
        with self.installation.database.write() as connection:
            now = self.installation.clock()
            known = customers.locked(connection, "C-1")
            owner = known[0] if known else customers.create(connection, _customer(customer), now=now)
            it = Entitlement(
                "S-1", "C-1", EntitlementKind.SUBSCRIPTION, "Gaz", ends_on, "Europe/Warsaw", occurrence_of(ends_on)
            )
            gate_id = event_gate(connection, DataSet.ENTITLEMENTS, "crm-export", now=now, run="t")
            save(connection, [Owned(owner, it)], gate_id=gate_id, policy=self.installation.policy, now=now)

    def plan(self, number: int = 1, **changes: Any) -> None:
        """Plan a call as detection does."""
        [row] = self.installation.rows("entitlements")
        now = self.installation.clock()
        params = {"horizon": 30, "priority": "normal", "confidentiality": "personal", "why": "tier core"}
        facts: dict[str, Any] = {
            "key": call(number),
            "kind": Kind.CALL,
            "basis": Basis.PROACTIVE,
            "capability": Capability.VOICE,
            "payload": Payload("expiry-call/1", {**params, "wordings": {"pl": "a" * 64}}),
            "due_at": now,
            "purpose": "reminders",
            "not_after": datetime(2026, 4, 20, 22, tzinfo=UTC),
            "facts": frozenset({"entitlement"}),
        }
        about = About(customer_id=row.customer_id, entitlement_id=row.id, gate_id=row.gate_id)
        with self.installation.database.write() as connection:
            enqueue(connection, [PlannedAction(**{**facts, **changes})], about, run="t", now=now)

    def stands(self, number: int, state: State, way: tuple[State, ...] = (State.CLAIMED, State.SENDING)) -> None:
        """Let a planned call go its way to `state`."""
        for one in (*way, state):
            with self.installation.database.write() as connection:
                connection.execute(
                    update(actions)
                    .where(actions.c.key == call(number))
                    .values(state=one, integration="voice via fake", updated_at=self.installation.clock())
                )

    def place(self, number: int = 1, **changes: Any) -> None:
        """Plan a call, and place it."""
        self.plan(number, **changes)
        self.stands(number, State.DONE)

    async def ended(self, outcome: str, number: int = 1, webhook_id: str | None = None, **data: Any) -> Any:
        """Its vendor tells how it ended."""
        at = f"{self.installation.clock():%Y-%m-%dT%H:%M:%SZ}"
        told = {"call": call(number), "outcome": outcome, "ended_at": at, **data}
        body = {"type": "call.ended", "timestamp": at, "data": told}
        return await self.deliver(body, webhook_id or f"msg_{number}_{outcome}")

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        """(outcome, source, what followed) of every call, in order."""
        return [(row.outcome, row.source, row.followed_by) for row in self.installation.rows("call_outcomes")]

    def consent(self) -> bool | None:
        with self.installation.database.read() as connection:
            asked = select(consents.c.granted).where(consents.c.channel == "voice", consents.c.purpose == "reminders")
            return connection.execute(asked).scalar()


def _customer(facts: dict[str, Any]) -> Customer:
    return Customer("C-1", **{"phone": "+48601234567", "tier": Tier.CORE, "language": "pl", **facts})


@pytest.fixture
def phone(installation: Any, deliver: Deliver) -> Phone:
    return Phone(installation, deliver)


@pytest.mark.parametrize("outcome", UNREACHED)
async def test_nobody_reached_is_called_again_in_the_next_window(phone: Phone, installation: Any, outcome: str) -> None:
    phone.place()
    told = await phone.ended(outcome)
    assert (told.http_status, told.body["status"], told.body["problems"]) == (202, "accepted", [])
    again, before = installation.action(call(2)), installation.action(call(1))
    assert again.due_at == datetime(2026, 3, 4, 15, tzinfo=UTC)  # 16:00 in Warsaw; it is noon
    assert (again.state, again.kind, again.capability, again.basis) == ("ready", "call", "voice", "proactive")
    assert (again.purpose, again.not_after, again.payload) == ("reminders", before.not_after, before.payload)
    assert (again.entitlement_id, again.gate_id) == (before.entitlement_id, before.gate_id)
    assert {row.fact for row in installation.rows("evidence") if row.action_id == again.id} == {"entitlement"}
    assert phone.outcomes() == [(outcome, "standard", "call 2 from 2026-03-04 15:00 UTC on")]
    assert TASK not in installation.states()


async def test_after_the_last_attempt_a_colleague_has_it(phone: Phone, installation: Any, clock: Any) -> None:
    phone.place()
    for number in (1, 2, 3):
        await phone.ended("no_answer", number)
        if number < 3:
            clock.now = installation.action(call(number + 1)).due_at + timedelta(minutes=5)
            phone.stands(number + 1, State.DONE)
    assert call(4) not in installation.states()
    task = installation.action(TASK)
    assert (task.kind, task.basis, task.capability) == ("task", "internal", "crm")
    assert task.payload["params"] == {
        "horizon": 30,
        "priority": "high",
        "confidentiality": "personal",
        "why": "call 3: nobody answered, after 3 calls",
    }
    assert {row.fact for row in installation.rows("evidence") if row.action_id == task.id} == {"entitlement"}
    assert [row[2] for row in phone.outcomes()][-1] == "a colleague's task: nobody answered, after 3 calls"


async def test_no_window_before_it_ends_is_a_colleagues(phone: Phone, installation: Any, clock: Any) -> None:
    phone.place()
    clock.now = datetime(2026, 4, 20, 16, tzinfo=UTC)  # 18:00 in Warsaw on its last day; the window is over at 19:00
    await phone.ended("busy")
    assert call(2) not in installation.states()
    assert "it ends before" in installation.action(TASK).payload["params"]["why"]


async def test_the_next_window_is_the_customers_own_across_a_change_of_clocks(
    installation: Any, deliver: Deliver, clock: Any
) -> None:
    prague = Phone(installation, deliver, time_zone="Europe/Prague", window=ContactWindow(time(9), time(10)))
    clock.now = datetime(2026, 3, 28, 8, 30, tzinfo=UTC)  # clocks leap forward in the night to come
    prague.place()
    await prague.ended("no_answer")
    assert installation.action(call(2)).due_at == datetime(2026, 3, 29, 7, tzinfo=UTC)


async def test_whoever_asks_for_a_person_gets_one(phone: Phone, installation: Any) -> None:
    phone.place()
    await phone.ended("answered_wants_person", said="Proszę, niech ktoś zadzwoni po 17.")
    task = installation.action(TASK)
    assert (task.payload["params"]["priority"], task.state) == ("high", "ready")
    assert task.due_at == installation.clock()
    gates = {row.id: row for row in installation.rows("gates")}
    assert (gates[task.gate_id].feed, gates[task.gate_id].is_events) == ("standard", True)
    assert not [row for row in installation.rows("evidence") if row.action_id == task.id], "it holds whatever changes"
    [kept] = installation.rows("call_outcomes")
    assert kept.said == "Proszę, niech ktoś zadzwoni po 17."
    assert "Proszę" not in str(task.payload)
    with installation.database.read() as connection:
        [story] = calls.of_endings(connection, [task.entitlement_id])[task.entitlement_id]
    assert (story.key, story.outcome, story.said) == (call(1), CallOutcome.ANSWERED_WANTS_PERSON, kept.said)


async def test_what_they_asked_for_is_added_to_a_task_that_is_there(phone: Phone, installation: Any) -> None:
    phone.plan()
    [row] = installation.rows("entitlements")
    with installation.database.write() as connection:
        task = a_task(row.changed_at)
        enqueue(connection, [task], About(row.customer_id, entitlement_id=row.id), run="t", now=row.changed_at)
    phone.stands(1, State.DONE)
    await phone.ended("answered_wants_person")
    note = installation.action(after_call_key("S-1", occurrence_of(ENDS), 1))
    assert (note.kind, note.after_id) == ("task_note", installation.action(TASK).id)
    assert note.payload["schema"] == "expiry-call-note/1"
    assert note.payload["params"]["why"] == "call 1: they answered and asked for a person"


@pytest.mark.parametrize("over", [State.SKIPPED, State.CANCELLED])
async def test_what_they_asked_for_is_a_task_of_its_own_where_the_other_came_to_nothing(
    phone: Phone, installation: Any, over: State
) -> None:
    phone.place()
    [row] = installation.rows("entitlements")
    task = a_task(row.changed_at, skip="worth nothing" if over is State.SKIPPED else None)
    about = About(row.customer_id, entitlement_id=row.id)
    with installation.database.write() as connection:
        enqueue(connection, [task], about, run="t", now=row.changed_at)
        if over is State.CANCELLED:
            connection.execute(update(actions).where(actions.c.key == TASK).values(state=over))
    await phone.ended("answered_wants_person")
    own = installation.action(after_call_key("S-1", occurrence_of(ENDS), 1))
    assert (own.kind, own.after_id, own.state) == ("task", None, "ready")


async def test_whoever_declines_is_not_called_for_this_again(phone: Phone, installation: Any) -> None:
    with installation.database.write() as connection:
        owner = installation.rows("customers")[0].id
        customers.set_consent(connection, owner, "reminders", "voice", granted=True, now=installation.clock())
    phone.place()
    await phone.ended("answered_declined")
    assert phone.consent() is False
    assert list(installation.states()) == [call(1)]
    assert phone.outcomes()[0][2] == "nothing: they answered and do not want such calls"


async def test_whoever_has_heard_it_is_left_alone(phone: Phone, installation: Any) -> None:
    phone.place()
    await phone.ended("answered_done")
    assert list(installation.states()) == [call(1)]
    assert phone.consent() is None


async def test_an_end_that_nobody_can_tell_is_a_colleagues(phone: Phone, installation: Any) -> None:
    phone.place()
    await phone.ended("unknown")
    assert installation.action(TASK).payload["params"]["why"] == "call 1: nobody knows how it ended"


@pytest.mark.parametrize(("outcome", "follows"), [("no_answer", []), ("answered_wants_person", [TASK])])
async def test_renewed_meanwhile_only_what_they_asked_for_follows(
    phone: Phone, installation: Any, outcome: str, follows: list[str]
) -> None:
    phone.place()
    phone.save(date(2027, 4, 20))
    await phone.ended(outcome)
    assert sorted(installation.states()) == sorted([call(1), *follows])
    if not follows:
        assert phone.outcomes()[0][2] == (
            "nothing: nobody answered, and renewed until 2027-04-20: nobody needs to be contacted"
        )


@pytest.mark.parametrize("second", ["no_answer", "answered_wants_person", "answered_done", "answered_declined"])
async def test_only_the_first_word_on_a_call_counts(phone: Phone, installation: Any, second: str) -> None:
    phone.place()
    await phone.ended("busy")
    before = installation.rows("actions"), installation.rows("call_outcomes"), phone.consent()
    told = await phone.ended(second, webhook_id="msg_other")
    assert (told.http_status, told.body["status"]) == (202, "noted")
    assert "known already: the line was busy" in told.body["problems"][0]["problem"]
    assert (installation.rows("actions"), installation.rows("call_outcomes"), phone.consent()) == before


async def test_fifty_words_at_once_are_one(phone: Phone, installation: Any) -> None:
    phone.place()
    outcomes = ("no_answer", "busy", "answered_wants_person", "voicemail", "unknown")
    told = await asyncio.gather(*(phone.ended(outcomes[n % 5], webhook_id=f"msg_{n}") for n in range(50)))
    assert sorted(one.body["status"] for one in told) == ["accepted"] + ["noted"] * 49
    assert len(phone.outcomes()) == 1
    assert len(installation.rows("actions")) == 2


@pytest.mark.parametrize("key", ["expiry/S-1/2026-04-20/call/9", "case/C-1/1/ticket", "nobody's"])
async def test_a_call_that_nobody_placed_waits_for_a_person(phone: Phone, installation: Any, key: str) -> None:
    phone.place()
    told = await phone.ended("busy", webhook_id="msg_1", call=key)
    assert (told.http_status, told.body["status"]) == (202, "quarantined")
    assert [(one["path"], one["problem"]) for one in told.body["problems"]] == [
        ("data.call", "no call of ours has this key")
    ]
    assert not phone.outcomes()


async def test_a_call_that_was_not_placed_yet_waits_for_a_person_and_can_be_replayed(
    phone: Phone, installation: Any, handrail: Any
) -> None:
    phone.plan()
    told = await phone.ended("no_answer")
    assert [one["problem"] for one in told.body["problems"]] == ["this call was not placed"]
    phone.stands(1, State.DONE)
    [waits] = installation.rows("quarantine")
    replayed = replay(handrail, waits.id, Who("anna", "it was placed after all"))
    assert (replayed.verdict, replayed.subject) == (Verdict.ACCEPTED, call(1))
    assert installation.action(call(2)).planned_by == f"quarantine/{waits.id}"


async def test_a_vendor_may_be_quicker_than_our_books(phone: Phone, installation: Any) -> None:
    phone.plan()
    phone.stands(1, State.SENDING, way=(State.CLAIMED,))
    await phone.ended("no_answer")
    assert installation.states() == {call(1): "sending", call(2): "ready"}


async def test_a_call_whose_answer_was_lost_was_placed_if_it_ended(phone: Phone, installation: Any) -> None:
    phone.plan()
    phone.stands(1, State.UNCERTAIN)
    await phone.ended("answered_done")
    assert installation.states() == {call(1): "done"}
    [receipt] = installation.rows("receipts")
    assert receipt.adopted


async def test_an_end_in_the_future_is_not_believed(phone: Phone, installation: Any) -> None:
    phone.place()
    told = await phone.ended("busy", ended_at="2026-03-06T11:00:00Z")
    assert [one["path"] for one in told.body["problems"]] == ["data.ended_at"]


# -- ends that nobody tells of ---------------------------------------------------------------------------------------


async def test_a_call_whose_end_nobody_tells_of_is_a_colleagues(
    phone: Phone, installation: Any, handrail: Any, clock: Any
) -> None:
    phone.place()
    clock.go(hours=3.9)
    assert await follow_calls(handrail, run="sweep") == []
    clock.go(hours=0.2)
    assert await follow_calls(handrail, run="sweep") == [call(1)]
    task = installation.action(TASK)
    assert (task.planned_by, task.payload["params"]["why"]) == ("sweep", "call 1: nobody knows how it ended")
    assert phone.outcomes() == [("unknown", "nobody", "a colleague's task: nobody knows how it ended")]
    assert await follow_calls(handrail, run="sweep") == []


async def test_side_by_side_they_follow_a_call_once(phone: Phone, installation: Any, handrail: Any, clock: Any) -> None:
    phone.place()
    clock.go(hours=5)
    await asyncio.gather(*(follow_calls(handrail, run=f"sweep-{n}") for n in range(4)))
    assert len(phone.outcomes()) == 1
    assert sorted(installation.states()) == sorted([call(1), TASK])


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.FAILED])
async def test_what_may_not_have_rung_is_followed_elsewhere(
    phone: Phone, installation: Any, handrail: Any, clock: Any, state: State
) -> None:
    phone.plan()
    phone.stands(1, state)
    clock.go(hours=5)
    assert await follow_calls(handrail, run="sweep") == []
    assert not phone.outcomes()


@pytest.mark.parametrize("outcome", [word.value for word in CallOutcome])
async def test_what_is_told_too_late_is_written_down_and_calls_nobody(
    phone: Phone, installation: Any, handrail: Any, clock: Any, outcome: str
) -> None:
    phone.place()
    clock.go(hours=5)
    await follow_calls(handrail, run="sweep")
    told = await phone.ended(outcome)
    assert told.body["status"] == "accepted"
    [kept] = installation.rows("call_outcomes")
    assert (kept.outcome, kept.source) == (outcome, "standard")
    assert sorted(installation.states()) == sorted([call(1), TASK])
    assert phone.consent() is (False if outcome == "answered_declined" else None)


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["calls.kept", "enqueue.inserted", "calls.followed"])
async def test_death_while_following_a_call_changes_nothing_in_the_end(
    phone: Phone, installation: Any, handrail: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    phone.place()
    clock.go(hours=5)

    def die(name: str) -> None:
        if name == step:
            raise Died

    with monkeypatch.context() as patch:
        for module in ("services.calls", "store.ledger.enqueue"):
            patch.setattr(f"{module}.reached", die)
        with pytest.raises(Died):
            await follow_calls(handrail, run="sweep")
    await follow_calls(handrail, run="sweep")
    assert phone.outcomes() == [("unknown", "nobody", "a colleague's task: nobody knows how it ended")]
    assert sorted(installation.states()) == sorted([call(1), TASK])


@pytest.mark.parametrize("end", [State.CANCELLED, State.EXPIRED])
async def test_a_call_that_its_review_does_not_let_go_becomes_a_colleagues_task_once(
    phone: Phone, handrail: Any, end: State
) -> None:
    phone.plan(ask=Ask("expiry/subscription/call", (Rule.VIP,), Risk.LOW, 1, 0))
    assert await follow_withheld(handrail, run="sweep") == []
    phone.stands(1, end, way=())
    runs = await asyncio.gather(*(follow_withheld(handrail, run=f"sweep-{n}") for n in range(3)))
    assert [key for keys in runs for key in keys][:1] == [call(1)]
    assert await follow_withheld(handrail, run="again") == []
    [task] = [row for row in phone.installation.rows("actions") if row.kind == Kind.TASK]
    assert (task.key, task.state) == (TASK, State.READY)
    assert task.payload["params"]["why"] == "call 1: it was not made, its review did not let it go"
    assert not [row for row in phone.installation.rows("actions") if row.kind == Kind.TASK_NOTE]


async def test_a_call_without_a_review_that_ends_unmade_is_nobodys_task(phone: Phone, handrail: Any) -> None:
    phone.plan()
    phone.stands(1, State.CANCELLED, way=())
    assert await follow_withheld(handrail, run="sweep") == []


async def test_a_withheld_call_about_an_ending_that_is_over_is_nobodys_task(phone: Phone, handrail: Any) -> None:
    phone.plan(ask=Ask("expiry/subscription/call", (Rule.VIP,), Risk.LOW, 1, 0))
    phone.stands(1, State.CANCELLED, way=())
    phone.save(ENDS + timedelta(days=365))
    assert await follow_withheld(handrail, run="sweep") == []
    assert [row.key for row in phone.installation.rows("actions")] == [call(1)]


async def test_a_withheld_call_whose_task_came_to_nothing_before_gets_one_of_its_own(
    phone: Phone, handrail: Any
) -> None:
    phone.plan(2, ask=Ask("expiry/subscription/call", (Rule.VIP,), Risk.LOW, 1, 0))
    with phone.installation.database.write() as connection:
        enqueue(
            connection,
            [a_task(phone.installation.clock(), skip="not then")],
            About(),
            run="t",
            now=phone.installation.clock(),
        )
    phone.stands(2, State.EXPIRED, way=())
    assert await follow_withheld(handrail, run="sweep") == [call(2)]
    assert await follow_withheld(handrail, run="sweep") == []
    assert after_call_key("S-1", occurrence_of(ENDS), 2) in phone.installation.states()


async def test_the_next_call_to_a_vip_waits_for_a_review_as_the_first_did(
    installation: Any, deliver: Deliver, handrail: Any
) -> None:
    phone = Phone(installation, deliver, tier=Tier.VIP)
    phone.place()
    await phone.ended("no_answer")
    [again] = [row for row in installation.rows("actions") if row.key == call(2)]
    [review] = installation.rows("reviews")
    assert (again.state, again.review_id) == (State.AWAITING_REVIEW, review.id)
    assert (review.what, review.rules) == ("expiry/subscription/call", ["vip"])
