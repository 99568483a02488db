"""`POST /messages/{source}`: what a form's backend and a mail relay are told."""

import json
from typing import Any

import pytest

from gateway import messages as the_door

FORM = json.dumps({"message_id": "m-1", "text": "I am furious, answer me immediately", "customer_ref": "C-1"}).encode()
MAIL = b"From: anna@example.com\r\nMessage-ID: <1@x>\r\n\r\nMy husband passed away."


async def _post(door: Any, signed: Any, body: bytes, source: str = "standard", **headers: str) -> Any:
    headers = {"content-type": "application/json", **signed(body, "w-1"), **headers}
    return await door.client.post(f"/messages/{source}", content=body, headers=headers)


TICKET = ("open_ticket", "case/C-1/1/ticket")
REPLY = ("send_mail", "message/standard/m-1/acknowledgement")  # to who is signed in; a From is anybody's


@pytest.mark.parametrize(
    ("body", "kind", "effects"),
    [(FORM, "application/json", {TICKET, REPLY}), (MAIL, "Message/RFC822; charset=x", {TICKET})],
)
async def test_one_door_takes_forms_and_mails_and_its_ticket_leaves(
    installation: Any, door: Any, signed: Any, on_file: Any, eventually: Any, body: bytes, kind: str, effects: Any
) -> None:
    on_file("C-1", email="anna@example.com")

    said = await _post(door, signed, body, **{"content-type": kind})

    assert (said.status_code, said.json()["status"], said.json()["duplicate"]) == (202, "accepted", False)
    await eventually(lambda: set(installation.effects()) == effects)
    assert (await _post(door, signed, body, **{"content-type": kind})).json()["duplicate"] is True


async def test_what_waits_for_a_person_is_counted(door: Any, signed: Any) -> None:
    await _post(door, signed, FORM)  # of nobody we know

    assert "handrail_messages_waiting 1.0" in (await door.get("/metrics")).text


async def test_what_is_refused_says_why(small_door: Any, signed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_door, "BODY_CAP", 100)
    forged = await _post(small_door, signed, b"{}", **{"webhook-signature": "v1,AAAA"})
    too_large = await _post(small_door, signed, b"x" * 101)
    nowhere = await _post(small_door, signed, b"{}", source="standart")

    assert [said.status_code for said in (forged, too_large, nowhere)] == [401, 413, 404]
    assert 'did you mean "standard"?' in nowhere.json()["problems"][0]["problem"]


async def test_mails_may_be_larger_than_forms(small_door: Any, signed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_door, "MAIL_CAP", 1_000)
    monkeypatch.setattr(the_door, "BODY_CAP", 100)
    mail = MAIL + b"\r\n" + b"x" * 500

    said = await _post(small_door, signed, mail, **{"content-type": "message/rfc822"})
    larger = await _post(small_door, signed, mail + b"x" * 500, **{"content-type": "message/rfc822"})

    assert (said.status_code, larger.status_code) == (202, 413)


async def test_what_cannot_be_stored_is_not_accepted(
    on_sqlite: Any, small_door: Any, signed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from store import messages

    def fails(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(messages, "save", fails)
    said = await _post(small_door, signed, FORM)

    assert (said.status_code, said.headers["retry-after"]) == (503, "60")
    assert on_sqlite.rows("inbox") == []
