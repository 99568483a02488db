"""The dispatcher against fakes: what goes out, what comes back, and that one bad row spoils nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import update

from domain.actions import Capability, State
from domain.controls import EVERYTHING
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Health, Mail, Receipt, Ticket
from services import dispatch, flight
from services.controls import start, stop
from services.dispatch_report import DispatchReport
from services.health import check_integrations
from services.recovery import sweep
from services.wiring import Handrail
from store.customers import erase
from store.ledger.rows import actions, customers

MAIL, TICKETING, SMS = Capability.MAIL, Capability.TICKETING, Capability.SMS
WHO = ("ticketing via fake", "what", "remedy")
Answered = Callable[..., tuple[str, str]]


async def _dispatch(handrail: Handrail, capability: Capability = TICKETING, **how: Any) -> DispatchReport:
    return await handrail.dispatcher.run_once(capability=capability, run="run-1", **how)


def _many(answered: Answered, count: int) -> list[str]:
    return [answered(f"C-{number:03}")[0] for number in range(count)]


async def test_a_bad_answer_reaches_the_desk_and_the_customer(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, acknowledgement = answered("C-1")
    reports = [await _dispatch(handrail, capability) for capability in (TICKETING, MAIL)]
    assert [report.words() for report in reports] == ["ticketing via fake: 1 done", "mail via fake: 1 done"]
    ((_, key, opened),) = installation.ticketing.effects
    assert isinstance(opened, Ticket)
    assert (key, opened.customer_ref, opened.priority) == (ticket, "C-1", "critical")
    assert opened.context["said"][0]["words"] == "late again"
    ((_, key, said),) = installation.mail.effects
    assert isinstance(said, Mail)
    assert (key, said.to) == (acknowledgement, "c-1@example.com")
    assert "C-1-1" in said.text
    assert [(row.integration, row.external_id) for row in installation.rows("receipts")] == [
        ("ticketing via fake", "fake-1"),
        ("mail via fake", "fake-1"),
    ]
    assert installation.action(ticket).dispatched_by == "run-1"
    check_audit(installation.database)


async def test_dispatching_again_does_nothing(installation: Any, handrail: Handrail, answered: Answered) -> None:
    answered()
    for _ in range(3):
        await _dispatch(handrail)
    assert len(installation.ticketing.calls) == 1


async def test_what_was_planned_a_moment_ago_is_the_gateways(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, _ = answered()
    installation.clock.go(seconds=dispatch.GATEWAYS.total_seconds() - 1)
    assert (await _dispatch(handrail, gateways=dispatch.GATEWAYS)).taken == 0
    installation.clock.go(seconds=1)
    assert (await _dispatch(handrail, gateways=dispatch.GATEWAYS)).taken == 1
    assert installation.action(ticket).state == State.DONE


async def test_a_dispatch_of_which_nothing_could_go_out_ends_at_once(installation: Any, answered: Answered) -> None:
    """Rows of somebody erased are not armed: the last that comes back is the look for more."""
    async with installation.handrail(lease_seconds=240) as handrail:
        answered()
        with installation.database.write() as connection:
            erase(connection, connection.execute(customers.select()).one().id, now=installation.clock())
        async with asyncio.timeout(20):
            report = await _dispatch(handrail)
    assert (report.taken, installation.ticketing.calls) == (1, [])


async def test_more_than_a_window_is_sent_window_by_window(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    keys = _many(answered, 70)
    report = await _dispatch(handrail)
    assert (report.taken, report.done) == (70, 70)
    assert sorted(key for _, key in installation.effects()) == keys


async def test_a_limit_a_choice_of_keys_and_what_is_urgent(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    keys = _many(answered, 8)
    assert (await _dispatch(handrail, limit=3)).taken == 3
    assert (await _dispatch(handrail, keys=keys[6:])).done == 2
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == keys[4]).values(urgent=False, lane="normal"))
    assert (await _dispatch(handrail, urgent_only=True)).done == 2
    assert installation.states()[keys[4]] == "ready"


async def test_a_capability_that_nobody_serves_says_so(handrail: Handrail) -> None:
    report = await _dispatch(handrail, Capability.CRM)
    assert report.words() == "crm: nobody serves it (integrations.yaml)"


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (NotSent(*WHO), "ready"),
        (AuthFailed(*WHO), "ready"),
        (RateLimited(*WHO, retry_after=9), "ready"),
        (Rejected(*WHO, status=400), "failed"),
        (OutcomeUnknown(*WHO), "uncertain"),
        (ZeroDivisionError("a bug in an adapter"), "uncertain"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_each_end_of_a_send_is_recorded(
    installation: Any, handrail: Handrail, answered: Answered, problem: Exception, state: str
) -> None:
    keys = _many(answered, 3)
    installation.ticketing.script(None, problem)
    report = await _dispatch(handrail)
    ends = [installation.states()[key] for key in keys]
    assert sorted(ends) == sorted(["done", "done", state])
    assert report.done == 2
    assert report.waiting_for_people == (state == "failed")
    assert "what" in (reason := installation.action(keys[ends.index(state)]).reason) or "a bug" in reason


async def test_a_row_that_cannot_be_prepared_spoils_nobody(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    """Its payload is not what its kind needs: surely nothing was sent, it is bounded and visible; the others go."""
    keys = _many(answered, 5)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == keys[2]).values(payload={"schema": "ticket/0"}))
    for _ in range(handrail.policy.retry.max_attempts + 1):
        await _dispatch(handrail)
        installation.clock.go(minutes=30)
    states = installation.states()
    assert [states[key] for key in keys] == ["done", "done", "failed", "done", "done"]
    assert len(installation.ticketing.calls) == 4


async def test_a_silent_vendor_opens_its_breaker_and_nothing_more_is_sent_until_a_probe(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BULK_WINDOW", 8)
    _many(answered, 40)
    installation.ticketing.script(*(OutcomeUnknown(*WHO) for _ in range(99)))
    await _dispatch(handrail)
    sent = len(installation.ticketing.calls)
    assert sent <= flight.WINDOWS * dispatch.BULK_WINDOW
    installation.clock.go(seconds=1)
    assert (await _dispatch(handrail)).taken == 0
    installation.ticketing.health = Health(ok=True, latency_ms=3)
    installation.ticketing._script.clear()
    await check_integrations(handrail, run="probe")
    installation.clock.go(minutes=2)  # what was reserved already when the breaker opened waits for the next probe
    assert (await _dispatch(handrail)).done == 40 - sent


@pytest.mark.parametrize("asked", [RateLimited, OutcomeUnknown], ids=["429", "503"])
async def test_a_vendor_that_asks_to_wait_is_left_alone(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch, asked: type[RateLimited]
) -> None:
    monkeypatch.setattr(dispatch, "BULK_WINDOW", 8)
    keys = _many(answered, 40)
    installation.ticketing.script(asked(*WHO, retry_after=60))
    await _dispatch(handrail)
    calls = len(installation.ticketing.calls)
    assert calls <= flight.WINDOWS * dispatch.BULK_WINDOW
    installation.clock.go(seconds=59)
    assert (await _dispatch(handrail)).taken == 0
    installation.clock.go(seconds=1)
    await sweep(handrail, run="sweeper")
    await _dispatch(handrail)
    assert set(installation.states()[key] for key in keys) == {"done"}


async def test_nothing_is_sent_while_everything_is_stopped(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    answered()
    stop(installation.database, EVERYTHING, by="anna", reason="r", now=installation.clock())
    assert (await _dispatch(handrail)).taken == 0
    start(installation.database, EVERYTHING, by="anna", reason="r", now=installation.clock())
    assert (await _dispatch(handrail)).done == 1


async def test_an_address_that_changed_is_never_written_to(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    """P12: planned for one address, another on file when it would be sent: made anew for that one."""
    _, acknowledgement = answered("C-1", name="Anna")
    with installation.database.write() as connection:
        connection.execute(
            update(customers).values(email="new@example.com", name="Anna Nowak", version=customers.c.version + 1)
        )
    report = await _dispatch(handrail, MAIL)
    assert report.counts == {"replanned": 1}
    assert installation.mail.calls == []

    await sweep(handrail, run="sweeper")
    assert (await _dispatch(handrail, MAIL)).done == 1
    ((_, key, said),) = installation.mail.effects
    assert (key, said.to) == (acknowledgement, "new@example.com")
    assert "Anna Nowak" in said.text
    assert installation.action(acknowledgement).revision == 2


class Watched:
    """A port that notes how many are inside, and lets a test decide when they come back."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.inside, self.most, self.gate = inner, 0, 0, asyncio.Event()
        self.gate.set()

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.gate.wait()
        await asyncio.sleep(0)
        self.inside -= 1
        return await self._inner.open_ticket(ticket, key=key)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Nothing to close."""


async def _watched(installation: Any, handrail: Handrail) -> Watched:
    from dataclasses import replace

    configured = handrail.roster.of(TICKETING)
    assert configured is not None
    port = Watched(installation.ticketing)
    handrail.roster._configured[TICKETING] = replace(configured, port=port)
    return port


async def test_a_window_is_sent_side_by_side(installation: Any, handrail: Handrail, answered: Answered) -> None:
    port = await _watched(installation, handrail)
    _many(answered, 10)
    port.gate.clear()
    sending = asyncio.create_task(_dispatch(handrail))
    async with asyncio.timeout(30):
        while port.inside < 10:
            await asyncio.sleep(0)
    port.gate.set()
    assert (await sending).done == 10


async def test_rows_of_the_dead_run_one_by_one_beside_nobody(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    port = await _watched(installation, handrail)
    keys = _many(answered, 6)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key.in_(keys[:4])).values(lane="alone"))
    port.gate.clear()
    together = asyncio.create_task(_dispatch(handrail))
    while port.inside < 2:
        await asyncio.sleep(0)
    alone = asyncio.create_task(handrail.dispatcher.run_alone(capability=TICKETING, run="run-2"))
    async with asyncio.timeout(30):
        while not handrail.dispatcher._solitude._waiting:
            assert port.inside == 2
            await asyncio.sleep(0.001)
    port.most = 0
    port.gate.set()
    done = [await task for task in (together, alone)]
    assert port.most <= 1
    assert sum(report.done for report in done) == 6


async def test_what_dead_workers_had_only_reserved_goes_in_windows_beside_nobody(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    port = await _watched(installation, handrail)
    keys = _many(answered, 12)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key.in_(keys[:10])).values(lane="apart"))
    port.gate.clear()
    together = asyncio.create_task(_dispatch(handrail))
    while port.inside < 2:
        await asyncio.sleep(0)
    apart = asyncio.create_task(handrail.dispatcher.run_alone(capability=TICKETING, run="run-2"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert port.inside == 2  # it waits until nobody else is there
    port.gate.set()
    done = [await task for task in (together, apart)]
    assert sum(report.done for report in done) == 12
    assert port.most == 10


async def test_a_worker_stopped_too_long_after_arming_does_not_open_the_socket(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It woke up when its lease may be over: what it armed goes back, surely unsent."""
    ticket, _ = answered()
    real, asleep = time.monotonic, [0.0]
    prepare = handrail.dispatcher._sender.prepare

    async def slow(*what: Any) -> Any:
        call = await prepare(*what)
        asleep[0] = handrail.settings.lease_seconds / 2 + 0.1
        return call

    monkeypatch.setattr(dispatch.time, "monotonic", lambda: real() + asleep[0])
    monkeypatch.setattr(handrail.dispatcher._sender, "prepare", slow)
    report = await _dispatch(handrail)
    assert installation.ticketing.calls == []
    assert report.counts == {"retried": 1}
    assert (installation.states()[ticket], installation.action(ticket).attempts) == ("ready", 1)


