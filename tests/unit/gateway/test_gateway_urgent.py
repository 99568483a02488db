"""Escalation end to end: what leaves the gateway right after the commit, and what follows when others misbehave."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import update

from domain.actions import WriteClass
from integrations.errors import NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Health
from services.controls import set_stopped
from store import customers
from store.tables import metadata

pytestmark = pytest.mark.slow  # together; each of them is quick

Answer = Callable[..., dict[str, Any]]

TICKET, ACKNOWLEDGEMENT = "case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"
PHONE_ONLY = {"ref": "C-1", "name": "Anna Nowak", "phone": "+48601234567", "language": "pl"}


def unreachable(name: str) -> NotSent:
    return NotSent(f"{name} via fake", "no route; nothing was sent", "is it up?")


def silent(name: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"{name} via fake", "no answer in time", "the ledger decides")


async def test_ticket_carries_what_a_colleague_needs(door: Any, installation: Any, answer: Answer) -> None:
    await door.deliver(answer(kind="csat", score=1, response_id="r-0", comment="Nikt nie oddzwonił."), "msg_0")
    await installation.settled()
    (ticket,) = [value for operation, _, value in installation.ticketing.effects if operation == "open_ticket"]
    assert (ticket.priority, ticket.team) == ("critical", "Customer Retention")
    assert ticket.customer_ref == "C-1"
    assert "Nikt nie oddzwonił." in ticket.body
    assert ticket.context["customer"]["name"] == "Anna Nowak"
    assert ticket.context["said"][0]["score"] == 1


async def test_without_prefect_it_is_the_same(on_sqlite: Any, opened: Any, answer: Answer) -> None:
    """Prefect's address leads nowhere: the sender does not wait for it, and both effects leave."""
    async with opened(on_sqlite, prefect_api_url="http://127.0.0.1:9/api") as door:
        assert (await door.deliver(answer())).status_code == 202
        await on_sqlite.settled()
    assert len(on_sqlite.effects()) == 2


# -- a second bad answer ------------------------------------------------------------------------------------------


async def test_second_answer_joins_the_case_after_its_ticket(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    """The desk is down when both arrive: the note waits for the ticket, whatever its own due time."""
    installation.ticketing.script(*[unreachable("ticketing")] * 2)
    await door.deliver(answer(response_id="r-1", score=4), "msg_1")
    await door.deliver(answer(response_id="r-2", score=0, comment="Nadal nic."), "msg_2")
    await installation.settled()
    for _ in range(4):
        clock.go(seconds=10)
        await installation.settled()
    operations = [(operation, key) for operation, key, _ in installation.ticketing.calls]
    assert operations == [("open_ticket", TICKET)] * 3 + [("add_note", f"{TICKET}/standard/r-2")]
    note = installation.ticketing.effects[-1][2]
    assert "Nadal nic." in note.text
    assert (note.ticket_key, note.priority) == (TICKET, "critical")
    assert len(installation.mail.effects) == 2, "every answer has its own acknowledgement"
    assert len(installation.rows("cases")) == 1


async def test_two_at_once_open_one_case(door: Any, installation: Any, answer: Answer) -> None:
    await asyncio.gather(*(door.deliver(answer(response_id=f"r-{number}"), f"msg_{number}") for number in range(1, 7)))
    await installation.settled()
    assert [operation for operation, _, _ in installation.ticketing.calls] == ["open_ticket"] + ["add_note"] * 5
    assert len(installation.mail.effects) == 6
    assert len(installation.rows("cases")) == 1
    check_audit(installation.database)


async def test_note_leaves_as_soon_as_its_ticket_is_open(
    on_sqlite: Any, opened: Any, answer: Answer, eventually: Any
) -> None:
    """Not with the next sweep: that may be seconds away."""
    async with opened(on_sqlite, sweep_seconds=60) as door:
        await asyncio.gather(*(door.deliver(answer(response_id=f"r-{number}"), f"m{number}") for number in range(4)))
        await eventually(lambda: len(on_sqlite.ticketing.effects) == 4, seconds=5)


async def test_after_the_case_is_solved_the_next_answer_opens_another(
    door: Any, installation: Any, answer: Answer
) -> None:
    await door.deliver(answer(), "msg_1")
    await installation.settled()
    with installation.database.write() as connection:
        connection.execute(update(metadata.tables["cases"]).values(state="solved"))
    await door.deliver(answer(response_id="r-2"), "msg_2")
    await installation.settled()
    assert [key for _, key, _ in installation.ticketing.effects] == [TICKET, "case/C-1/2/ticket"]


# -- hours and channels -------------------------------------------------------------------------------------------

TWO_AT_NIGHT = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)  # 02:00 in Warsaw
MORNING = datetime(2026, 3, 5, 7, 0, tzinfo=UTC)  # 08:00 there


