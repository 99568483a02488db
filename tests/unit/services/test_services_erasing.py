"""Erasure: nothing of them is left in any table or byte of ours, and they stay silent whoever brings them back."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import insert, select, update

from domain.actions import Basis, Capability, Kind, State
from domain.customers import Customer, Purpose
from domain.messages import Message
from domain.planning import Payload, PlannedAction
from domain.surveys import SurveyAnswer, SurveyKind
from domain.triage import triage
from integrations.errors import Rejected
from integrations.ports import Erasure
from services.erasing import Erased, NoSuchCustomer, erase_customer
from services.journeys import Journeys
from services.places import Places
from services.quarantine import read_quarantined
from services.surveys import Given, accept_answer, judge_answer
from services.tracing import trace
from services.triage import ReadMessage, accept_message
from store import customers, fetches, imported_customers, inbox, messages
from store.ledger.enqueue import About, enqueue
from store.quarantine import Decision, decide
from store.tables import metadata

NAME, MAIL, PHONE, DEVICE = "Eugeniusz Kanarek", "e.kanarek@kanarkowo.pl", "+48600123987", "device-kanarek-77"
WORDS = "mój kanarek śpiewa dziewiętnaście nocy"
CANARIES = ("kanarek", "kanarkow", "śpiewa", "600123987", "600 123 987")
PERSON = Customer("K-1042", name=NAME, email=MAIL, phone=PHONE, device=DEVICE, language="pl", time_zone="Europe/Warsaw")
CRM, TICKETS = ("crm via fake", Capability.CRM), ("ticketing via fake", Capability.TICKETING)


def erase(installation: Any, ref: str = PERSON.ref, *integrations: tuple[str, Capability]) -> Erased:
    return erase_customer(
        installation.database, ref, integrations, by="ann", reason=f"{NAME} asked us", now=installation.clock()
    )


@pytest.fixture
def lived(installation: Any) -> int:
    """A customer of whom every table knows something; our id of them."""
    return live(installation)


def live(installation: Any) -> int:
    now, policy = installation.clock(), installation.policy
    answer = SurveyAnswer("standard", "r-1", SurveyKind.NPS, 1, f"{WORDS}, {PHONE}", "pl", now, now)
    with installation.database.write() as connection:
        accept_answer(connection, Given(judge_answer(answer, policy), PERSON), policy, run="t", now=now)
        known = customers.locked(connection, PERSON.ref)
        assert known is not None
        customer_id = known[0]
        for purpose in Purpose:
            customers.set_consent(connection, customer_id, purpose, "mail", granted=True, now=now)
        text = Message("web", "m-1", WORDS, f"{WORDS} {NAME}", now, PERSON.ref, MAIL)
        read = ReadMessage(text, triage(text, policy.triage, policy.distress), [PERSON.ref])
        accept_message(connection, read, policy, Journeys(), run="t", now=now)
        unknown = replace(text, message_id="m-2", customer_ref=None)
        accept_message(connection, replace(read, message=unknown, writers=[]), policy, Journeys(), run="t", now=now)
        said = PlannedAction(
            key="message/K",
            kind=Kind.MESSAGE,
            basis=Basis.PROACTIVE,
            capability=Capability.MAIL,
            payload=Payload("letter/1", {"name": NAME, "words": WORDS}),
            due_at=now,
            purpose="onboarding",
            reason=f"held for {MAIL}",
        )
        made = enqueue(connection, [said], About(customer_id=customer_id), run="t", now=now)["message/K"]
        tables = metadata.tables
        connection.execute(
            insert(tables["receipts"]).values(
                action_id=made, integration="mail", external_id="x-1", detail={"to": MAIL}, at=now
            )
        )
        connection.execute(
            insert(tables["call_outcomes"]).values(
                action_id=made, outcome="answered_declined", source="x", ended_at=now, received_at=now, said=WORDS
            )
        )
        connection.execute(
            insert(tables["message_events"]).values(
                action_id=made, what="bounced", at=now, source="x", detail=f"550 <{MAIL}> kanarek"
            )
        )
        connection.execute(
            insert(tables["desk_differences"]).values(
                subject="standard/r-1", what="no ticket", detail=f"{NAME} has none", found_at=now, seen_at=now
            )
        )
        _in_quarantine(connection, now)
    return customer_id


def _in_quarantine(connection: Any, now: Any) -> None:
    """A webhook, its repair, a CSV's row, a mail, an announcement; and what is another's."""
    bodies = {
        "w-1": json.dumps({"customer": {"ref": "K-1042"}, "comment": WORDS}).encode(),  # escaped: ś is \\u015b
        "w-2": json.dumps({"data": {"email": MAIL.upper()}, "comment": WORDS}, ensure_ascii=False).encode(),
        "w-3": f"From: Eugeniusz <{MAIL}>\r\nSubject: x\r\n\r\n{WORDS}".encode(),
        "w-4": json.dumps({"customer": {"ref": "K-10421", "name": "somebody else"}}).encode(),
        "w-5": json.dumps({"customer": {"name": NAME}}).encode(),
    }
    for webhook, body in bodies.items():
        problems = [{"path": "x", "problem": f"{WORDS} is no number", "fix": ""}] if webhook == "w-1" else []
        (arrived,) = inbox.receive(connection, [inbox.Arrival("standard", webhook, "h", now)])
        table = metadata.tables["quarantine"]
        made = connection.execute(
            insert(table)
            .values(
                inbox_id=arrived.id, source="standard", origin=webhook, body=body, problems=problems, received_at=now
            )
            .returning(table.c.id)
        ).scalar_one()
        if webhook == "w-1":
            repair = Decision("repaired", "bob", "typed wrong", "as repaired it fits", body=body + b" ")
            decide(connection, made, repair, now=now)
            connection.execute(
                update(metadata.tables["inbox"])
                .where(metadata.tables["inbox"].c.id == arrived.id)
                .values(problems=problems)
            )
    connection.execute(
        insert(metadata.tables["quarantine"]).values(
            source="import",
            origin="customers.csv:7",
            body=f'K-1042;"{NAME}";600 123 987;{WORDS}\r\n'.encode(),
            problems=[],
            received_at=now,
            layout={"contract": "customers", "csv": {"columns": ["ref", "name", "phone", "x"], "separator": ";"}},
        )
    )
    (arrived,) = inbox.receive(connection, [inbox.Arrival("tool", "a-1", "h", now)])
    fetches.announce(connection, "tool", "r-9", json.dumps({"of": MAIL}).encode(), inbox_id=arrived.id, now=now)


def everything(installation: Any) -> str:
    """All rows of all tables, as a dump would write them."""
    said = []
    with installation.database.read() as connection:
        for name, table in metadata.tables.items():
            for row in connection.execute(select(table)):
                for value in row:
                    plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                    said.append(f"{name}: {json.dumps(plain, ensure_ascii=False, default=str)}")
    return "\n".join(said)


def rows_of(installation: Any, table: str) -> list[str]:
    """All rows of a table, in no order of anybody's."""
    return sorted(str(row) for row in installation.rows(table))


