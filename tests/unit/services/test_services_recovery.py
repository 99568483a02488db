"""Recovery with fakes: lost answers by write class, dead workers, plans made anew; one bad row stops nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import update

from domain.actions import Capability, State, WriteClass
from integrations.errors import OutcomeUnknown, Rejected, Unavailable
from integrations.ports import Receipt
from services.recovery import SweepReport, sweep
from services.wiring import Handrail
from store import crash_points
from store.ledger.rows import actions, customers

MAIL, TICKETING = Capability.MAIL, Capability.TICKETING
LOST = OutcomeUnknown("x via fake", "no answer", "wait")
APPLIED = ("after", LOST)
Answered = Callable[..., tuple[str, str]]


async def _round(handrail: Handrail, installation: Any, *, seconds: float = 120) -> SweepReport:
    """Time passes; recovery; dispatch of both."""
    installation.clock.go(seconds=seconds)
    report = await sweep(handrail, run="sweeper")
    for capability in (TICKETING, MAIL):
        await handrail.dispatcher.run_once(capability=capability, run="again")
    return report


async def _lose(handrail: Handrail, installation: Any, capability: Capability, *how: object) -> None:
    installation.vendors[capability].script(*how)
    await handrail.dispatcher.run_once(capability=capability, run="first")


@pytest.mark.parametrize("lost", [LOST, APPLIED], ids=["not applied", "applied"])
@pytest.mark.parametrize("safe", [WriteClass.A, WriteClass.B])
async def test_where_repeating_is_safe_it_arrives_once(
    installation: Any, handrail: Handrail, answered: Answered, safe: WriteClass, lost: object
) -> None:
    ticket, acknowledgement = answered()
    for vendor in (installation.ticketing, installation.mail):
        vendor.vendor_class = safe
    await _lose(handrail, installation, TICKETING, lost)
    await _lose(handrail, installation, MAIL, lost)
    assert installation.states() == {ticket: "uncertain", acknowledgement: "uncertain"}
    await _round(handrail, installation)
    assert installation.states() == {ticket: "done", acknowledgement: "done"}
    assert len(installation.effects()) == 2
    assert {row.resends for row in installation.rows("actions")} == {0}
    check_audit(installation.database)


async def test_a_refusal_of_what_may_be_out_already_is_reported_as_what_it_is(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, _ = answered()
    await _lose(handrail, installation, TICKETING, APPLIED)
    installation.clock.go(seconds=120)
    await sweep(handrail, run="sweeper")
    installation.ticketing.script(Rejected("x via fake", "no", "look", status=422))
    report = await handrail.dispatcher.run_once(capability=TICKETING, run="again")
    assert installation.states()[ticket] == "uncertain"
    assert (report.counts, report.waiting_for_people) == ({"uncertain": 1}, 0)


async def test_what_a_dying_recovery_held_is_taken_up_after_one_and_a_half_leases(
    installation: Any, answered: Answered
) -> None:
    class Died(BaseException):
        """The process, as far as this test goes."""

    def die(place: str) -> None:
        if place == "take-uncertain.committed":
            raise Died

    async with installation.handrail(lease_seconds=200) as handrail:  # long beside what a busy machine takes
        ticket, _ = answered()
        await _lose(handrail, installation, TICKETING, APPLIED)
        installation.clock.go(seconds=120)
        crash_points.watch(die)
        try:
            with pytest.raises(Died):
                await sweep(handrail, run="dies")
        finally:
            crash_points.watch(None)
        installation.clock.go(seconds=280)
        assert (await sweep(handrail, run="too early")).lines == []
        installation.clock.go(seconds=20)
        assert [line["action"] for line in (await sweep(handrail, run="sweeper")).lines] == [ticket]


async def test_an_answer_that_is_lost_again_and_again_goes_to_a_person(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, _ = answered()
    most = handrail.policy.retry.max_attempts
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == ticket).values(attempts=most - 2))
    await _lose(handrail, installation, TICKETING, *[LOST] * 9)
    for _ in range(4):
        await _round(handrail, installation, seconds=600)
    row = installation.action(ticket)
    assert (row.state, row.reason, row.attempts) == ("needs_human", f"no clear answer in {most} attempts", most)
    assert len(installation.ticketing.calls) == 2


@pytest.mark.parametrize("lost", [LOST, APPLIED], ids=["not applied", "applied"])
async def test_where_nobody_can_tell_an_acknowledgement_is_resent_once_and_counted(
    installation: Any, handrail: Handrail, answered: Answered, lost: object
) -> None:
    _, acknowledgement = answered()
    await _lose(handrail, installation, MAIL, lost, lost)
    await _round(handrail, installation)
    assert (installation.states()[acknowledgement], installation.action(acknowledgement).resends) == ("uncertain", 1)
    report = await _round(handrail, installation)
    assert installation.states()[acknowledgement] == "needs_human"
    assert report.waiting_for_people == 1
    for _ in range(3):
        await _round(handrail, installation)
    assert len(installation.mail.calls) == 2
    check_audit(installation.database)


async def test_where_nobody_can_tell_anything_else_goes_to_a_person(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, _ = answered()
    installation.ticketing.vendor_class = WriteClass.D
    await _lose(handrail, installation, TICKETING, APPLIED)
    for _ in range(3):
        await _round(handrail, installation)
    assert (installation.states()[ticket], len(installation.ticketing.calls)) == ("needs_human", 1)


class Lagging:
    """A searchable vendor whose search misses what was written in the last `lag` seconds, by the test's clock."""

    def __init__(self, inner: Any, clock: Callable[[], datetime], lag: float) -> None:
        self._inner, self._clock, self._lag = inner, clock, lag
        self._written: dict[str, datetime] = {}
        self.searches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open_ticket(self, ticket: Any, *, key: str) -> Receipt:
        self._written.setdefault(key, self._clock())
        return await self._inner.open_ticket(ticket, key=key)  # type: ignore[no-any-return]

    def clock_was_set(self, jump: timedelta) -> None:
        """Time at the vendor did not jump."""
        self._written = {key: at + jump for key, at in self._written.items()}

    async def find(self, operation: str, key: str) -> Receipt | None:
        self.searches += 1
        if (self._clock() - self._written[key]).total_seconds() < self._lag:
            return None
        return await self._inner.find(operation, key)  # type: ignore[no-any-return]


