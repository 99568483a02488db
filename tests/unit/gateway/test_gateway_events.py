"""Events about entitlements at the gateway's door: durable before they are answered, and known when they come again."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text


@pytest.fixture
def renewal(clock: Any, on_file: Any) -> dict[str, Any]:
    """A renewal of a customer whom we know."""
    on_file("C-1", email="anna@example.com")
    now: datetime = clock()
    told = {
        "ref": "S-1",
        "customer_ref": "C-1",
        "kind": "policy",
        "product": "OC",
        "ends_on": "2027-04-01",
        "changed_at": now.isoformat(),
    }
    return {"type": "entitlement.renewed", "timestamp": now.isoformat(), "data": told}


async def test_on_the_books_when_it_is_answered(door: Any, installation: Any, renewal: dict[str, Any]) -> None:
    told = await door.deliver(renewal)
    [row] = installation.rows("entitlements")
    assert (told.status_code, told.json()["status"], told.json()["problems"]) == (202, "accepted", [])
    assert str(row.ends_on) == "2027-04-01"
    again = await door.deliver(renewal)
    assert again.json() == {**told.json(), "duplicate": True}
    assert len(installation.rows("inbox")) == 1


@pytest.mark.parametrize("table", ["entitlements", "gates"])
async def test_what_cannot_be_stored_is_503_and_wholly_taken_back(
    door: Any, installation: Any, renewal: dict[str, Any], table: str
) -> None:
    with installation.database.write() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    refused = await door.deliver(renewal)
    with installation.database.write() as connection:
        connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    for untouched in ("inbox", "entitlements", "gates", "quarantine"):
        assert not installation.rows(untouched), untouched
    accepted = await door.deliver(renewal)
    assert (accepted.status_code, accepted.json()["duplicate"]) == (202, False)


async def test_answers_and_events_that_come_together_are_each_what_they_are(
    door: Any, installation: Any, renewal: dict[str, Any], answer: Any
) -> None:
    who = {"ref": "C-2", "email": "b@example.com"}
    bodies = [renewal, answer(customer=who), {**renewal, "type": "entitlement.renwed"}, {**renewal, "data": {}}]
    told = await asyncio.gather(*(door.deliver(body, f"msg_{place}") for place, body in enumerate(bodies)))
    assert [one.json()["status"] for one in told] == ["accepted", "accepted", "quarantined", "quarantined"]
    await installation.settled()
    assert len(installation.rows("entitlements")) == len(installation.rows("survey_responses")) == 1


async def test_the_document_shows_every_event(small_door: Any) -> None:
    document = (await small_door.get("/openapi.json")).json()
    body = document["paths"]["/webhooks/{source}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    generic = body["anyOf"][0]["anyOf"]
    types = [word for one in generic for word in one["properties"]["type"]["enum"]]
    assert {"survey.responded", "entitlement.created", "entitlement.cancelled", "call.ended"} <= set(types)
    assert [one for one in generic if "changed_at" in one["properties"]["data"]["properties"]]
