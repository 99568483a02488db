"""What was planned about an ending, when it is sent: on today's facts, on data that passed its gate, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from endings_stage import ANNA, COVER, TASK, Endings, a_call, a_closing, a_note, a_task
from ledger_world import bound, check_audit
from sqlalchemy import event, update

from domain.actions import Capability, State
from domain.customers import Customer, Tier
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing
from domain.gates import DataSet, GateVerdict
from domain.planning import Payload
from integrations.ports import Task, TaskClosing, TaskNote
from services.replanning import replan_changed
from services.wiring import Handrail
from store import customers
from store.gates import event_gate
from store.ledger.enqueue import About
from store.ledger.rows import actions

FLAT = replace(COVER, kind=EntitlementKind.SUBSCRIPTION, product="Gold", value=Money(3_000, "EUR"))
"""Somebody of its owner's tier is called about it."""


async def _dispatch(handrail: Handrail, capability: Capability = Capability.CRM) -> None:
    await handrail.dispatcher.run_once(capability=capability, run="t")


@pytest.fixture
def anna(endings: Endings) -> int:
    """A customer whose cover ends in two weeks."""
    made = endings.customer()
    endings.save(made)
    return made


async def test_the_task_of_an_ending_tells_a_colleague_all_of_it(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    endings.put(a_task())
    await _dispatch(handrail)
    ((operation, key, task),) = endings.crm.effects
    assert (operation, key) == ("upsert_task", "expiry/E%2F1/2026-03-18/task")
    assert isinstance(task, Task)
    assert task.title == "Home 24: insurance policy ends on Wed 18 Mar 2026"
    assert (task.customer_ref, task.customer_name) == ("C-1", "Anna Nowak")
    assert (task.assignee, task.priority) == ("Renewals", "normal")
    assert task.due_at == datetime(2026, 3, 4, 17, tzinfo=UTC)  # today's end of work: 14 days is a horizon
    for told in ("14 days left", "1290.00 PLN a term, 303.15 EUR at risk", "Anna Nowak (C-1)", "+48601234567"):
        assert told in task.body


async def test_a_whole_window_is_told_from_one_look_at_what_ends(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    """Gathered for all at once; each gets its own."""
    names = [f"Home {number}" for number in range(2, 12)]
    for number, name in enumerate(names):
        endings.save(
            endings.customer(replace(ANNA, ref=f"D-{number}")), replace(COVER, ref=f"E-{number}", product=name)
        )
        endings.put(a_task(key=f"expiry/E-{number}/2026-03-18/task"), about=endings.about(f"E-{number}"))
    looks: list[str] = []

    @event.listens_for(handrail.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        looks.extend([statement] if "entitlements.product" in statement else [])

    await _dispatch(handrail)
    assert sorted(task.title.partition(":")[0] for _, _, task in endings.crm.effects) == sorted(names)
    assert len(looks) == 1


async def test_a_task_in_distress_goes_to_the_team_for_it_with_relief(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    with handrail.database.write() as connection:
        customers.set_tact_lock(connection, anna, "hardship", now=handrail.clock())
    endings.put(a_task())
    await _dispatch(handrail)
    ((_, _, task),) = endings.crm.effects
    assert task.assignee == "Customer Retention"
    assert "they are in distress (hardship): sell nothing. You may offer: monthly instead of yearly" in task.body


async def test_a_note_and_a_closing_name_the_task_and_come_after_it(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    endings.put(a_task(), a_note())
    await _dispatch(handrail)
    await _dispatch(handrail)
    endings.save(anna, replace(COVER, standing=Standing.CANCELLED))
    endings.put(a_closing("cancelled: nobody needs to be contacted"))
    await _dispatch(handrail)
    assert [operation for operation, _, _ in endings.crm.effects] == ["upsert_task", "add_task_note", "close_task"]
    _, (_, _, note), (_, key, closed) = endings.crm.effects
    assert isinstance(note, TaskNote)
    assert (note.task_key, note.customer_ref, note.priority) == (TASK, "C-1", "high")
    assert "ends on Wed 18 Mar 2026, 14 days left; it was neither renewed nor cancelled" in note.text
    assert key == f"{TASK}/close"
    assert closed == TaskClosing(TASK, "cancelled: nobody needs to be contacted")


CHANGES: dict[str, Callable[[Entitlement], Entitlement]] = {
    "end date": lambda it: replace(it, ends_on=date(2026, 3, 20), occurrence="2026-03-20"),
    "state": lambda it: replace(it, standing=Standing.CANCELLED),
    "auto-renew": lambda it: replace(it, auto_renews=True),
    "product": lambda it: replace(it, product="Home 36"),
    "value": lambda it: replace(it, value=Money(300_000, "PLN")),
}


@pytest.mark.parametrize("fact", [*CHANGES, "customer"])
async def test_wrong_airport_a_task_planned_on_a_fact_that_changed_is_not_sent_but_planned_anew(
    endings: Endings, anna: int, handrail: Handrail, fact: str
) -> None:
    """P12: what a plan rests on is looked at once more under the locks of arming, whichever fact it is."""
    endings.put(a_task())
    before = bound(endings.installation, TASK)
    if fact == "customer":
        bert = Customer("C-2", name="Bert", tier=Tier.VIP, dedicated_agent="agent-7")
        endings.save(endings.customer(bert), replace(COVER, customer_ref="C-2"))
    else:
        endings.save(anna, CHANGES[fact](COVER))

    await _dispatch(handrail)

    assert endings.crm.calls == []
    assert endings.installation.action(TASK).state == State.PLANNED
    assert endings.installation.action(TASK).reason == "changed since it was planned: entitlement"
    assert replan_changed(handrail.database, handrail.policy, run="t", now=handrail.clock()) == [TASK]
    await _dispatch(handrail)
    sent = [task for _, _, task in endings.crm.effects]
    if fact in {"end date", "state", "auto-renew"}:
        assert sent == []
        assert endings.installation.action(TASK).state == State.SKIPPED
    else:
        (task,) = sent
        assert {
            "product": task.title.startswith("Home 36"),
            "value": "3000.00 PLN" in task.body,
            "customer": (task.customer_ref, task.assignee) == ("C-2", "agent-7"),
        }[fact]
        assert bound(endings.installation, TASK)["entitlement"] > before["entitlement"]
        assert endings.installation.action(TASK).gate_id == endings.about().gate_id
    check_audit(handrail.database)


@pytest.mark.parametrize("fact", CHANGES)
async def test_wrong_airport_a_call_planned_on_a_fact_that_changed_is_not_made(
    endings: Endings, handrail: Handrail, fact: str
) -> None:
    """P12: the same of calls."""
    anna = endings.customer(replace(ANNA, window=None))
    endings.save(anna, FLAT)
    endings.put(a_call())
    endings.save(anna, CHANGES[fact](FLAT))
    endings.installation.clock.go(hours=5)  # 17:00 in Warsaw: the hours of those who stated none
    await _dispatch(handrail, Capability.VOICE)
    assert endings.installation.vendors[Capability.VOICE].calls == []
    assert endings.installation.action(a_call().key).state == State.PLANNED


async def test_a_renewal_between_plan_and_send_contacts_nobody(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    endings.put(a_task(), a_note(), a_call())
    endings.save(anna, replace(COVER, ends_on=date(2027, 3, 18), occurrence="2027-03-18"))
    endings.installation.clock.go(hours=5)
    for _ in range(3):
        await send()
    reason = "renewed until 2027-03-18: nobody needs to be contacted"
    stand = {row.key: (row.state, row.reason) for row in endings.installation.rows("actions")}
    assert stand == {
        TASK: (State.SKIPPED, reason),
        a_call().key: (State.SKIPPED, reason),
        f"{TASK}/14": (State.SKIPPED, "the task it belongs to was never made"),
    }
    assert endings.installation.effects() == []
    check_audit(handrail.database)


async def test_a_task_that_is_still_due_is_as_pressing_as_it_is_when_planned_anew(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    """Planned at 45 days, planned anew at three: its horizon and priority are today's."""
    endings.put(a_task())
    endings.save(anna, replace(COVER, product="Home 36"))
    endings.installation.clock.go(days=11)
    endings.gate()
    await send()
    row = endings.installation.action(TASK)
    assert row.state == State.DONE
    assert row.payload["params"] == {"horizon": 3, "priority": "critical", "confidentiality": "confidential"}
    assert "3 days left" in endings.crm.effects[0][2].body


async def test_an_ending_that_moves_later_than_its_horizons_waits_for_them(
    endings: Endings, handrail: Handrail, send: Any
) -> None:
    """The estimate of a supply moves, its occurrence stays."""
    supply = replace(COVER, kind=EntitlementKind.SUPPLY, occurrence="after-2026-02-01", ends_on=date(2026, 3, 6))
    anna = endings.customer(replace(ANNA, phone=None))
    endings.save(anna, supply)
    task = a_task(key="expiry/E%2F1/after-2026-02-01/task")
    endings.put(task)
    endings.save(anna, replace(supply, ends_on=date(2026, 3, 20)))
    await send()
    row = endings.installation.action(task.key)
    assert (row.state, row.reason) == (State.READY, "not due before 7 days are left")
    assert row.due_at == datetime(2026, 3, 12, 23, tzinfo=UTC)  # midnight in Warsaw
    assert endings.crm.calls == []


async def test_a_task_of_an_ending_that_is_over_is_not_sent(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    endings.put(a_task())
    endings.save(anna, replace(COVER, product="Home 36"))
    endings.installation.clock.go(days=15)
    endings.gate()
    await send()
    row = endings.installation.action(TASK)
    assert (row.state, row.reason) == (State.SKIPPED, "it ended on 2026-03-18: too late for this")


async def test_an_ending_worth_less_than_a_person_by_now_gets_no_task(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    endings.put(a_task())
    endings.save(anna, replace(COVER, value=Money(500, "EUR")))
    await send()
    row = endings.installation.action(TASK)
    assert row.state == State.SKIPPED
    assert row.reason == "worth less than the cheapest way left to reach them: a colleague costs 9.00 EUR"


async def test_a_closing_that_is_needed_no_more_is_not_sent(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    """The cancellation is taken back before the task is closed."""
    endings.put(a_task())
    await _dispatch(handrail)
    endings.save(anna, replace(COVER, standing=Standing.CANCELLED))
    endings.put(a_closing())
    endings.save(anna, COVER)
    await send()
    row = endings.installation.action(f"{TASK}/close")
    assert (row.state, row.reason) == (State.SKIPPED, "the task is needed again")
    assert [operation for operation, _, _ in endings.crm.effects] == ["upsert_task"]


async def test_a_closing_says_todays_reason(endings: Endings, anna: int, handrail: Handrail, send: Any) -> None:
    endings.put(a_task())
    await _dispatch(handrail)
    endings.save(anna, replace(COVER, standing=Standing.CANCELLED))
    endings.put(a_closing("cancelled"))
    endings.save(anna, replace(COVER, ends_on=date(2027, 3, 18), occurrence="2027-03-18"))
    await send()
    assert endings.crm.effects[-1][2].reason == "renewed until 2027-03-18: nobody needs to be contacted"


@pytest.mark.parametrize("changes", [False, True], ids=["as planned", "planned anew"])
async def test_the_task_of_an_erased_customer_is_closed_and_nothing_else_is_told(
    endings: Endings, anna: int, handrail: Handrail, send: Any, changes: bool
) -> None:
    """P27: colleagues are not left with a task about somebody who asked to be forgotten."""
    endings.put(a_task())
    await _dispatch(handrail)
    with handrail.database.write() as connection:
        customers.erase(connection, anna, now=handrail.clock())
    endings.put(a_note(), a_closing("the customer was erased"))
    if changes:
        endings.save(anna, replace(COVER, product="Home 36"))
    await send()
    assert endings.installation.states() == {
        TASK: State.DONE,
        f"{TASK}/14": State.SKIPPED,
        f"{TASK}/close": State.DONE,
    }
    assert endings.crm.effects[1:] == [
        ("close_task", f"{TASK}/close", TaskClosing(TASK, "the customer was erased")),
    ]


def lock(handrail: Handrail, anna: int) -> None:
    with handrail.database.write() as connection:
        customers.set_tact_lock(connection, anna, "bereavement", now=handrail.clock())


def withdraw(handrail: Handrail, anna: int) -> None:
    with handrail.database.write() as connection:
        customers.set_consent(connection, anna, "reminders", "voice", granted=False, now=handrail.clock())


def suppress(handrail: Handrail, anna: int) -> None:
    with handrail.database.write() as connection:
        customers.suppress(connection, "voice", "+48601234567", "complaint", now=handrail.clock())


@pytest.mark.parametrize(
    ("happens", "why", "team"),
    [
        (lock, "tact lock: nothing but a person may get in touch", "Customer Retention"),
        (withdraw, "no consent to calls for reminders", "Renewals"),
        (suppress, "no phone number on file that may be called", "Renewals"),
    ],
)
async def test_a_call_that_may_not_be_made_any_more_becomes_a_colleagues_task(
    endings: Endings,
    handrail: Handrail,
    send: Any,
    happens: Callable[[Handrail, int], None],
    why: str,
    team: str,
) -> None:
    """P7: nothing rings; the ending is not forgotten either."""
    anna = endings.customer()
    endings.save(anna, FLAT)
    endings.put(a_call())
    happens(handrail, anna)
    endings.installation.clock.go(hours=5)
    await send()
    await send()
    assert endings.installation.vendors[Capability.VOICE].calls == []
    call, task = endings.installation.action(a_call().key), endings.installation.action(TASK)
    assert (call.state, call.reason) == (State.SKIPPED, why)
    assert (task.state, task.customer_id, task.entitlement_id) == (State.DONE, anna, endings.about().entitlement_id)
    assert task.gate_id == endings.about().gate_id
    ((_, key, told),) = endings.crm.effects
    assert (key, told.assignee, told.priority) == (TASK, team, "high")
    check_audit(handrail.database)


async def test_a_call_that_may_have_been_made_already_is_left_to_a_person(
    endings: Endings, handrail: Handrail, send: Any
) -> None:
    """Its answer was lost and now there is a lock: neither called again nor told that it was not made."""
    anna = endings.customer()
    endings.save(anna, FLAT)
    endings.put(a_call())
    with handrail.database.write() as connection:
        rows = endings.installation.rows("actions")
        for state in (State.CLAIMED, State.SENDING, State.UNCERTAIN, State.READY):
            _force(connection, rows[0].id, state)
    lock(handrail, anna)
    endings.installation.clock.go(hours=5)
    await send()
    assert endings.installation.action(a_call().key).state == State.NEEDS_HUMAN
    assert list(endings.installation.states()) == [a_call().key]


def _force(connection: Any, action_id: int, state: State) -> None:
    connection.execute(update(actions).where(actions.c.id == action_id).values(state=state, fence=actions.c.fence + 1))


async def test_a_call_too_confidential_for_its_channel_by_now_becomes_a_task(
    endings: Endings, anna: int, handrail: Handrail, send: Any
) -> None:
    """The cover of a policy is confidential; somebody planned a call about it all the same."""
    params = {"horizon": 14, "priority": "normal", "confidentiality": "confidential"}
    endings.put(a_call(payload=Payload("expiry-call/1", params)))
    endings.installation.clock.go(hours=5)
    await send()
    await send()
    assert endings.installation.vendors[Capability.VOICE].calls == []
    row = endings.installation.action(a_call().key)
    assert (row.state, row.reason) == (State.SKIPPED, "it is confidential, and a call carries personal at most")
    assert endings.installation.action(TASK).state == State.DONE


@pytest.mark.parametrize(
    ("verdict", "approved_by", "state"),
    [
        (GateVerdict.PASS, None, State.DONE),
        (GateVerdict.WARNINGS, None, State.DONE),
        (GateVerdict.HALT, None, State.NEEDS_HUMAN),
        (GateVerdict.HALT, "ola", State.DONE),
    ],
)
async def test_nothing_is_done_because_of_a_batch_that_failed_its_gate(
    endings: Endings, handrail: Handrail, verdict: GateVerdict, approved_by: str | None, state: State
) -> None:
    """P20: unless a person let the batch through."""
    gate_id = endings.gate(verdict, approved_by=approved_by)
    endings.save(endings.customer(), gate_id=gate_id)
    endings.put(a_task())
    await _dispatch(handrail)
    row = endings.installation.action(TASK)
    assert row.state == state
    assert len(endings.crm.effects) == (state == State.DONE)
    if state == State.NEEDS_HUMAN:
        assert row.reason == f"the data it rests on was halted at its gate (gate {gate_id})"


async def test_nothing_is_done_because_of_data_that_came_through_no_gate(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    """P20."""
    endings.put(a_task(), about=replace(endings.about(), gate_id=None))
    await _dispatch(handrail)
    row = endings.installation.action(TASK)
    assert (row.state, row.reason) == (State.NEEDS_HUMAN, "the data it rests on came through no gate")
    assert endings.crm.calls == []


async def test_nothing_is_done_because_of_stale_data_until_it_comes_anew(
    endings: Endings, anna: int, handrail: Handrail
) -> None:
    """P20: the feed is late; neither a halted batch makes it fresh, nor one of another feed, nor a repaired row."""
    endings.put(a_task())
    endings.installation.clock.go(hours=48, minutes=1)
    endings.gate(GateVerdict.HALT)
    endings.gate(feed="subscriptions")
    endings.gate(origin="quarantine/7")
    with handrail.database.write() as connection:
        event_gate(connection, DataSet.ENTITLEMENTS, "policies", now=handrail.clock(), run="t")
    await _dispatch(handrail)
    row = endings.installation.action(TASK)
    assert row.state == State.READY
    assert row.reason == (
        "stale: imported entitlements last passed their gate 2026-03-04 11:00 UTC, more than 48 hours ago"
    )
    assert row.due_at == datetime(2026, 3, 6, 12, 1, tzinfo=UTC)
    await _dispatch(handrail)
    assert endings.crm.calls == []
    endings.gate()
    endings.installation.clock.go(hours=1)
    await _dispatch(handrail)
    assert endings.installation.action(TASK).state == State.DONE


async def test_a_row_that_a_person_repaired_is_as_fresh_as_its_replay_where_no_whole_batch_ever_passed(
    endings: Endings, handrail: Handrail
) -> None:
    endings.save(endings.customer(), gate_id=endings.gate(origin="quarantine/7"))
    endings.put(a_task())
    endings.installation.clock.go(hours=48)
    await _dispatch(handrail)
    assert endings.installation.action(TASK).state == State.DONE


async def test_what_is_about_no_ending_asks_for_no_gate(endings: Endings, anna: int, handrail: Handrail) -> None:
    work = {"title": "Call her", "body": "now", "assignee": "agent-7", "priority": "high"}
    endings.put(a_task(key="k", payload=Payload("task/1", work), facts=frozenset()), about=About(customer_id=anna))
    await _dispatch(handrail)
    assert endings.installation.action("k").state == State.DONE


async def test_calls_of_those_who_stated_no_hours_wait_for_their_tiers_hours(
    endings: Endings, handrail: Handrail
) -> None:
    endings.save(endings.customer(), FLAT)
    endings.put(a_call())
    await _dispatch(handrail, Capability.VOICE)
    row = endings.installation.action(a_call().key)
    assert (row.state, row.due_at) == (State.READY, datetime(2026, 3, 4, 15, tzinfo=UTC))  # 16:00 in Warsaw
    assert "outside the contact window until 16:00" in row.reason