def _searchable(installation: Any, handrail: Handrail, lag: float) -> Lagging:
    installation.ticketing.vendor_class = WriteClass.C
    configured = handrail.roster.of(TICKETING)
    assert configured is not None
    port = Lagging(installation.ticketing, installation.clock, lag)
    handrail.roster._configured[TICKETING] = replace(configured, port=port, search_lag_seconds=lag)
    return port


@pytest.mark.parametrize("lag", [0, 5, 60])
async def test_what_the_vendor_has_is_found_and_adopted_however_slow_its_search(
    installation: Any, handrail: Handrail, answered: Answered, lag: float
) -> None:
    ticket, _ = answered()
    _searchable(installation, handrail, lag)
    await _lose(handrail, installation, TICKETING, APPLIED)
    for _ in range(40):
        await _round(handrail, installation, seconds=4)
    row = installation.action(ticket)
    assert (row.state, row.reason, row.verified_by, row.resends) == ("done", "found at the vendor", "sweeper", 0)
    assert len(installation.ticketing.effects) == 1
    assert [receipt.adopted for receipt in installation.rows("receipts") if receipt.action_id == row.id] == [True]


@pytest.mark.parametrize("lag", [0, 5, 60])
async def test_what_two_searches_did_not_find_is_repeated_once_then_looked_up_again(
    installation: Any, handrail: Handrail, answered: Answered, lag: float
) -> None:
    ticket, _ = answered()
    port = _searchable(installation, handrail, lag)
    await _lose(handrail, installation, TICKETING, LOST, APPLIED)
    for _ in range(80):
        await _round(handrail, installation, seconds=4)
    assert (installation.states()[ticket], installation.action(ticket).resends) == ("done", 1)
    assert (len(installation.ticketing.calls), len(installation.ticketing.effects)) == (2, 1)
    assert 3 <= port.searches <= 4


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(hours=1)], ids=["back", "ahead"])
async def test_a_clock_that_jumps_does_not_bring_the_second_search_forward(
    installation: Any, handrail: Handrail, answered: Answered, jump: timedelta
) -> None:
    ticket, _ = answered()
    port = _searchable(installation, handrail, lag=60)
    await _lose(handrail, installation, TICKETING, APPLIED)
    await _round(handrail, installation, seconds=10)
    assert port.searches == 1
    installation.clock.now += jump
    port.clock_was_set(jump)
    for _ in range(3):
        await _round(handrail, installation, seconds=5)
    assert port.searches == 1
    await _round(handrail, installation, seconds=60)
    assert (port.searches, installation.states()[ticket]) == (2, "done")
    assert len(installation.ticketing.effects) == 1


