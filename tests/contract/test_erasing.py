"""Vendors that can forget a customer: who is not there is forgotten already, and what is left half done is told."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hubspot_portal import Portal, shown
from outside_vendor import Outside, answer, reset
from vendor_specimens import KEY, OUTBOUND, PERSON, SECRET, named, serving

from domain.actions import Capability, WriteClass
from integrations.declaration import Integration
from integrations.errors import AuthFailed, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import ERASE, Erases, Erasure

WHO = Erasure("C-1042")
BY_NAME = {integration.name: integration for integration in OUTBOUND}
HUBSPOT, ZENDESK = BY_NAME["crm via hubspot"], BY_NAME["ticketing via zendesk"]


def erasing(integration: Integration[Any], nobody: str) -> bool:
    return serving(integration, nobody).erases


@pytest.mark.parametrize("integration", OUTBOUND, ids=named)
def test_whoever_forgets_declares_what_a_lost_answer_means(integration: Integration[Any], nobody: str) -> None:
    configured = serving(integration, nobody)
    if configured.erases:
        assert isinstance(configured.port, Erases)
        assert configured.write_class(ERASE) in set(WriteClass)
        return
    with pytest.raises(LookupError):
        configured.write_class(ERASE)


def test_those_that_keep_customers_can_forget_them(nobody: str) -> None:
    able = {integration.name for integration in OUTBOUND if erasing(integration, nobody)}
    sandbox = {f"{capability} via sandbox" for capability in ("crm", "ticketing", "mail", "sms", "voice")}
    assert able >= {HUBSPOT.name, ZENDESK.name, *sandbox}


async def test_hubspot_deletes_the_contact_for_good_by_its_id(outside: Outside) -> None:
    portal = Portal()
    portal.contacts["18512"] = {"handrail_ref": WHO.customer_ref, "lastname": PERSON}
    outside.replies(portal.serve)
    configured = serving(HUBSPOT, outside.url)

    first = await configured.port.erase_customer(WHO, key=KEY)
    again = await configured.port.erase_customer(WHO, key=KEY)

    assert (first.external_id, again.external_id) == ("18512", "")
    assert portal.contacts == {}
    assert [path for path in portal.paths if "gdpr" in path] == ["POST /crm/v3/objects/contacts/gdpr-delete"]
    await configured.port.aclose()


async def test_a_contact_that_is_gone_meanwhile_is_gone(outside: Outside) -> None:
    found = {"status": "COMPLETE", "results": [shown("18512", {"handrail_ref": WHO.customer_ref})]}
    outside.reads = {"POST /crm/v3/objects/contacts/batch/read": found}
    outside.answers(404, {"category": "OBJECT_NOT_FOUND", "message": "not there"})
    configured = serving(HUBSPOT, outside.url)

    assert (await configured.port.erase_customer(WHO, key=KEY)).external_id == "18512"
    await configured.port.aclose()


class Users:
    """As much of Zendesk as deleting a user meets."""

    def __init__(self) -> None:
        self.users = {"77": WHO.customer_ref, "78": f"{WHO.customer_ref}0"}
        self.deleted: list[str] = []
        self.gone: list[str] = []
        self.then: Callable[[web.Request], Any] | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        assert not await request.read(), "a DELETE without a body"
        if request.path == "/api/v2/users/search":
            asked = request.query["external_id"]
            alike = [(number, ref) for number, ref in self.users.items() if ref.startswith(asked)]
            return web.json_response(
                {"users": [{"id": int(number), "external_id": ref} for number, ref in alike[::-1]]}
            )
        what, number = request.path.split("/")[-2:]
        if what == "users":
            del self.users[number]
            self.deleted.append(number)
            return web.json_response({"user": {"id": int(number), "active": False}})
        if self.then is not None:
            return await self.then(request)
        self.gone.append(number)
        return web.json_response({"deleted_user": {"id": int(number)}})


async def test_zendesk_deletes_the_user_twice_and_nobody_else(outside: Outside) -> None:
    account = Users()
    outside.replies(account.serve)
    configured = serving(ZENDESK, outside.url)

    first = await configured.port.erase_customer(WHO, key=KEY)
    again = await configured.port.erase_customer(WHO, key=KEY)

    assert (first.external_id, again.external_id) == ("77", "")
    assert (account.deleted, account.gone) == (["77"], ["77"])
    assert account.users == {"78": "C-10420"}
    await configured.port.aclose()


@pytest.mark.parametrize("then", [answer(429, "", {"Retry-After": "9"}), answer(503), answer(422), reset])
async def test_what_zendesk_leaves_half_done_is_for_a_person(outside: Outside, then: Any) -> None:
    account = Users()
    account.then = then
    outside.replies(account.serve)
    configured = serving(ZENDESK, outside.url)

    assert configured.write_class(ERASE) is WriteClass.D
    with pytest.raises(OutcomeUnknown, match="user 77 is deleted, but perhaps not for good"):
        await configured.port.erase_customer(WHO, key=KEY)
    await configured.port.aclose()


@pytest.mark.parametrize("integration", [HUBSPOT, ZENDESK, BY_NAME["crm via sandbox"]], ids=named)
@pytest.mark.parametrize(("reply", "problem"), [(answer(401), AuthFailed), (answer(429), RateLimited)])
async def test_a_refusal_is_named_and_nothing_done(
    integration: Integration[Any], reply: Any, problem: type[Exception], outside: Outside
) -> None:
    outside.replies(reply)
    configured = serving(integration, outside.url)

    with pytest.raises(problem) as refused:
        await configured.port.erase_customer(WHO, key=KEY)

    assert SECRET not in str(refused.value)
    await configured.port.aclose()


async def test_a_ticket_that_is_not_closed_keeps_its_requester(outside: Outside) -> None:
    outside.reads = {"/api/v2/users/search": {"users": [{"id": 77, "external_id": WHO.customer_ref}]}}
    outside.answers(422, {"error": "RecordInvalid", "description": "requester of a ticket that is not closed"})
    configured = serving(ZENDESK, outside.url)

    with pytest.raises(Rejected) as refused:
        await configured.port.erase_customer(WHO, key=KEY)

    assert refused.value.status == 422
    await configured.port.aclose()


async def test_the_sandbox_proves_our_key(outside: Outside) -> None:
    configured = serving(BY_NAME[f"{Capability.MAIL} via sandbox"], outside.url)
    outside.answers(200, {"id": "erased-C-1042", "key": "another", "created": False})
    with pytest.raises(OutcomeUnknown):
        await configured.port.erase_customer(WHO, key=KEY)
    outside.answers(200, {"id": "erased-C-1042", "key": KEY, "created": False})
    assert (await configured.port.erase_customer(WHO, key=KEY)).external_id
    assert outside.requests[-1].path == "/api/mail/erase"
    await configured.port.aclose()