async def test_only_a_phone_at_night_ticket_at_once_text_in_the_morning(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    clock.now = TWO_AT_NIGHT
    await door.deliver(answer(customer=PHONE_ONLY))
    await installation.settled()
    assert installation.effects() == [("open_ticket", TICKET)]
    waiting = installation.action(ACKNOWLEDGEMENT)
    assert (waiting.state, waiting.due_at) == ("ready", MORNING)
    assert "quiet hours until 08:00" in waiting.reason
    clock.now = MORNING - timedelta(seconds=1)
    await installation.settled()
    assert not installation.sms.calls
    clock.now = MORNING
    await installation.settled()
    ((_, key, sms),) = installation.sms.effects
    assert (key, sms.to, sms.language) == (ACKNOWLEDGEMENT, "+48601234567", "pl")
    assert not installation.mail.calls


async def test_preferred_text_message_by_day_and_mail_by_night(
    door: Any, installation: Any, answer: Answer, clock: Any, on_file: Any
) -> None:
    for ref in ("C-1", "C-2"):
        on_file(ref, email=f"{ref}@example.com", phone="+48601234567", preferred_channel="sms")
    await door.deliver(answer(customer={"ref": "C-1"}), "msg_1")
    await installation.settled()
    assert (len(installation.sms.effects), len(installation.mail.effects)) == (1, 0)
    clock.now = TWO_AT_NIGHT
    await door.deliver(answer(customer={"ref": "C-2"}, response_id="r-2"), "msg_2")
    await installation.settled()
    assert (len(installation.sms.effects), len(installation.mail.effects)) == (1, 1)


async def test_night_is_the_customers_own(door: Any, installation: Any, answer: Answer, clock: Any) -> None:
    """02:00 in Warsaw is morning in Tokyo and evening in Chicago."""
    clock.now = TWO_AT_NIGHT
    for number, zone in enumerate(["Asia/Tokyo", "America/Chicago", "Europe/Prague", "America/Los_Angeles"]):
        customer = {**PHONE_ONLY, "ref": f"C-{number}", "time_zone": zone}
        await door.deliver(answer(customer=customer, response_id=f"r-{number}"), f"msg_{number}")
    await installation.settled()
    gone = {sms.customer_ref for _, _, sms in installation.sms.effects}
    assert gone == {"C-0", "C-1", "C-3"}


# -- facts that change --------------------------------------------------------------------------------------------


async def test_facts_changed_before_sending_are_planned_anew(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    """The address is put right while the mail provider is down: nothing ever goes to the old one."""
    installation.mail.script(unreachable("mail"))
    await door.deliver(answer())
    await installation.settled()
    with installation.database.write() as connection:
        customer_id, before = customers.locked(connection, "C-1")
        moved = replace(before, email="new@example.com", language="cs")
        customers.save(connection, customer_id, before, moved, now=clock())
    clock.go(seconds=30)
    await installation.settled()
    ((_, _, mail),) = installation.mail.effects
    assert (mail.to, mail.language) == ("new@example.com", "cs")
    assert installation.action(ACKNOWLEDGEMENT).revision == 2
    check_audit(installation.database)


async def test_promised_time_that_passed_is_made_anew(door: Any, installation: Any, answer: Answer, clock: Any) -> None:
    """Mail was down for half a day: the message must not promise a time that is over."""
    set_stopped(installation.database, True, by="anna", reason="test", now=clock())
    await door.deliver(answer())
    first = installation.action(ACKNOWLEDGEMENT).payload["params"]["answer_by"]
    clock.go(hours=20)
    set_stopped(installation.database, False, by="anna", reason="test", now=clock())
    await installation.settled()
    second = installation.action(ACKNOWLEDGEMENT).payload["params"]["answer_by"]
    assert first < f"{clock():%Y-%m-%dT%H:%M:%SZ}" < second
    assert len(installation.mail.effects) == 1


async def test_acknowledgement_that_comes_too_late_is_not_sent(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    set_stopped(installation.database, True, by="anna", reason="test", now=clock())
    await door.deliver(answer())
    clock.go(hours=25)
    set_stopped(installation.database, False, by="anna", reason="test", now=clock())
    await installation.settled()
    assert installation.states() == {TICKET: "done", ACKNOWLEDGEMENT: "expired"}
    assert not installation.mail.calls


# -- an outside that misbehaves -----------------------------------------------------------------------------------


async def test_desk_down_acknowledgement_leaves_at_once_and_ticket_once_when_it_is_back(
    door: Any, installation: Any, answer: Answer, clock: Any, eventually: Any
) -> None:
    installation.ticketing.health = Health(ok=False, latency_ms=1, problem="down")
    installation.ticketing.script(*[unreachable("ticketing")] * 8)
    for number in range(8):
        customer = {"ref": f"C-{number}", "email": f"c{number}@example.com"}
        await door.deliver(answer(customer=customer, response_id=f"r-{number}"), f"msg_{number}")
    await eventually(lambda: len(installation.mail.effects) == 8)
    await eventually(lambda: breaker_of(installation, "ticketing via fake") == "open")
    assert not installation.ticketing.effects
    tried = len(installation.ticketing.calls)
    clock.go(seconds=20)
    await eventually(lambda: probed_at(installation, "ticketing via fake") == clock())
    assert len(installation.ticketing.calls) == tried, "sent into an open breaker"
    installation.ticketing.health = Health(ok=True, latency_ms=1)
    installation.ticketing._script.clear()
    for _ in range(3):
        clock.go(seconds=60)
        await installation.settled()
        await eventually(lambda: breaker_of(installation, "ticketing via fake") == "closed")
    await installation.settled()
    assert sorted(key for _, key, _ in installation.ticketing.effects) == [f"case/C-{n}/1/ticket" for n in range(8)]
    assert len(installation.mail.calls) == 8
    check_audit(installation.database)


def breaker_of(installation: Any, name: str) -> str:
    return str(next(row.breaker for row in installation.rows("integration_state") if row.name == name))


def probed_at(installation: Any, name: str) -> Any:
    return next(row.checked_at for row in installation.rows("integration_state") if row.name == name)


async def test_a_slow_desk_does_not_hold_up_the_acknowledgement(
    on_sqlite: Any, opened: Any, answer: Answer, eventually: Any
) -> None:
    released = asyncio.Event()
    write = on_sqlite.ticketing.open_ticket

    async def slow(ticket: Any, *, key: str) -> Any:
        await released.wait()
        return await write(ticket, key=key)

    on_sqlite.ticketing.open_ticket = slow
    async with opened(on_sqlite) as door:
        for number in range(40):  # more than a window
            customer = {"ref": f"C-{number}", "email": f"c{number}@example.com"}
            await door.deliver(answer(customer=customer, response_id=f"r-{number}"), f"msg_{number}")
        await eventually(lambda: len(on_sqlite.mail.effects) == 40)
        assert not on_sqlite.ticketing.effects
        released.set()
        await on_sqlite.settled()
    assert len(on_sqlite.ticketing.effects) == 40


async def test_lost_answer_of_a_ticket_is_repeated_under_its_key(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    installation.ticketing.script(("after", silent("ticketing")), silent("ticketing"))
    await door.deliver(answer())
    row = await in_time(installation, TICKET, "done")
    assert len(installation.ticketing.calls) == 3
    assert len(installation.ticketing.effects) == 1
    assert row.resends == 0, "repeating was safe, so it is no resend"


async def in_time(installation: Any, key: str, state: str) -> Any:
    """Let time fly until an action stands there; the action."""
    for _ in range(500):
        row = installation.action(key)
        if row.state == state:
            return row
        installation.clock.go(seconds=5)
        await asyncio.sleep(0.01)
    raise AssertionError(installation.states())


async def test_lost_acknowledgement_is_resent_once_counted_and_then_a_persons(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    installation.mail.script(("after", silent("mail")), ("after", silent("mail")))
    await door.deliver(answer())
    row = await in_time(installation, ACKNOWLEDGEMENT, "needs_human")
    assert row.resends == 1
    assert len(installation.mail.effects) == 2, "the first and the one resend"
    assert "may or may not have gone out" in row.reason
    assert installation.action(TICKET).state == "done"
    check_audit(installation.database)


async def test_lost_acknowledgement_whose_resend_is_confirmed_is_done(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    installation.mail.script(("after", silent("mail")))
    await door.deliver(answer())
    row = await in_time(installation, ACKNOWLEDGEMENT, "done")
    assert (row.resends, len(installation.mail.effects)) == (1, 2)


async def test_a_mail_provider_that_can_search_is_asked_before_a_person(
    on_sqlite: Any, opened: Any, answer: Answer, clock: Any
) -> None:
    on_sqlite.mail.vendor_class = WriteClass.C
    on_sqlite.mail.script(("after", silent("mail")))
    async with opened(on_sqlite) as door:
        await door.deliver(answer())
        await in_time(on_sqlite, ACKNOWLEDGEMENT, "done")
    assert len(on_sqlite.mail.effects) == 1
    assert [row.adopted for row in on_sqlite.rows("receipts") if row.integration == "mail via fake"] == [True]


async def test_refused_by_the_vendor_waits_for_a_person_and_harms_no_other(
    door: Any, installation: Any, answer: Answer
) -> None:
    installation.mail.script(Rejected("mail via fake", "refused with 422", "correct it", 422))
    await door.deliver(answer(), "msg_1")
    await in_time(installation, ACKNOWLEDGEMENT, "failed")
    await door.deliver(answer(response_id="r-2", customer={"ref": "C-2", "email": "b@example.com"}), "msg_2")
    await installation.settled()
    assert installation.action("survey/standard/r-2/acknowledgement").state == "done"
    assert len(installation.ticketing.effects) == 2


async def test_rate_limited_waits_as_long_as_the_vendor_asked(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    installation.mail.script(RateLimited("mail via fake", "refused with 429", "it waits", retry_after=90))
    await door.deliver(answer())
    await installation.settled()
    clock.go(seconds=89)
    await installation.settled()
    assert len(installation.mail.calls) == 1
    clock.go(seconds=2)
    await installation.settled()
    assert len(installation.mail.effects) == 1


# -- stopping and starting ----------------------------------------------------------------------------------------


async def test_stopped_by_the_kill_switch_nothing_leaves_and_nothing_is_lost(
    door: Any, installation: Any, answer: Answer, clock: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    dispatcher = door.client._transport.app.state.handrail.dispatcher
    take = dispatcher.take

    async def looked(capability: Any, *arguments: Any) -> Any:
        rows = await take(capability, *arguments)
        looks.append(capability)
        return rows

    set_stopped(installation.database, True, by="anna", reason="test", now=clock())
    assert (await door.deliver(answer())).status_code == 202
    monkeypatch.setattr(dispatcher, "take", looked)
    await eventually(lambda: min(looks.count("mail"), looks.count("ticketing")) >= 3)
    assert not installation.effects()
    assert (await door.get("/readyz")).status_code == 200
    set_stopped(installation.database, False, by="anna", reason="test", now=clock())
    await installation.settled()
    assert len(installation.effects()) == 2


async def test_what_a_gateway_leaves_the_next_one_finishes(installation: Any, opened: Any, answer: Answer) -> None:
    set_stopped(installation.database, True, by="anna", reason="test", now=installation.clock())
    async with opened(installation) as door:
        await door.deliver(answer())
    assert not installation.effects()
    set_stopped(installation.database, False, by="anna", reason="test", now=installation.clock())
    async with opened(installation):
        await installation.settled()
    assert len(installation.effects()) == 2


async def test_stopping_in_the_middle_finishes_what_was_armed_and_holds_nothing(
    installation: Any, opened: Any, answer: Answer, eventually: Any
) -> None:
    """After a clean stop no row is claimed or sending: the next gateway need not wait for a lease."""
    under_way, go_on = asyncio.Event(), asyncio.Event()
    write = installation.mail.send_mail

    async def slow(mail: Any, *, key: str) -> Any:
        under_way.set()
        await go_on.wait()
        return await write(mail, key=key)

    installation.mail.send_mail = slow
    async with opened(installation) as door:
        deliveries = [
            door.deliver(
                answer(customer={"ref": f"C-{n}", "email": f"c{n}@example.com"}, response_id=f"r-{n}"), f"m{n}"
            )
            for n in range(20)
        ]
        await asyncio.gather(*deliveries)
        await under_way.wait()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert {row.state for row in installation.rows("actions")} <= {"done", "ready"}
    check_audit(installation.database)