async def test_a_search_that_fails_decides_nothing(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, _ = answered()
    port = _searchable(installation, handrail, lag=5)
    await _lose(handrail, installation, TICKETING, APPLIED)

    async def silent(operation: str, key: str) -> Receipt | None:
        raise Unavailable("ticketing via fake", "no answer", "wait")

    monkeypatch.setattr(port, "find", silent)
    for _ in range(4):
        await _round(handrail, installation)
    row = installation.action(ticket)
    assert (row.state, row.lookups, len(installation.ticketing.calls)) == ("uncertain", 0, 1)


async def test_a_search_is_put_off_for_as_long_as_the_vendor_asked(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, _ = answered()
    port = _searchable(installation, handrail, lag=5)
    await _lose(handrail, installation, TICKETING, APPLIED)
    searches = []

    async def down(operation: str, key: str) -> Receipt | None:
        searches.append(key)
        raise Unavailable("ticketing via fake", "answered 503", "wait", retry_after=500)

    with monkeypatch.context() as patched:
        patched.setattr(port, "find", down)
        for _ in range(4):
            await _round(handrail, installation, seconds=120)
    assert searches == [ticket]
    await _round(handrail, installation, seconds=180)
    assert installation.states()[ticket] == "done"


async def test_one_row_that_cannot_be_recovered_does_not_stop_the_others(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = [answered(f"C-{number}")[0] for number in range(5)]
    port = _searchable(installation, handrail, lag=5)
    await _lose(handrail, installation, TICKETING, *[APPLIED] * 5)
    find = port.find

    async def stumbles(operation: str, key: str) -> Receipt | None:
        if key == tickets[0]:
            raise ZeroDivisionError("a bug in an adapter")
        return await find(operation, key)

    monkeypatch.setattr(port, "find", stumbles)
    for _ in range(3):
        await _round(handrail, installation)
    assert [installation.states()[ticket] for ticket in tickets] == ["uncertain", "done", "done", "done", "done"]


async def test_one_plan_that_cannot_be_made_anew_does_not_stop_the_others(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    keys = [answered(f"C-{number}") for number in range(3)]
    first, *others = [acknowledgement for _, acknowledgement in keys]
    await _lose(handrail, installation, TICKETING, LOST)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key.in_([first, *others])).values(state=State.PLANNED))
        connection.execute(update(actions).where(actions.c.key == first).values(response_id=None))
    await _round(handrail, installation)
    states = installation.states()
    assert [states[key] for key in (first, *others)] == ["planned", "done", "done"]
    assert {states[ticket] for ticket, _ in keys} == {"done"}


async def test_what_a_dead_worker_held_is_taken_over_and_told(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, acknowledgement = answered()
    with installation.database.write() as connection:
        for state in (State.CLAIMED, State.SENDING):
            connection.execute(
                update(actions)
                .where(actions.c.key.in_([ticket, acknowledgement] if state is State.CLAIMED else [acknowledgement]))
                .values(
                    state=state, integration="mail via fake", attempts=1, lease_until=datetime(2000, 1, 1).astimezone()
                )
            )
    report = await sweep(handrail, run="sweeper")
    assert [line["what"] for line in report.lines if line["action"] == ticket] == ["claimed → ready: its worker died"]
    assert any("sending → uncertain" in line["what"] for line in report.lines)
    await _round(handrail, installation)
    assert installation.states() == {ticket: "done", acknowledgement: "done"}
    assert installation.action(acknowledgement).resends == 1


async def test_an_integration_that_is_gone_leaves_its_lost_answers_to_people(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    ticket, _ = answered()
    await _lose(handrail, installation, TICKETING, LOST)
    configured = handrail.roster.of(TICKETING)
    assert configured is not None
    handrail.roster._configured[TICKETING] = replace(configured, name="ticketing via other")
    installation.clock.go(seconds=60)
    await sweep(handrail, run="sweeper")
    row = installation.action(ticket)
    assert (row.state, row.reason) == (
        "needs_human",
        "the answer was lost, and ticketing via fake is not configured any more",
    )


async def test_urgent_recovery_leaves_the_rest_to_the_others(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    first, second = answered("C-1")[0], answered("C-2")[0]
    await _lose(handrail, installation, TICKETING, LOST, LOST)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == second).values(urgent=False))
    installation.clock.go(seconds=60)
    await sweep(handrail, run="gateway", urgent_only=True)
    assert (installation.states()[first], installation.states()[second]) == ("ready", "uncertain")


async def test_a_time_that_passed_is_promised_anew(installation: Any, handrail: Handrail, answered: Answered) -> None:
    _, acknowledgement = answered()
    before = installation.action(acknowledgement)
    installation.clock.go(hours=10)
    await handrail.dispatcher.run_once(capability=MAIL, run="late")
    assert installation.states()[acknowledgement] == "planned"
    await _round(handrail, installation)
    after = installation.action(acknowledgement)
    assert (after.state, after.revision) == ("done", 2)
    assert after.stale_after > installation.clock() > before.stale_after


async def test_someone_erased_is_not_written_to_not_even_anew(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    from store.customers import erase

    ticket, acknowledgement = answered()
    with installation.database.write() as connection:
        erase(connection, connection.execute(customers.select()).one().id, now=installation.clock())
    for _ in range(3):
        for capability in (TICKETING, MAIL):
            await handrail.dispatcher.run_once(capability=capability, run="r")
        await _round(handrail, installation)
    assert installation.states() == {ticket: "skipped", acknowledgement: "skipped"}
    assert installation.effects() == []
