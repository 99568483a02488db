"""From an armed action to the call of its integration: tasks and messages, and what cannot be said."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer
from integrations.fakes import FakeVendor
from integrations.ports import Alert, Mail, Sms, Task
from services.links import Links
from services.sending import CannotSay, Sender
from store.ledger.rows import Armed
from store.wordings import templates

PARAMS = {
    **{"name": "Anna Nowak", "time_zone": "Europe/Warsaw", "survey": "nps", "company": "Example", "language": "en"},
    **{"answer_by": "2026-03-04T14:30:00Z", "received_at": "2026-03-04T10:59:00Z", "reference": "C-1-1"},
    "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
}
WORK = {"title": "Renewal ends", "body": "Call her", "assignee": "agent-7", "priority": "high"}


def armed(
    kind: Kind,
    capability: Capability,
    payload: dict[str, Any],
    basis: Basis = Basis.SERVICE,
    purpose: str | None = None,
) -> Armed:
    return Armed(
        id=1,
        key="k",
        fence=1,
        kind=kind,
        basis=basis,
        capability=capability,
        purpose=purpose,
        payload=payload,
        customer=Customer("C-1", email="anna@example.com", phone="+48601234567"),
        customer_id=1,
        case_id=None,
        response_id=None,
        entitlement_id=None,
        enrolment_id=None,
        attempts=1,
        urgent=False,
    )


@pytest.fixture
def sender(on_sqlite: Any) -> Sender:
    return Sender(on_sqlite.database, on_sqlite.policy, on_sqlite.clock, Links("https://care.example", []))


@pytest.fixture
def message(on_sqlite: Any) -> dict[str, Any]:
    """The payload of a message in English."""
    with on_sqlite.database.read() as connection:
        wording = connection.execute(
            select(templates.c.hash).where(templates.c.name == "acknowledgement", templates.c.language == "en")
        ).scalar_one()
    return {"schema": "message/1", "template": "acknowledgement", "template_hash": wording, "params": PARAMS}


async def _sent(sender: Sender, action: Armed) -> Any:
    """What the vendor gets; also under our key."""
    vendor = FakeVendor(action.capability)
    call = await sender.prepare(action, vendor.configured())
    assert vendor.calls == []  # nothing is sent yet
    await call()
    ((operation, key, value),) = vendor.calls
    assert (operation, key) == (call.operation, action.key)
    return value


@pytest.mark.parametrize(
    ("told", "due_at"),
    [
        ({"due_at": "2026-03-01T09:30:00+00:00"}, datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ({"due_at": "2026-03-01T10:30:00+01:00"}, datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ({"due_at": None}, None),
        ({}, None),
    ],
)
async def test_a_task_goes_to_the_crm_with_its_date(
    sender: Sender, told: dict[str, Any], due_at: datetime | None
) -> None:
    payload = {"schema": "task/1", "params": {**WORK, **told}}
    task = await _sent(sender, armed(Kind.TASK, Capability.CRM, payload, Basis.INTERNAL))
    assert task == Task("C-1", "Renewal ends", "Call her", "agent-7", "high", due_at)


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.ACKNOWLEDGEMENT])
async def test_a_message_by_mail_is_rendered_for_the_address_on_file(
    sender: Sender, message: dict[str, Any], kind: Kind
) -> None:
    mail = await _sent(sender, armed(kind, Capability.MAIL, message))
    assert isinstance(mail, Mail)
    assert (mail.customer_ref, mail.to, mail.language, mail.template) == (
        "C-1",
        "anna@example.com",
        "en",
        "acknowledgement",
    )
    assert "Anna" in mail.text
    assert "C-1-1" in mail.html
    assert mail.subject


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        (Basis.REPLY, "auto-replied"),
        (Basis.SERVICE, "auto-generated"),
        (Basis.PROACTIVE, "auto-generated"),
    ],
)
async def test_a_mail_says_that_a_machine_sent_it(
    sender: Sender, message: dict[str, Any], basis: Basis, said: str
) -> None:
    """RFC 3834: no holiday robot answers it, and none answers an answer."""
    mail = await _sent(sender, armed(Kind.MESSAGE, Capability.MAIL, message, basis))
    assert mail.headers == {"Auto-Submitted": said}


async def test_a_message_by_text_is_one_line_for_the_number_on_file(sender: Sender, message: dict[str, Any]) -> None:
    sms = await _sent(sender, armed(Kind.MESSAGE, Capability.SMS, message))
    assert isinstance(sms, Sms)
    assert (sms.to, sms.language, sms.template) == ("+48601234567", "en", "acknowledgement")
    assert "C-1-1" in sms.text
    assert "\n" not in sms.text


async def test_a_page_carries_a_link_and_a_reference_only(sender: Sender) -> None:
    said = {"summary": "Case C-1-1: nobody", "severity": "error", "link": "https://care.example/trace/C-1-1"}
    page = {"schema": "page/1", "params": {**said, "case": "C-1-1", "step": "nobody-took-it"}}
    alert = await _sent(sender, armed(Kind.PAGE, Capability.ALERT, page, Basis.INTERNAL))
    assert alert == Alert(**said, detail={"case": "C-1-1", "step": "nobody-took-it"})


@pytest.mark.parametrize(
    ("kind", "capability", "change", "words"),
    [
        (Kind.CALL, Capability.VOICE, {}, "no sender for a call by voice"),
        (Kind.MESSAGE, Capability.PUSH, {}, "no sender for a message by push"),
        (Kind.MESSAGE, Capability.MAIL, {"customer": None}, "nobody to do it for"),
        (Kind.MESSAGE, Capability.MAIL, {"customer": Customer("C-1")}, "no mail address on file any more"),
        (Kind.MESSAGE, Capability.SMS, {"customer": Customer("C-1")}, "no phone number on file any more"),
    ],
)
async def test_what_cannot_be_said_names_the_action_and_why(
    sender: Sender, message: dict[str, Any], kind: Kind, capability: Capability, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(CannotSay, match=f"k: {words}"):
        await _sent(sender, replace(armed(kind, capability, message), **change))


async def test_words_that_are_not_published_or_not_complete_cannot_be_said(
    sender: Sender, message: dict[str, Any]
) -> None:
    unknown = {**message, "template_hash": "0" * 64}
    with pytest.raises(CannotSay, match="000000000000 is not published"):
        await _sent(sender, armed(Kind.MESSAGE, Capability.MAIL, unknown))
    gaps = {**message, "params": {**PARAMS, "answer_by": None}}
    with pytest.raises(CannotSay, match="acknowledgement/en"):
        await _sent(sender, armed(Kind.MESSAGE, Capability.MAIL, gaps))


async def test_a_wording_is_read_once(sender: Sender, message: dict[str, Any], on_sqlite: Any) -> None:
    """It is immutable by its hash, and a database away for a moment delays no message that was rendered before."""
    action = armed(Kind.MESSAGE, Capability.MAIL, message)
    await _sent(sender, action)
    on_sqlite.database.close()
    sender._database = None  # type: ignore[assignment]
    assert (await _sent(sender, action)).to == "anna@example.com"
