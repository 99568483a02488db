"""Arming by the table of design §4: what holds back which basis, and where a held action goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import pytest
from ledger_world import MORNING, NIGHT, NOON, World, a_plan, check_audit, later
from sqlalchemy import update

from domain.actions import Basis, Capability, Kind, State
from domain.hours import ContactWindow
from store import customers as people
from store.database import Database
from store.ledger.rows import customers

GOES, SKIPPED, EXPIRED, PERSON, ANEW = State.SENDING, State.SKIPPED, State.EXPIRED, State.NEEDS_HUMAN, State.PLANNED
LATER = State.READY
MAIL, SMS, VOICE, CRM = Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.CRM


def nothing(world: World, customer: int) -> None:
    """No hold at all."""


def suppressed(world: World, customer: int) -> None:
    with world.database.write() as connection:
        for channel, address in (("mail", "anna@example.com"), ("sms", "+48600000001"), ("voice", "+48600000001")):
            people.suppress(connection, channel, address, "bounce", now=NOON)


def withdrawn(world: World, customer: int) -> None:
    with world.database.write() as connection:
        for channel in ("mail", "sms", "voice"):
            people.set_consent(connection, customer, "reminders", channel, granted=False, now=NOON)


def consent_for_something_else(world: World, customer: int) -> None:
    withdrawn(world, customer)
    with world.database.write() as connection:
        people.set_consent(connection, customer, "marketing", "mail", granted=True, now=NOON)


def locked(world: World, customer: int) -> None:
    with world.database.write() as connection:
        people.set_tact_lock(connection, customer, "bereavement", now=NOON)


def erased(world: World, customer: int) -> None:
    with world.database.write() as connection:
        people.erase(connection, customer, now=NOON)


def own_window(world: World, customer: int) -> None:
    _customer(world, customer, window_start="16:00", window_end="18:00")


def capped(world: World, customer: int) -> None:
    for number in range(world.policy.contact.cap.contacts):
        counted = world.put(a_plan(f"earlier-{number}", skip="sent long ago"), customer_id=customer)
        world.add(
            "cap_slots",
            action_id=counted[f"earlier-{number}"],
            customer_id=customer,
            at=later(days=-3, minutes=number),
        )


def stopped(world: World, customer: int) -> None:
    world.stop()


def broken(world: World, customer: int) -> None:
    for capability in (MAIL, SMS, VOICE, CRM):
        world.integration(capability, breaker="open", reason="silent", next_probe_at=later(seconds=9))


def asked_to_wait(world: World, customer: int) -> None:
    for capability in (MAIL, SMS, VOICE, CRM):
        world.integration(capability, not_before=later(seconds=40))


def pointless(world: World, customer: int) -> None:
    world.change("x", not_after=NOON)


def overdue(world: World, customer: int) -> None:
    world.change("x", stale_after=NOON)


def facts_changed(world: World, customer: int) -> None:
    world.bump(customer)


def unapproved(world: World, customer: int) -> None:
    world.review("x", state="open")


def _customer(world: World, customer: int, **values: object) -> None:
    with world.database.write() as connection:
        connection.execute(update(customers).where(customers.c.id == customer).values(**values))


@dataclass(frozen=True)
class Line:
    """One line of the table: a hold, on a channel, and what becomes of each basis."""

    hold: Callable[[World, int], None]
    channel: Capability
    reply: State
    service: State
    proactive: State
    internal: State
    now: datetime = NOON
    until: datetime | None = None  # when what waits is due again


TABLE = [
    Line(nothing, MAIL, GOES, GOES, GOES, GOES),
    Line(nothing, SMS, GOES, GOES, GOES, GOES),
    Line(suppressed, MAIL, SKIPPED, SKIPPED, SKIPPED, GOES),
    Line(suppressed, SMS, SKIPPED, SKIPPED, SKIPPED, GOES),
    Line(suppressed, VOICE, SKIPPED, SKIPPED, SKIPPED, GOES),
    Line(withdrawn, MAIL, GOES, GOES, SKIPPED, GOES),
    Line(consent_for_something_else, MAIL, GOES, GOES, SKIPPED, GOES),
    Line(locked, MAIL, GOES, PERSON, PERSON, GOES),
    Line(locked, SMS, GOES, PERSON, PERSON, GOES),
    Line(nothing, MAIL, GOES, LATER, LATER, GOES, now=NIGHT, until=MORNING),
    Line(nothing, SMS, LATER, LATER, LATER, GOES, now=NIGHT, until=MORNING),
    Line(nothing, VOICE, LATER, LATER, LATER, GOES, now=NIGHT, until=MORNING),
    Line(own_window, MAIL, GOES, LATER, LATER, GOES, until=later(hours=4)),
    Line(own_window, SMS, GOES, LATER, LATER, GOES, until=later(hours=4)),
    Line(capped, MAIL, GOES, GOES, LATER, GOES, until=later(days=4)),
    Line(stopped, MAIL, LATER, LATER, LATER, LATER, until=NOON),
    Line(erased, MAIL, SKIPPED, SKIPPED, SKIPPED, SKIPPED),
    Line(broken, MAIL, LATER, LATER, LATER, LATER, until=later(seconds=9)),
    Line(asked_to_wait, MAIL, LATER, LATER, LATER, LATER, until=later(seconds=40)),
    Line(pointless, MAIL, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
    Line(overdue, MAIL, ANEW, ANEW, ANEW, ANEW),
    Line(facts_changed, MAIL, ANEW, ANEW, ANEW, ANEW),
    Line(unapproved, MAIL, ANEW, ANEW, ANEW, ANEW),
]

KINDS = {
    Basis.REPLY: Kind.ACKNOWLEDGEMENT,
    Basis.SERVICE: Kind.CALL,
    Basis.PROACTIVE: Kind.MESSAGE,
    Basis.INTERNAL: Kind.TASK,
}


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("line", TABLE, ids=lambda line: f"{line.hold.__name__}-{line.channel}-{line.now:%H}h")
def test_what_holds_back_which_basis(world: World, line: Line, basis: Basis) -> None:
    channel = CRM if basis is Basis.INTERNAL else line.channel
    customer = world.customer("C-1", email="anna@example.com", phone="+48600000001", time_zone="Europe/Warsaw")
    world.put(
        a_plan(
            "x", basis=basis, kind=KINDS[basis], capability=channel, purpose="reminders", facts=frozenset({"customer"})
        ),
        customer_id=customer,
    )
    rows = world.reserve(channel, now=line.now)
    line.hold(world, customer)

    window = world.arm(rows, channel, now=line.now)

    expected: State = getattr(line, basis.value)
    row = world.row("x")
    assert row.state == expected, row.reason
    assert [armed.key for armed in window.armed] == (["x"] if expected is GOES else [])
    assert [key for key, _ in window.moved] == ([] if expected is GOES else ["x"])
    if expected is not GOES:
        assert row.reason
        assert row.lease_until is None
    if expected is LATER:
        assert row.due_at == line.until
    check_audit(world.database)


def test_a_customer_who_was_never_asked_did_not_agree(world: World) -> None:
    customer = world.customer(consents=False)
    world.put(a_plan("x", basis=Basis.PROACTIVE, capability=MAIL, purpose="reminders"), customer_id=customer)
    assert world.take(MAIL) == []
    assert world.state("x") is SKIPPED


def test_the_night_is_the_customers_own(world: World) -> None:
    for ref, zone in (("tokyo", "Asia/Tokyo"), ("chicago", "America/Chicago")):
        customer = world.customer(ref, time_zone=zone)
        world.put(a_plan(ref, basis=Basis.SERVICE, capability=SMS), customer_id=customer)
    assert [armed.key for armed in world.take(SMS, now=NIGHT)] == ["tokyo", "chicago"]  # 08:00 there, 17:00 there
    world.put(
        *(a_plan(f"{ref} again", basis=Basis.SERVICE, capability=SMS) for ref in ("tokyo",)),
        customer_id=world.rows("customers")[0].id,
    )
    assert world.take(SMS, now=NIGHT - timedelta(minutes=1)) == []


def test_at_the_end_of_the_night_what_waited_goes(world: World) -> None:
    world.put(a_plan("x", basis=Basis.REPLY, capability=SMS), customer_id=world.customer())
    assert world.take(SMS, now=NIGHT) == []
    assert world.take(SMS, now=MORNING - timedelta(microseconds=1)) == []
    assert [armed.key for armed in world.take(SMS, now=MORNING)] == ["x"]


def test_a_window_is_read_when_arming_not_when_planned(world: World) -> None:
    customer = world.customer(window=ContactWindow(time(11), time(13)))
    world.put(a_plan("x", basis=Basis.SERVICE, capability=SMS), customer_id=customer)
    assert [armed.key for armed in world.take(SMS)] == ["x"]


def test_what_ends_an_action_comes_before_what_delays_it(world: World) -> None:
    customer = world.customer()
    world.put(a_plan("x", basis=Basis.PROACTIVE, capability=MAIL, purpose="reminders"), customer_id=customer)
    rows = world.reserve(MAIL)
    locked(world, customer)
    withdrawn(world, customer)
    world.arm(rows, MAIL, now=NIGHT)
    assert world.state("x") is SKIPPED


@pytest.mark.parametrize("decision", ["open", "rejected", "expired", "Approved", "", "true"])
def test_no_decision_but_approval_lets_an_action_go(world: World, decision: str) -> None:
    world.put(a_plan("x"))
    world.review("x", state=decision)
    assert world.take() == []
    assert (world.state("x"), world.row("x").reason) == (ANEW, "not approved as it stands")


def test_an_approval_is_for_one_payload(world: World) -> None:
    world.put(a_plan("same"), a_plan("edited"))
    world.review("same", state="approved")
    world.review("edited", state="approved", payload_hash="another")
    assert [armed.key for armed in world.take()] == ["same"]
    assert world.state("edited") is ANEW


def test_the_same_address_under_another_spelling_is_the_same_address(database: Database) -> None:
    world = World(database)
    customer = world.customer(email="Anna@Example.com")
    with database.write() as connection:
        people.suppress(connection, "mail", " anna@example.COM ", "complaint", now=NOON)
    world.put(a_plan("x", basis=Basis.REPLY, capability=MAIL), customer_id=customer)
    assert world.take(MAIL) == []
    assert world.state("x") is SKIPPED