def found_in(text: str) -> list[str]:
    """Lines that know the customer still."""
    return [line for line in text.splitlines() if any(canary in line.casefold() for canary in CANARIES)]


def test_nothing_of_them_is_left_in_any_table(installation: Any, lived: int) -> None:
    kept = {row.id: row.payload_hash for row in installation.rows("actions")}
    assert len(found_in(everything(installation))) > 15  # the canary sings

    erased = erase(installation)

    left = found_in(everything(installation))
    assert [line for line in left if NAME not in line] == []
    assert len(left) == 1  # a name alone, which others may share: a person looks
    assert read_quarantined(installation.database, erased.look_at[0])["original"].count(NAME) == 1
    assert {row.id: row.payload_hash for row in installation.rows("actions")} == kept
    (record,) = installation.rows("erasures")
    assert (record.by, record.reason) == ("ann", "[erased] asked us")
    assert record.counts == erased.counts
    for table in ("customers", "survey_responses", "messages", "call_outcomes", "message_events", "receipts"):
        assert erased.counts[table] > 0, table
    assert erased.counts["quarantine"] == 4
    check_audit(installation.database)


def test_what_counts_and_what_is_unique_stays(installation: Any, lived: int) -> None:
    tables = [
        name for name in metadata.tables if name not in {"audit", "erasures", "suppressions", "quarantine_decisions"}
    ]
    before = {name: len(rows_of(installation, name)) for name in tables}
    keys = set(installation.states())

    erase(installation)

    assert {name: len(rows_of(installation, name)) for name in tables} == before
    assert set(installation.states()) == keys
    (answer,) = installation.rows("survey_responses")
    assert (answer.score, answer.comment, answer.distress, answer.is_critical) == (1, None, None, True)
    assert installation.rows("customers")[0].ref == PERSON.ref