async def test_a_result_that_comes_after_its_lease_is_counted_as_stale(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    port = await _watched(installation, handrail)
    ticket, _ = answered()
    port.gate.clear()
    sending = asyncio.create_task(_dispatch(handrail))
    while not port.inside:
        await asyncio.sleep(0)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == ticket).values(state=State.UNCERTAIN))
    port.gate.set()
    assert (await sending).counts == {"stale": 1}
    assert installation.states()[ticket] == "uncertain"


async def test_the_next_window_is_armed_while_the_last_is_on_its_way_and_no_third(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BULK_WINDOW", 4)
    port = await _watched(installation, handrail)
    _many(answered, 20)
    port.gate.clear()
    sending = asyncio.create_task(_dispatch(handrail))
    async with asyncio.timeout(30):
        while port.inside < 8:
            await asyncio.sleep(0)
    waiting = [state for state in installation.states().values() if state == "claimed"]
    assert (port.inside, len(waiting)) == (8, 12)
    port.gate.set()
    assert (await sending).done == 20
    assert port.most == 8


async def test_rows_that_wait_for_their_window_keep_their_lease(
    installation: Any, answered: Answered, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    """A slow vendor holds the windows in flight; what is reserved behind them must not be taken for a dead worker's."""
    monkeypatch.setattr(dispatch, "BULK_WINDOW", 1)
    keys = _many(answered, 4)
    async with installation.handrail(lease_seconds=4) as handrail:
        port = await _watched(installation, handrail)
        port.gate.clear()
        sending = asyncio.create_task(_dispatch(handrail))
        async with asyncio.timeout(30):
            while port.inside < 2:
                await asyncio.sleep(0)
        leases = {row.key: row.lease_until for row in installation.rows("actions") if row.state == "claimed"}
        assert set(leases) <= set(keys)
        assert len(leases) == 2
        await eventually(lambda: all(installation.action(key).lease_until > leases[key] for key in leases))
        port.gate.set()
        await sending
