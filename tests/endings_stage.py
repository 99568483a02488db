"""Endings on the books of an installation, planned as detection plans them, with a CRM outside."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from domain.actions import Basis, Capability, Kind, WriteClass
from domain.customers import Customer, Tier
from domain.entitlements import Entitlement, EntitlementKind, Money, expiry_key
from domain.gates import DataSet, GateVerdict
from domain.planning import Payload, PlannedAction
from integrations.fakes import FakeVendor
from store import customers, entitlements, gates
from store.ledger.enqueue import About, enqueue

ENDS = date(2026, 3, 18)
"""Two weeks after the installation's clock."""

ANNA = Customer("C-1", name="Anna Nowak", email="anna@example.com", phone="+48601234567", tier=Tier.CORE)
COVER = Entitlement(
    ref="E/1",
    customer_ref="C-1",
    kind=EntitlementKind.POLICY,
    product="Home 24",
    ends_on=ENDS,
    time_zone="Europe/Warsaw",
    occurrence="2026-03-18",
    value=Money(129_000, "PLN"),
)
TASK = expiry_key("E/1", "2026-03-18", "task")


class Endings:
    """What tests do about endings, in short words."""

    def __init__(self, installation: Any) -> None:
        self.installation = installation
        self.crm = installation.vendors[Capability.CRM] = FakeVendor(Capability.CRM, WriteClass.B)
        self.gates = 0

    def gate(
        self,
        verdict: GateVerdict = GateVerdict.PASS,
        *,
        now: datetime | None = None,
        feed: str = "policies",
        approved_by: str | None = None,
        origin: str | None = None,
    ) -> int:
        """One more batch at the gate of a feed; the gate's id."""
        self.gates += 1
        with self.installation.database.write() as connection:
            return gates.record(
                connection,
                data_set=DataSet.ENTITLEMENTS,
                feed=feed,
                batch=f"batch-{self.gates}",
                origin=origin or f"batch-{self.gates}.csv",
                verdict=verdict,
                rows=1,
                broken=0,
                findings=[],
                measures={},
                run="t",
                now=now or self.installation.clock(),
                approved_by=approved_by,
                approved_reason=approved_by and "looked at it",
            )

    def customer(self, customer: Customer = ANNA, *, consents: bool = True) -> int:
        """A customer on file, who allowed reminders by voice unless told."""
        now = self.installation.clock()
        with self.installation.database.write() as connection:
            made = customers.create(connection, customer, now=now)
            if consents:
                customers.set_consent(connection, made, "reminders", "voice", granted=True, now=now)
        return made

    def save(self, customer_id: int, entitlement: Entitlement = COVER, *, gate_id: int | None = None) -> None:
        """What an import or an event says of an entitlement."""
        through = self.gate() if gate_id is None else gate_id
        with self.installation.database.write() as connection:
            owned = [entitlements.Owned(customer_id, entitlement)]
            now = self.installation.clock()
            entitlements.save(connection, owned, gate_id=through, policy=self.installation.policy, now=now)

    def about(self, ref: str = "E/1") -> About:
        """By our ids, as the books have it."""
        (row,) = [row for row in self.installation.rows("entitlements") if row.ref == ref]
        return About(customer_id=row.customer_id, entitlement_id=row.id, gate_id=row.gate_id)

    def put(self, *planned: PlannedAction, about: About | None = None) -> None:
        """Enqueue as detection does."""
        with self.installation.database.write() as connection:
            enqueue(connection, planned, about or self.about(), run="detection", now=self.installation.clock())


def a_task(**changes: Any) -> PlannedAction:
    """The task of the ending, planned at the first horizon."""
    plan = PlannedAction(
        key=TASK,
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload("expiry-task/1", {"horizon": 45, "priority": "normal"}),
        due_at=datetime.fromisoformat("2026-03-04T11:00:00+00:00"),
        facts=frozenset({"entitlement"}),
    )
    return replace(plan, **changes)


def a_note(horizon: int = 14, priority: str = "high") -> PlannedAction:
    """What a later horizon adds to the task."""
    return a_task(
        key=f"{TASK}/{horizon}",
        kind=Kind.TASK_NOTE,
        payload=Payload("expiry-note/1", {"horizon": horizon, "priority": priority}),
        after=TASK,
    )


def a_closing(reason: str = "renewed") -> PlannedAction:
    """That the task is not needed any more."""
    return a_task(
        key=f"{TASK}/close", kind=Kind.TASK_CLOSE, payload=Payload("expiry-close/1", {"reason": reason}), after=TASK
    )


def a_call(number: int = 1, **changes: Any) -> PlannedAction:
    """A voicebot's call about the ending."""
    return a_task(
        **{
            "key": expiry_key("E/1", "2026-03-18", "call", number),
            "kind": Kind.CALL,
            "basis": Basis.PROACTIVE,
            "capability": Capability.VOICE,
            "purpose": "reminders",
            "payload": Payload("expiry-call/1", {"horizon": 30, "priority": "normal", "confidentiality": "personal"}),
            **changes,
        }
    )