def test_another_customers_things_are_left_alone(installation: Any, lived: int) -> None:
    erase(installation)

    waiting = [row.origin for row in installation.rows("quarantine") if row.state == "waiting"]
    assert waiting == ["w-4", "w-5"]
    assert b"somebody else" in next(row.body for row in installation.rows("quarantine") if row.origin == "w-4")


def test_twice_is_once(installation: Any, lived: int) -> None:
    first = erase(installation, PERSON.ref, CRM)
    before = {name: rows_of(installation, name) for name in metadata.tables if name not in {"erasures", "customers"}}
    installation.clock.go(days=1)

    second = erase(installation, PERSON.ref, CRM)

    assert (second.counts, second.cancelled, second.at) == ({}, 0, first.at)
    assert {name: rows_of(installation, name) for name in before} == before
    assert [row.counts for row in installation.rows("erasures")][1] == {}


def test_nobody_has_that_ref(installation: Any) -> None:
    with pytest.raises(NoSuchCustomer):
        erase(installation, "K-0")


async def test_nothing_goes_out_any_more(installation: Any, lived: int, send: Any) -> None:
    unsent = [key for key, state in installation.states().items() if state == "ready"]
    assert unsent

    erased = erase(installation)
    await send()

    assert erased.cancelled == len(unsent)
    assert installation.effects() == []
    assert set(installation.states().values()) <= {"cancelled", "skipped"}


@pytest.mark.parametrize("ref", [PERSON.ref, "K-new"])
async def test_brought_back_they_stay_silent(installation: Any, lived: int, send: Any, ref: str) -> None:
    """P27: erase, import anew under the same ref or another, answer a survey, write to us."""
    erase(installation)
    installation.clock.go(days=1)
    now, policy = installation.clock(), installation.policy
    consents = {(str(purpose), channel): True for purpose in Purpose for channel in ("mail", "sms", "voice", "push")}
    said = {"name": NAME, "email": MAIL.upper(), "phone": PHONE, "language": "pl", "tier": "vip"}
    with installation.database.write() as connection:
        gate = _gate(connection, now)
        imported_customers.save(connection, [imported_customers.Told(ref, said, consents)], gate_id=gate, now=now)
        who = replace(PERSON, ref=ref)
        answer = SurveyAnswer("standard", "r-2", SurveyKind.NPS, 0, WORDS, "pl", now, now)
        accept_answer(connection, Given(judge_answer(answer, policy), who), policy, run="t", now=now)
        found = customers.locked(connection, ref)
        assert found is not None
        for capability in (Capability.MAIL, Capability.SMS, Capability.VOICE):
            for basis in (Basis.REPLY, Basis.SERVICE, Basis.PROACTIVE):
                plan = PlannedAction(
                    key=f"{ref}/{capability}/{basis}",
                    kind=Kind.MESSAGE,
                    basis=basis,
                    capability=capability,
                    payload=Payload("letter/1", {}),
                    due_at=now,
                    purpose="onboarding",
                )
                enqueue(connection, [plan], About(customer_id=found[0]), run="t", now=now)

    await send()

    assert [effect for effect in installation.effects() if effect[0].startswith(("send", "place"))] == []
    if ref == PERSON.ref:
        assert found_in(everything(installation)) == [
            line for line in found_in(everything(installation)) if NAME in line and "quarantine" in line
        ]
    with installation.database.read() as connection:
        known = customers.by_ref(connection, PERSON.ref)
    assert known is not None
    assert (known.erased, known.email, known.name) == (True, None, None)


def _gate(connection: Any, now: Any) -> int:
    gates = metadata.tables["gates"]
    row = dict(data_set="customers", feed="f", batch="b", origin="o", verdict="pass", rows=1, broken=0, findings=[],
               measures={}, decided_at=now, run="t")  # fmt: skip
    return int(connection.execute(insert(gates).values(row).returning(gates.c.id)).scalar_one())


