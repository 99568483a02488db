"""Calls as they are made: in the customer's language, in approved words, about the ending as it stands."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from domain.actions import Basis, Capability, Kind
from domain.calls import CALL_TEMPLATE, call_key, call_payload, call_wordings
from domain.customers import Customer, Tier
from domain.entitlements import Entitlement, EntitlementKind, expiry_key
from domain.gates import DataSet
from domain.hours import ContactWindow
from domain.planning import PlannedAction
from integrations.fakes import FakeVendor
from integrations.ports import Call, Task
from services.publishing import publish_templates
from store import customers
from store.entitlements import Owned, save
from store.gates import event_gate
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions
from store.wordings import approved, templates
from templates.library import Template, load

KEY, TASK = call_key("S-1", "2026-03-24", 1), expiry_key("S-1", "2026-03-24", "task")
WATER = Entitlement(
    "S-1", "C-1", EntitlementKind.SUBSCRIPTION, "Aqua Dom", date(2026, 3, 24), "Europe/Warsaw", "2026-03-24"
)
ANNA = Customer(
    "C-1",
    name="Anna Nowak",
    phone="+48601234567",
    language="pl-PL",
    tier=Tier.CORE,
    window=ContactWindow(time(8), time(20)),
)


class Line:
    """An ending about which a call is due now, a voicebot and a CRM outside."""

    def __init__(self, installation: Any) -> None:
        self.installation = installation
        self.voice: FakeVendor = installation.vendors[Capability.VOICE]
        self.wordings = self.approved()

    def approved(self) -> dict[str, str]:
        with self.installation.database.read() as connection:
            return call_wordings(approved(connection), self.installation.policy.languages)

    def plan(self, customer: Customer = ANNA, entitlement: Entitlement = WATER) -> None:
        """Plan the first call, as detection does."""
        now = self.installation.clock()
        with self.installation.database.write() as connection:
            owner = customers.create(connection, customer, now=now)
            customers.set_consent(connection, owner, "reminders", "voice", granted=True, now=now)
            gate_id = event_gate(connection, DataSet.ENTITLEMENTS, "standard", now=now, run="t")
            save(connection, [Owned(owner, entitlement)], gate_id=gate_id, policy=self.installation.policy, now=now)
        [row] = self.installation.rows("entitlements")
        planned = PlannedAction(
            key=KEY,
            kind=Kind.CALL,
            basis=Basis.PROACTIVE,
            capability=Capability.VOICE,
            payload=call_payload({"horizon": 30, "priority": "normal", "confidentiality": "personal"}, self.wordings),
            due_at=now,
            purpose="reminders",
            not_after=datetime(2026, 3, 24, 23, tzinfo=UTC),
            facts=frozenset({"entitlement"}),
        )
        with self.installation.database.write() as connection:
            enqueue(connection, [planned], About(owner, entitlement_id=row.id, gate_id=gate_id), run="t", now=now)

    def placed(self) -> Call:
        """The one call that was made."""
        [(operation, key, call)] = self.voice.effects
        assert (operation, key) == ("place_call", KEY)
        assert isinstance(call, Call)
        return call


@pytest.fixture
def line(installation: Any) -> Line:
    installation.vendors[Capability.CRM] = FakeVendor(Capability.CRM)
    return Line(installation)


@pytest.mark.parametrize(
    ("language", "spoken", "words"),
    [
        ("pl-PL", "pl", "we wtorek 24 marca kończy się usługa, z której Państwo korzystają, czyli Aqua Dom"),
        ("cs", "cs", "že v úterý 24. března končí služba, kterou u nás máte, a to Aqua Dom"),
        ("en-GB", "en", "Aqua Dom, which you have with us, ends on Tuesday 24 March"),
        ("de", "en", "Hello Anna Nowak, this is the automatic assistant of"),
        (None, "en", "ends on Tuesday 24 March"),
    ],
)
async def test_a_call_is_in_the_customers_language(
    line: Line, installation: Any, send: Any, language: str | None, spoken: str, words: str
) -> None:
    line.plan(replace(ANNA, language=language))
    await send()
    call = line.placed()
    assert (call.to, call.language, call.template) == ("+48601234567", spoken, CALL_TEMPLATE)
    assert words in call.script
    assert installation.policy.human[spoken].phone in call.script
    assert installation.states() == {KEY: "done"}


async def test_what_is_said_is_what_was_approved_when_it_was_planned(line: Line, installation: Any, send: Any) -> None:
    line.plan()
    old = next(one for one in load() if (one.name, one.language) == (CALL_TEMPLATE, "pl"))
    new = Template(CALL_TEMPLATE, "pl", {"voice.txt": "Nowe słowa. {{ company }} {{ human.phone }}"})
    publish_templates(installation.database, [new], now=installation.clock())
    later = installation.clock() + timedelta(minutes=1)
    with installation.database.write() as connection:
        connection.execute(update(templates).where(templates.c.hash == new.hash).values(approved_at=later))
    assert line.approved()["pl"] == new.hash != line.wordings["pl"] == old.hash
    await send()
    assert "Nowe słowa" not in line.placed().script
    assert installation.action(KEY).payload["params"]["wordings"]["pl"] == old.hash


@pytest.mark.parametrize(
    ("kind", "ends_on", "says", "not_said"),
    [
        (EntitlementKind.POLICY, date(2026, 3, 24), "kończy się Państwa umowa ubezpieczenia", "Aqua Dom"),
        (EntitlementKind.SUPPLY, date(2026, 3, 24), "Aqua Dom skończy się prawdopodobnie we wtorek 24 marca", "usługa"),
        (EntitlementKind.SUPPLY, date(2026, 3, 1), "Aqua Dom prawdopodobnie już się skończył", "marca"),
    ],
)
async def test_each_kind_of_ending_has_its_words(
    line: Line, send: Any, kind: EntitlementKind, ends_on: date, says: str, not_said: str
) -> None:
    line.plan(entitlement=replace(WATER, kind=kind, ends_on=ends_on))
    await send()
    assert says in line.placed().script
    assert not_said not in line.placed().script


async def test_a_call_without_approved_words_is_a_persons(line: Line, installation: Any, send: Any) -> None:
    line.wordings = {"cs": line.wordings["cs"]}
    line.plan()
    await send()
    assert not line.voice.effects
    row = installation.action(KEY)
    assert row.state in {"failed", "needs_human"}
    assert "no wording of expiry-call is approved in en" in row.reason


@pytest.mark.parametrize("confidentiality", ["confidential", "open"])
async def test_what_is_too_confidential_for_a_voice_is_never_said(
    line: Line, installation: Any, send: Any, confidentiality: str
) -> None:
    line.plan()
    params = {**installation.action(KEY).payload["params"], "confidentiality": confidentiality}
    with installation.database.write() as connection:
        payload = {**installation.action(KEY).payload, "params": params}
        connection.execute(update(actions).where(actions.c.key == KEY).values(payload=payload))
    await send()
    assert len(line.voice.effects) == (confidentiality == "open")


async def test_the_colleague_reads_how_the_calls_went_and_what_was_said(
    line: Line, installation: Any, send: Any, deliver: Any
) -> None:
    line.plan()
    await send()
    now = f"{installation.clock():%Y-%m-%dT%H:%M:%SZ}"
    data = {"call": KEY, "outcome": "answered_wants_person", "ended_at": now, "said": "Po piątej, proszę."}
    await deliver({"type": "call.ended", "timestamp": now, "data": data})
    await send()
    [(operation, key, task)] = installation.vendors[Capability.CRM].effects
    assert (operation, key) == ("upsert_task", TASK)
    assert isinstance(task, Task)
    assert task.priority == "high"
    assert (
        "Why a person: the voicebot has called; Wed 4 Mar 2026, 12:00: they answered and asked for a person, in their "
        'words: "Po piątej, proszę.".'
    ) in task.body


async def test_whoever_renews_between_plan_and_call_is_not_called(
    line: Line, installation: Any, send: Any, deliver: Any
) -> None:
    line.plan()
    now = f"{installation.clock():%Y-%m-%dT%H:%M:%SZ}"
    data = {
        **{"ref": "S-1", "customer_ref": "C-1", "kind": "subscription", "product": "Aqua Dom", "changed_at": now},
        "ends_on": "2027-03-24",
    }
    await deliver({"type": "entitlement.renewed", "timestamp": now, "data": data})
    await send()
    assert not line.voice.effects
    row = installation.action(KEY)
    assert (row.state, "renewed" in row.reason) == ("skipped", True)
