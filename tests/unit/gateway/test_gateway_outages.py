"""When the outside misbehaves, or the gateway ends: nothing lost, nothing doubled but what is counted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ledger_world import check_audit

from domain.actions import WriteClass
from domain.controls import EVERYTHING
from integrations.errors import NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Health
from services.controls import start, stop
from services.urgent import UrgentDispatch

pytestmark = pytest.mark.slow  # together; each of them is quick

Answer = Callable[..., dict[str, Any]]

TICKET, ACKNOWLEDGEMENT = "case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"
PHONE_ONLY = {"ref": "C-1", "name": "Anna Nowak", "phone": "+48601234567", "language": "pl"}


def unreachable(name: str) -> NotSent:
    return NotSent(f"{name} via fake", "no route; nothing was sent", "is it up?")


def silent(name: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"{name} via fake", "no answer in time", "the ledger decides")


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
    await eventually(lambda: "sending" not in installation.states().values())  # what was armed before it opened
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

    async def looked(capability: Any, *arguments: Any, **how: Any) -> Any:
        rows = await take(capability, *arguments, **how)
        looks.append(capability)
        return rows

    stop(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    assert (await door.deliver(answer())).status_code == 202
    monkeypatch.setattr(dispatcher, "take", looked)
    await eventually(lambda: min(looks.count("mail"), looks.count("ticketing")) >= 3)
    assert not installation.effects()
    assert (await door.get("/readyz")).status_code == 200
    start(installation.database, EVERYTHING, by="anna", reason="test", now=clock())
    await installation.settled()
    assert len(installation.effects()) == 2


async def test_what_a_gateway_leaves_the_next_one_finishes(installation: Any, opened: Any, answer: Answer) -> None:
    stop(installation.database, EVERYTHING, by="anna", reason="test", now=installation.clock())
    async with opened(installation) as door:
        await door.deliver(answer())
    assert not installation.effects()
    start(installation.database, EVERYTHING, by="anna", reason="test", now=installation.clock())
    async with opened(installation):
        await installation.settled()
    assert len(installation.effects()) == 2


async def test_stopping_in_the_middle_finishes_what_was_armed_and_holds_nothing(
    installation: Any, opened: Any, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a clean stop no row is claimed or sending: the next gateway need not wait for a lease."""
    under_way, go_on = asyncio.Event(), asyncio.Event()
    write, stop = installation.mail.send_mail, UrgentDispatch.stop

    async def stopping(urgent: UrgentDispatch) -> None:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await stop(urgent)

    monkeypatch.setattr(UrgentDispatch, "stop", stopping)

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
    assert {row.state for row in installation.rows("actions")} <= {"done", "ready"}
    check_audit(installation.database)
