"""Events about entitlements: what they do to the books, late, twice, out of order and in parallel."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.actions import Basis, Capability, Kind
from domain.entitlements import expiry_key
from domain.planning import Payload, PlannedAction
from services.quarantine import Who, replay
from services.replaying import Verdict
from store.ledger.enqueue import About, enqueue

Deliver = Callable[..., Any]
CHANGED = datetime(2026, 3, 4, 9, tzinfo=UTC)


def event(what: str = "created", *, hours: float = 0, ref: str = "S-1", **facts: Any) -> dict[str, Any]:
    """A delivery about the subscription of C-1, that changed so many hours after nine."""
    told = {
        "ref": ref,
        "customer_ref": "C-1",
        "kind": "subscription",
        "product": "Prąd na rok",
        "ends_on": "2026-04-01",
        "value_minor": 12990,
        "currency": "PLN",
        "changed_at": (CHANGED + timedelta(hours=hours)).isoformat(),
    }
    return {"type": f"entitlement.{what}", "timestamp": "2026-03-04T11:00:00Z", "data": {**told, **facts}}


STORY = (
    event("created"),
    event("changed", hours=0.5, product="Prąd i gaz na rok"),
    event("renewed", hours=1, ends_on="2027-04-01", value_minor=13990),
    event("cancelled", hours=1.5, ends_on="2026-06-30"),
)


@pytest.fixture
def customer(on_file: Callable[..., int]) -> int:
    return on_file("C-1", email="anna@example.com", time_zone="Europe/Prague")


def as_it_stands(installation: Any) -> tuple[Any, ...]:
    [row] = installation.rows("entitlements")
    return row.product, row.state, str(row.ends_on), row.occurrence, row.value_minor, row.told_at


async def test_what_was_created_is_on_the_books(deliver: Deliver, installation: Any, customer: int) -> None:
    told = await deliver(event())
    assert (told.http_status, told.body["status"], told.urgent) == (202, "accepted", frozenset())
    [row] = installation.rows("entitlements")
    assert (row.ref, row.customer_id, row.kind, row.state) == ("S-1", customer, "subscription", "active")
    assert (str(row.ends_on), row.occurrence, row.time_zone) == ("2026-04-01", "2026-04-01", "Europe/Prague")
    assert (row.value_minor, row.currency, row.version) == (12990, "PLN", 1)
    assert (row.changed_at, row.told_at) == (installation.clock(), CHANGED)
    [gate] = installation.rows("gates")
    assert (gate.id, gate.is_events, gate.data_set, gate.feed) == (row.gate_id, True, "entitlements", "standard")
    assert (gate.batch, gate.verdict, gate.run) == ("2026-03-04", "pass", "gateway")


async def test_a_renewal_moves_its_end_and_keeps_the_former_one(
    deliver: Deliver, installation: Any, customer: int
) -> None:
    await deliver(event())
    await deliver(event("renewed", hours=1, ends_on="2027-04-01"), "msg_2")
    [row] = installation.rows("entitlements")
    assert (str(row.ends_on), str(row.renewed_from), row.version) == ("2027-04-01", "2026-04-01", 2)
    assert len(installation.rows("gates")) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_every_order_comes_to_the_same(
    deliver: Deliver, installation: Any, customer: int, order: tuple[int, ...]
) -> None:
    for place in (*order, *order):
        await deliver(STORY[place], f"msg_{place}")
    assert as_it_stands(installation) == (
        "Prąd na rok", "cancelled", "2026-06-30", "2026-06-30", 12990, CHANGED + timedelta(hours=1.5)
    )  # fmt: skip


async def test_all_at_once_comes_to_the_same(deliver: Deliver, installation: Any, customer: int) -> None:
    sent = [deliver(one, f"msg_{place}_{turn}") for turn in range(5) for place, one in enumerate(STORY)]
    answers = await asyncio.gather(*sent)
    assert {one.body["status"] for one in answers} <= {"accepted", "noted"}
    assert as_it_stands(installation)[1:3] == ("cancelled", "2026-06-30")
    assert len(installation.rows("entitlements")) == len(installation.rows("gates")) == 1


async def test_an_older_one_changes_nothing_and_is_told_so(deliver: Deliver, installation: Any, customer: int) -> None:
    await deliver(event("renewed", hours=1, ends_on="2027-04-01"))
    before = installation.rows("entitlements")
    late = await deliver(event("changed", hours=0.5), "msg_2")
    assert (late.http_status, late.body["status"]) == (202, "noted")
    assert "not later than what is known" in late.body["problems"][0]["problem"]
    assert installation.rows("entitlements") == before
    again = await deliver(event("renewed", hours=1, ends_on="2027-04-01"), "msg_3")
    assert (again.body["status"], again.body["duplicate"]) == ("noted", False)
    assert "known already" in again.body["problems"][0]["problem"]
    assert installation.rows("entitlements") == before
    assert not installation.rows("quarantine")


async def test_a_delivery_that_comes_again_is_answered_as_the_first(
    deliver: Deliver, installation: Any, customer: int
) -> None:
    first, second = await deliver(event()), await deliver(event())
    assert second.body == {**first.body, "duplicate": True}
    assert len(installation.rows("inbox")) == len(installation.rows("entitlements")) == 1


async def test_an_unknown_customers_event_waits_and_goes_on_when_they_are_here(
    deliver: Deliver, handrail: Any, installation: Any, on_file: Callable[..., int]
) -> None:
    told = await deliver(event())
    assert (told.http_status, told.body["status"]) == (202, "quarantined")
    assert [one["path"] for one in told.body["problems"]] == ["data.customer_ref"]
    assert not installation.rows("entitlements")
    assert not installation.rows("gates")
    [waits] = installation.rows("quarantine")
    still = replay(handrail, waits.id, Who("anna", "looking"))
    assert still.verdict is Verdict.REFUSED
    on_file("C-1")
    replayed = replay(handrail, waits.id, Who("anna", "they are here now"))
    assert (replayed.verdict, replayed.subject) == (Verdict.ACCEPTED, "S-1")
    [row] = installation.rows("entitlements")
    assert str(row.ends_on) == "2026-04-01"
    [gate] = installation.rows("gates")
    assert (gate.run, row.gate_id) == (f"quarantine/{waits.id}", gate.id)


async def test_what_waited_too_long_cannot_undo_what_came_since(
    deliver: Deliver, handrail: Any, installation: Any, on_file: Callable[..., int]
) -> None:
    await deliver(event())
    on_file("C-1")
    await deliver(event("cancelled", hours=1), "msg_2")
    [waits] = installation.rows("quarantine")
    replayed = replay(handrail, waits.id, Who("anna", "they are here now"))
    assert replayed.verdict is Verdict.KNOWN
    assert "not later" in replayed.outcome
    assert installation.rows("entitlements")[0].state == "cancelled"


@pytest.mark.parametrize(
    ("facts", "path"),
    [
        ({"currency": "CHF"}, "data.currency"),
        ({"changed_at": "2026-03-05T11:00:01Z"}, "data.changed_at"),
        ({"ends_on": "soon"}, "data.ends_on"),
    ],
)
async def test_what_cannot_be_believed_waits_for_a_person(
    deliver: Deliver, installation: Any, customer: int, facts: dict[str, Any], path: str
) -> None:
    told = await deliver(event(**facts))
    assert (told.http_status, told.body["status"]) == (202, "quarantined")
    assert [one["path"] for one in told.body["problems"]] == [path]
    assert len(installation.rows("quarantine")) == 1
    assert not installation.rows("entitlements")


async def test_one_bad_event_does_not_spoil_the_others(deliver: Deliver, installation: Any, customer: int) -> None:
    sent = [event(ref=f"S-{number}", customer_ref=f"C-{number % 2 + 1}") for number in range(6)]
    answers = await asyncio.gather(*(deliver(one, f"msg_{place}") for place, one in enumerate(sent)))
    assert [one.body["status"] for one in answers] == ["accepted", "quarantined"] * 3
    assert len(installation.rows("entitlements")) == 3


async def test_what_was_planned_on_the_old_facts_falls(deliver: Deliver, installation: Any, customer: int) -> None:
    await deliver(event())
    await deliver(event(ref="S-2"), "msg_2")
    keys = {ref: expiry_key(ref, "2026-04-01", "task") for ref in ("S-1", "S-2")}
    with installation.database.write() as connection:
        for row in installation.rows("entitlements"):
            planned = PlannedAction(
                key=keys[row.ref],
                kind=Kind.TASK,
                basis=Basis.INTERNAL,
                capability=Capability.CRM,
                payload=Payload("expiry-task/1", {"horizon": 30, "priority": "normal"}),
                due_at=installation.clock(),
                facts=frozenset({"entitlement"}),
            )
            about = About(customer_id=customer, entitlement_id=row.id, gate_id=row.gate_id)
            enqueue(connection, [planned], about, run="t", now=installation.clock())
    told = await deliver(event("changed", hours=1), "msg_3")  # nothing that anything rests on
    assert told.body["status"] == "accepted"
    assert set(installation.states().values()) == {"ready"}
    await deliver(event("renewed", hours=2, ends_on="2027-04-01"), "msg_4")
    assert installation.states() == {keys["S-1"]: "planned", keys["S-2"]: "ready"}
    assert installation.action(keys["S-1"]).reason == "changed since it was planned: entitlement"


async def test_each_day_of_a_source_has_its_gate(
    deliver: Deliver, installation: Any, customer: int, clock: Any
) -> None:
    await deliver(event())
    clock.go(days=1)
    await deliver(event("changed", hours=1, product="Gaz"), "msg_2")
    first, second = installation.rows("gates")
    assert (first.batch, second.batch) == ("2026-03-04", "2026-03-05")
    assert installation.rows("entitlements")[0].gate_id == second.id