def test_a_message_of_somebody_erased_waits_for_a_person(installation: Any, lived: int) -> None:
    erase(installation)
    now, policy = installation.clock(), installation.policy
    text = Message("web", "m-9", None, "why do you still write", now, PERSON.ref)
    with installation.database.write() as connection:
        read = ReadMessage(text, triage(text, policy.triage, policy.distress), [PERSON.ref])
        accept_message(connection, read, policy, Journeys(), run="t", now=now)
        assert messages.waiting_count(connection) == 1


async def test_connected_systems_are_asked_once_each(installation: Any, lived: int, send: Any) -> None:
    erase(installation, PERSON.ref, TICKETS)
    await send()
    erase(installation, PERSON.ref, TICKETS)
    await send()

    asked = [effect for effect in installation.ticketing.effects if effect[0] == "erase_customer"]
    assert asked == [("erase_customer", "customer/K-1042/erasure/ticketing via fake", Erasure(PERSON.ref))]
    assert installation.states()["customer/K-1042/erasure/ticketing via fake"] == State.DONE


async def test_a_vendor_that_refuses_is_for_a_person(installation: Any, lived: int, send: Any) -> None:
    installation.ticketing.script(Rejected("ticketing via fake", "not allowed", "ask", 403))
    erase(installation, PERSON.ref, TICKETS)
    await send()

    assert installation.states()["customer/K-1042/erasure/ticketing via fake"] == State.FAILED


def test_an_address_that_others_have_stays_open_for_them(installation: Any, lived: int) -> None:
    with installation.database.write() as connection:
        customers.create(
            connection, Customer("K-2", email=MAIL.title(), phone="+48111111111"), now=installation.clock()
        )

    erased = erase(installation)

    assert erased.shared == {"mail": ["K-2"]}
    assert sorted(row.channel for row in installation.rows("suppressions")) == ["push", "sms", "voice"]


def test_the_story_of_somebody_erased_says_so_and_nothing_else(installation: Any, lived: int) -> None:
    erase(installation)

    story = trace(installation.database, PERSON.ref, Places())

    assert story is not None
    assert story["customers"][0]["erased"] is True
    assert found_in(json.dumps(story, ensure_ascii=False)) == []


def test_a_lost_answer_is_left_to_a_person(installation: Any, lived: int) -> None:
    with installation.database.write() as connection:
        actions = metadata.tables["actions"]
        for step in ("claimed", "sending", "uncertain", "ready"):
            moved = update(actions).where(actions.c.key == "message/K").values(state=step, attempts=1, fence=2)
            connection.execute(moved)

    erase(installation)

    assert installation.states()["message/K"] == "ready"  # arming gives it to a person: it may have gone out


@pytest.mark.parametrize("others", [0, 400])
def test_no_byte_of_the_file_knows_them(on_sqlite: Any, others: int) -> None:
    now = on_sqlite.clock()
    for number in range(others):
        with on_sqlite.database.write() as connection:
            who = Customer(f"X-{number}", name=f"somebody {number}", email=f"x{number}@example.com")
            customers.create(connection, who, now=now)
    customer_id = live(on_sqlite)
    with on_sqlite.database.write() as connection:  # they changed while they were with us
        found = customers.held(connection, customer_id)
        assert found is not None
        customers.save(connection, customer_id, found, replace(found, name="Kanarek " * 300), now=now)
        longer = replace(found, name=NAME)
        customers.save(connection, customer_id, replace(found, name="Kanarek " * 300), longer, now=now)
    for number in range(others):
        with on_sqlite.database.write() as connection:
            who = Customer(f"Y-{number}", name=f"somebody {number}", email=f"y{number}@example.com")
            customers.create(connection, who, now=now + timedelta(seconds=number))
    with on_sqlite.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM quarantine_decisions")
        connection.exec_driver_sql("DELETE FROM quarantine WHERE origin = 'w-5'")
    singing = _bytes_of(on_sqlite)
    assert any(canary.encode() in singing for canary in CANARIES)

    erased = erase(on_sqlite)

    assert erased.log_is_empty
    left = _bytes_of(on_sqlite)
    for canary in CANARIES:
        assert canary.encode() not in left, canary
        assert canary.encode("utf-8") not in left.lower(), canary


def _bytes_of(installation: Any) -> bytes:
    """The database's file and what lies beside it."""
    return b"".join(
        path.read_bytes().lower() for path in sorted(installation.directory.glob("handrail.db*")) if path.is_file()
    )
