"""What became of messages, at the door: who is believed, what many events at once come to, how large they may be."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ledger_world import check_audit
from sqlalchemy import select

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from integrations.errors import OutcomeUnknown
from integrations.registry import load_roster
from store import customers
from store.ledger.enqueue import About, enqueue
from store.wordings import templates

KEY = ec.generate_private_key(ec.SECP256R1())
PASSWORD = "long-and-random"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"handrail:{PASSWORD}".encode()).decode()}
PARAMS = {
    **{"name": None, "time_zone": "Europe/Warsaw", "survey": "nps", "company": "Example", "language": "en"},
    **{"answer_by": "2026-03-04T14:30:00Z", "received_at": "2026-03-04T10:59:00Z", "reference": "case"},
    "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
}
ROSTER = """
delivery_intake:
  sendgrid: {vendor: sendgrid, public_keys: ['${PUBLIC}']}
  postmark: {vendor: postmark, secrets: ['${PASSWORD}']}
"""


class WithMailSources:
    """An installation that hears of its mails."""

    def __init__(self, installation: Any) -> None:
        self._installation = installation

    def handrail(self, **settings: Any) -> Any:
        made = self._installation.handrail(**settings)
        public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        variables = {"PUBLIC": base64.b64encode(public).decode(), "PASSWORD": PASSWORD}
        made.roster.intakes = dict(load_roster(ROSTER, variables).intakes)
        return made


@pytest.fixture
def hearing(opened: Callable[..., Any], installation: Any) -> Callable[..., Any]:
    """`async with hearing() as door`: a gateway with the sources `sendgrid` and `postmark`."""

    @asynccontextmanager
    async def opens() -> AsyncIterator[Any]:
        async with opened(WithMailSources(installation)) as door:
            yield door

    return opens


def signed(body: bytes, timestamp: str = "1772620000") -> dict[str, str]:
    """SendGrid's two headers."""
    signature = KEY.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


def events(*events: dict[str, Any]) -> bytes:
    return (json.dumps(events) + "\r\n").encode()


PROCESSED = {"event": "processed", "email": "a@example.com", "timestamp": 1772620000, "handrail_key": "k"}


async def test_whoever_is_not_the_vendor_changes_nothing(hearing: Callable[..., Any], installation: Any) -> None:
    body = events(PROCESSED)
    async with hearing() as door:
        for source, given, headers in (
            ("sendgrid", body, {}),
            ("sendgrid", body + b" ", signed(body)),
            ("sendgrid", body, {**signed(body), "X-Twilio-Email-Event-Webhook-Timestamp": "1772620001"}),
            ("postmark", b"{}", {}),
            ("postmark", b"{}", {"Authorization": "Basic aGFuZHJhaWw6Z3Vlc3M="}),
        ):
            refused = await door.post(given, headers, source)
            assert refused.status_code == 401
            assert PASSWORD not in refused.text
    assert installation.rows("inbox") == []


async def test_what_is_no_news_is_noted_once(hearing: Callable[..., Any], installation: Any) -> None:
    body = events(PROCESSED, {"event": "account_status_change"})
    change = json.dumps({"RecordType": "Inbound"}).encode()
    async with hearing() as door:
        for source, given, headers in (("sendgrid", body, signed(body)), ("postmark", change, BASIC)):
            first = await door.post(given, headers, source)
            assert (first.status_code, first.json()["status"]) == (202, "noted")
            assert (await door.post(given, headers, source)).json() == {**first.json(), "duplicate": True}
    assert len(installation.rows("inbox")) == 2


async def test_many_events_at_once_may_be_larger_than_one(hearing: Callable[..., Any]) -> None:
    many = events(*[{**PROCESSED, "sg_event_id": f"{number:022}"} for number in range(6000)])
    assert 700_000 < len(many) < 1024 * 1024
    async with hearing() as door:
        assert (await door.post(many, signed(many), "sendgrid")).json()["status"] == "noted"
        larger = many + b" " * 400_000
        assert (await door.post(larger, signed(larger), "sendgrid")).status_code == 413
        assert (await door.post(b"x" * 300_000, BASIC, "postmark")).status_code == 413


async def sent(installation: Any, *refs: str) -> list[str]:
    """A mail each that has been handed over, the last of them with its answer lost; their keys."""
    now, keys = installation.clock(), []
    with installation.database.write() as connection:
        wording = connection.execute(
            select(templates.c.hash).where(templates.c.name == "acknowledgement", templates.c.language == "en")
        ).scalar_one()
        for ref in refs:
            customer = customers.create(connection, Customer(ref, email=f"{ref}@example.com"), now=now)
            payload = Payload("message/1", PARAMS, "acknowledgement", wording)
            plan = PlannedAction(f"reminder/{ref}", Kind.MESSAGE, Basis.SERVICE, Capability.MAIL, payload, due_at=now)
            enqueue(connection, [plan], About(customer), run="planner", now=now)
            keys.append(plan.key)
    installation.mail.script(*[None] * (len(refs) - 1), ("after", OutcomeUnknown("mail via fake", "lost", "wait")))
    async with installation.handrail() as handrail:
        await handrail.dispatcher.run_once(capability=Capability.MAIL, run="run-1")
    return keys


async def test_what_bounces_for_good_is_not_written_to_and_what_a_lost_answer_left_open_is_settled(
    hearing: Callable[..., Any], installation: Any
) -> None:
    fine, gone, bad, lost = await sent(installation, "C-1", "C-2", "C-3", "C-4")
    assert installation.states()[lost] == "uncertain"
    at = int(installation.clock().timestamp())

    def event(key: str, what: str, **more: Any) -> dict[str, Any]:
        ref = key.removeprefix("reminder/")
        return {"event": what, "email": f"{ref}@example.com", "timestamp": at, "handrail_key": key, **more}

    body = events(
        event(fine, "delivered"),
        event(gone, "bounce", type="bounce", status="5.1.1", reason="550 unknown user"),
        {**event(bad, "delivered"), "timestamp": "yesterday"},
        event(lost, "delivered"),
        event("reminder/C-9", "bounce", type="bounce"),  # none of ours has this key
    )
    async with hearing() as door:
        first = await door.post(body, signed(body), "sendgrid")
        assert first.status_code == 202
        assert {problem["path"] for problem in first.json()["problems"]} == {"timestamp", "data.message"}
        again = await door.post(body, signed(body, "1772629999"), "sendgrid")
        assert again.json()["duplicate"] is True
    assert [(row.channel, row.reason) for row in installation.rows("suppressions")] == [("mail", "bounce")]
    assert installation.states()[lost] == "done"
    assert len(installation.rows("quarantine")) == 2
    check_audit(installation.database)


async def test_postmarks_complaint_silences_the_address_it_came_from(
    hearing: Callable[..., Any], installation: Any
) -> None:
    key, _ = await sent(installation, "C-1", "C-2")
    event = {
        "RecordType": "SpamComplaint",
        "Type": "SpamComplaint",
        "BouncedAt": installation.clock().isoformat(),
        "Email": "C-1@example.com",
        "Metadata": {"handrail-key": key},
    }
    async with hearing() as door:
        taken = await door.post(json.dumps(event).encode(), BASIC, "postmark")
    assert (taken.status_code, taken.json()["status"]) == (202, "accepted")
    assert [(row.channel, row.reason) for row in installation.rows("suppressions")] == [("mail", "complaint")]
