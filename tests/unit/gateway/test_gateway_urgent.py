"""Escalation end to end: what leaves the gateway right after the commit, and what follows when others misbehave."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import update

from domain.controls import EVERYTHING
from integrations.errors import NotSent, OutcomeUnknown
from services.controls import start, stop
from services.dispatch import WINDOW
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


async def test_it_leaves_at_once_however_rare_the_sweep(on_sqlite: Any, opened: Any, answer: Answer) -> None:
    """P8: the commit itself wakes dispatch. The rounds a gateway starts with may find the first, the next are far."""
    async with opened(on_sqlite, sweep_seconds=60, follow_seconds=60) as door:
        for number in (1, 2, 3):
            await asyncio.sleep(0.2)  # longer than the look after a window
            customer = {"ref": f"C-{number}", "email": f"c{number}@example.com"}
            await door.deliver(answer(customer=customer, response_id=f"r-{number}"), f"msg_{number}")
            await on_sqlite.settled(seconds=30)
    assert len(on_sqlite.effects()) == 6


async def test_a_flood_waits_in_the_ledger_not_in_memory(
    on_sqlite: Any, opened: Any, answer: Answer, eventually: Any
) -> None:
    """A desk that takes nothing for a while: a few windows are on their way to it, all else waits where it is safe."""
    released, windows, count = asyncio.Event(), 1, 80
    write = on_sqlite.ticketing.open_ticket

    async def slow(ticket: Any, *, key: str) -> Any:
        await released.wait()
        return await write(ticket, key=key)

    def held() -> int:
        return sum(row.state in {"claimed", "sending"} for row in on_sqlite.rows("actions"))

    on_sqlite.ticketing.open_ticket = slow
    async with opened(on_sqlite, urgent_windows=windows) as door:
        for number in range(count):
            customer = {"ref": f"C-{number}", "email": f"c{number}@example.com"}
            await door.deliver(answer(customer=customer, response_id=f"r-{number}"), f"msg_{number}")
        await eventually(lambda: len(on_sqlite.mail.effects) == count and held() >= windows, seconds=60)
        assert held() <= windows * WINDOW
        released.set()
        await on_sqlite.settled(seconds=60)
    assert len(on_sqlite.ticketing.effects) == count


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
    stop(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    await door.deliver(answer())
    first = installation.action(ACKNOWLEDGEMENT).payload["params"]["answer_by"]
    clock.go(hours=20)
    start(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    await installation.settled()
    second = installation.action(ACKNOWLEDGEMENT).payload["params"]["answer_by"]
    assert first < f"{clock():%Y-%m-%dT%H:%M:%SZ}" < second
    assert len(installation.mail.effects) == 1


async def test_acknowledgement_that_comes_too_late_is_not_sent(
    door: Any, installation: Any, answer: Answer, clock: Any
) -> None:
    stop(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    await door.deliver(answer())
    clock.go(hours=25)
    start(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    await installation.settled()
    assert installation.states() == {TICKET: "done", ACKNOWLEDGEMENT: "expired"}
    assert not installation.mail.calls
