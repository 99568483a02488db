"""Zendesk as a ticket desk.

A ticket's `external_id` is our key, by which it is found again. The Idempotency-Key is a second guard only: Zendesk
forgets it after two hours, so opening is class C ("can be looked up"). A note is written once per key by looking for
the key first and updating only the state one has seen (`safe_update`). The requester is the API's user: were it the
customer, Zendesk's triggers would write to them behind our ledger's back. Every comment is internal.

Many are opened by a job (`create_many`, if `batch` is set) that may be queued for longer than any search lags. So "not
found" is believed only while the account has no job at work: docs/adr/0018-many-tickets-by-one-job.md.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.briefing import briefing
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import IntegrationError, OutcomeUnknown, Rejected, Unsupported
from integrations.http import HttpIntegration
from integrations.ports import ERASE, Erasure, Health, Receipt, Ticket, TicketNote, TicketState
from integrations.zendesk_jobs import LARGEST_BATCH, LOOKED_UP, ZendeskJobs
from integrations.zendesk_reading import Shown, is_told_to_the_customer, last_answer, state_of, tickets_of
from integrations.zendesk_users import ZendeskUsers

VENDOR = "zendesk"

PRIORITY: Mapping[str, str] = {
    "low": "low",
    "normal": "normal",
    "high": "high",
    "urgent": "urgent",
    "critical": "urgent",  # Zendesk knows nothing higher
}
RANKED = ("low", "normal", "high", "urgent")

TAG = "handrail"
"""What every ticket of ours is tagged with; those alone are listed."""

MARKER = "handrail_key"
"""Under this name the audit of a note keeps its key (`metadata.custom`)."""


class ZendeskConfig(IntegrationConfig):
    """The settings of a Zendesk account."""

    url: BaseUrl = Field(description="Where the account is: https://<subdomain>.zendesk.com.")
    token: SecretStr = Field(description="An API token of the agent named in `email`, or an OAuth access token.")
    email: str = Field(default="", description="The agent the API token belongs to; empty for an OAuth access token.")
    groups: dict[str, int] = Field(
        default_factory=dict, description="Zendesk's group id for each of our teams; without one, its triggers decide."
    )
    custom_fields: dict[Literal["customer_ref", "team", "tier"], int] = Field(
        default_factory=dict,
        description="The ids of the ticket fields that show who it is about, the team and the tier.",
    )
    rate_per_second: float | None = Field(
        default=3.0, gt=0, description="Most calls a second; Zendesk's smallest plan allows 200 a minute."
    )


_PAGES = 10
"""A search shows no more than a thousand results, a hundred a page."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A ticket as it was when a note looked at it."""

    id: int
    status: str
    priority: str | None
    updated_at: str


class Zendesk:
    """Tickets, internal notes and statuses of one account."""

    def __init__(self, config: ZendeskConfig) -> None:
        self._name = integration_name(Capability.TICKETING, VENDOR)
        self._url = config.url
        self._groups = config.groups
        self._fields = config.custom_fields
        self._http = HttpIntegration(
            self._name, config, base_url=config.url, credentials={"Authorization": _authorization(config)}
        )
        self._jobs = ZendeskJobs(self._http, self._name)
        self._users = ZendeskUsers(self._http, self._name)

    async def check(self) -> Health:
        """Reachable, and our credentials accepted?"""
        return await self._http.check("/api/v2/users/me", {}, understand=_signed_in)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The oldest ticket whose external id is `key`. Raises Unsupported for notes, looked for when added.

        Raises Unavailable where there is none yet, but a job is at work: that is not known yet, not "not done". It is
        searched again after the jobs were looked at, for one may have ended in between.
        """
        if operation != "open_ticket":
            raise Unsupported(self._name, f"{operation} cannot be looked up", "repeat it: each note is added once")
        found = await self._http.read("/api/v2/tickets", {"external_id": key}, understand=_found(key))
        if found is None:
            await self._jobs.none_left()
            found = await self._http.read("/api/v2/tickets", {"external_id": key}, understand=_found(key))
        return found

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt:
        """Opens the ticket."""
        receipt = await self._http.write(
            "POST",
            "/api/v2/tickets",
            {"ticket": self._new(ticket, key)},
            headers={"Idempotency-Key": key},
            understand=lambda answer: _opened(answer, key),
            refusal=_known_otherwise,
        )
        if not receipt.external_id:
            raise OutcomeUnknown(
                self._name, "it has had our key with another text, and does not say as which ticket", LOOKED_UP
            )
        return receipt

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """Opens several tickets by one job, followed to its end."""
        if operation != "open_ticket" or len(items) > LARGEST_BATCH:
            raise Unsupported(
                self._name, f"{len(items)} items of {operation} in one call", f"open at most {LARGEST_BATCH} tickets"
            )
        return await self._jobs.create([self._new(ticket, key) for key, ticket in items])

    async def add_note(self, note: TicketNote, *, key: str) -> Receipt:
        """Adds an internal comment, raises the priority, opens a solved ticket again. Rejected (404) without a ticket.

        Busy when somebody changed the ticket between our look and our update: also when that was our own lost update.
        """
        deadline = self._http.deadline()
        ticket = await self._http.look(
            "/api/v2/tickets", {"external_id": note.ticket_key}, understand=_seen(note.ticket_key), deadline=deadline
        )
        if ticket is None:
            raise Rejected(self._name, "no ticket of this case is there", "was it deleted? settle the action", 404)
        known = await self._note_of(ticket.id, key, deadline)
        if known is not None:
            return known
        return await self._http.write(
            "PUT",
            f"/api/v2/tickets/{ticket.id}",
            {"ticket": _noted(note, key, ticket)},
            understand=lambda answer: _added(answer, note.ticket_key),
            conflict=_outdated,
            deadline=deadline,
        )

    async def _note_of(self, ticket_id: int, key: str, deadline: float) -> Receipt | None:
        """What the ticket's history knows of `key`, page by page."""
        page = {"page[size]": "100"}
        while True:
            found, after = await self._http.look(
                f"/api/v2/tickets/{ticket_id}/audits", page, understand=_audited(key), deadline=deadline
            )
            if found is not None or after is None:
                return found
            page = {"page[size]": "100", "page[after]": after}

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Deletes the user whose external id is the customer's ref, for good; one that is not there is gone already.

        Tickets stay: their requester is the API's user, and what stands in them is for the desk to redact.
        """
        user = await self._users.erase(erasure.customer_ref)
        return Receipt(user, {"was_there": bool(user)})

    async def read_ticket(self, key: str) -> TicketState | None:
        """The ticket as it stands now, or None."""
        seen = await self._http.read(
            "/api/v2/tickets", {"external_id": key, "include": "users"}, understand=lambda answer: _shown(answer, key)
        )
        if seen is None:
            return None
        ticket, state = seen
        if not is_told_to_the_customer(ticket):
            return state
        return replace(state, answered_at=await self._answered_at(ticket))

    async def _answered_at(self, ticket: Shown) -> datetime | None:
        """When a person last wrote to the customer in it: the newest comments are asked for first."""
        page = {"include": "users", "sort": "-created_at", "page[size]": "100"}
        while True:
            at, after = await self._http.read(
                f"/api/v2/tickets/{int(ticket['id'])}/comments",
                page,
                understand=lambda answer: (last_answer(answer, ticket), _after(answer)),
            )
            if at is not None or after is None:
                return at
            page = page | {"page[after]": after}

    async def list_tickets(self, *, since: datetime, limit: int) -> Sequence[TicketState]:
        """Our tickets opened since then, by Zendesk's search: it may miss those of the last minutes.

        An assignee is a number here: whoever wants the name reads the ticket.
        """
        query = {
            "query": f"type:ticket tags:{TAG} created>={since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "sort_by": "created_at",
            "sort_order": "asc",
            "per_page": "100",
        }
        found: dict[str, TicketState] = {}  # a page may repeat what the one before showed
        for number in range(1, _PAGES + 1):
            states, is_last = await self._http.read("/api/v2/search", query | {"page": str(number)}, understand=_listed)
            found |= {state.external_id: state for state in states}
            if is_last or len(found) >= limit:
                break
        return list(found.values())[:limit]

    def page_of(self, operation: str, external_id: str, *, key: str) -> str | None:
        """The ticket as agents see it; a note's id names a line of its history, which has no page."""
        return f"{self._url}/agent/tickets/{external_id}" if operation == "open_ticket" else None

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _new(self, ticket: Ticket, key: str) -> dict[str, Any]:
        facts = {"customer_ref": ticket.customer_ref, "team": ticket.team, "tier": _tier(ticket)}
        new = {
            "external_id": key,
            "subject": _inert(ticket.subject),
            "comment": {"body": _inert(f"{ticket.body}\n\n{briefing(ticket.context)}".strip()), "public": False},
            "priority": PRIORITY.get(ticket.priority, "normal"),
            "tags": [TAG, *(_tag(name, facts[name]) for name in ("team", "tier") if facts[name])],
            "custom_fields": [
                {"id": self._fields[name], "value": value} for name, value in facts.items() if name in self._fields
            ],
        }
        return new | ({"group_id": self._groups[ticket.team]} if ticket.team in self._groups else {})


def _authorization(config: ZendeskConfig) -> SecretStr:
    token = config.token.get_secret_value()
    if not config.email:
        return SecretStr(f"Bearer {token}")
    return SecretStr(f"Basic {base64.b64encode(f'{config.email}/token:{token}'.encode()).decode()}")


def _noted(note: TicketNote, key: str, ticket: _Seen) -> dict[str, Any]:
    """The update of `ticket` as it was seen. Zendesk refuses it once somebody, or an earlier attempt, changed it.

    It tells changes apart by the second.
    """
    update: dict[str, Any] = {
        "comment": {"body": _inert(note.text), "public": False},
        "metadata": {MARKER: key},
        "safe_update": True,
        "updated_stamp": ticket.updated_at,
    }
    wanted = PRIORITY.get(note.priority, "normal")
    if ticket.priority is None or ticket.priority in RANKED[: RANKED.index(wanted)]:
        update["priority"] = wanted
    if ticket.status == "solved":
        update["status"] = "open"  # else nobody would read it
    return update


def _opened(answer: Answer, key: str) -> Receipt:
    ticket = answer.json["ticket"]
    if ticket["external_id"] != key:
        raise ValueError("the answer is about another key")
    return _receipt(ticket, created=answer.headers.get("x-idempotency-lookup") != "hit")


def _known_otherwise(answer: Answer) -> Receipt | None:
    """A 400 that says: this Idempotency-Key came before, with another body (a ticket tells what is known when sent)."""
    return Receipt(external_id="") if answer.json["error"] == "IdempotentRequestError" else None


def _added(answer: Answer, ticket_key: str) -> Receipt:
    if answer.json["ticket"]["external_id"] != ticket_key:
        raise ValueError("the answer is about another ticket")
    return _receipt(answer.json["audit"], created=True)


def _outdated(answer: Answer) -> None:
    if answer.json["error"] != "UpdateConflict":
        raise ValueError("a conflict about something else")


def _seen(key: str) -> Callable[[Answer], _Seen | None]:
    def understand(answer: Answer) -> _Seen | None:
        for ticket in tickets_of(answer, key):
            return _Seen(int(ticket["id"]), ticket["status"], ticket["priority"], ticket["updated_at"])
        return None

    return understand


def _found(key: str) -> Callable[[Answer], Receipt | None]:
    def understand(answer: Answer) -> Receipt | None:
        tickets = tickets_of(answer, key)
        return _receipt(tickets[0], created=False) if tickets else None

    return understand


def _audited(key: str) -> Callable[[Answer], tuple[Receipt | None, str | None]]:
    """The audit marked with `key`, if it is on this page; and where the next page begins, if there is one."""

    def understand(answer: Answer) -> tuple[Receipt | None, str | None]:
        marked = [one for one in answer.json["audits"] if one["metadata"].get("custom", {}).get(MARKER) == key]
        found = _receipt(marked[0], created=False) if marked else None
        return found, _after(answer)

    return understand


def _shown(answer: Answer, key: str) -> tuple[Shown, TicketState] | None:
    tickets = tickets_of(answer, key)
    if not tickets:
        return None
    names = {user["id"]: str(user["name"]) for user in answer.json.get("users", ())}
    return tickets[0], state_of(tickets[0], names)


def _listed(answer: Answer) -> tuple[list[TicketState], bool]:
    """The tickets of one page of a search that carry a key, and whether it is the last page."""
    named = [one for one in answer.json["results"] if one["external_id"]]
    return [state_of(one, {}) for one in named], answer.json["next_page"] is None


def _after(answer: Answer) -> str | None:
    """Where the next page begins, if there is one."""
    meta = answer.json["meta"]
    return str(meta["after_cursor"]) if meta["has_more"] else None


def _receipt(named: Mapping[str, Any], *, created: bool) -> Receipt:
    return Receipt(external_id=str(int(named["id"])), detail={"created": created})


def _signed_in(answer: Answer) -> None:
    if answer.json["user"]["id"] is None:
        raise ValueError("it takes us for an anonymous visitor")


def _tier(ticket: Ticket) -> str:
    customer = ticket.context.get("customer")
    return str(customer.get("tier") or "") if isinstance(customer, Mapping) else ""


def _tag(name: str, value: str) -> str:
    return f"{name}-{re.sub(r'[^a-z0-9]+', '-', value.casefold()).strip('-')}"


def _inert(text: str) -> str:
    """Text in which Zendesk finds no placeholder to fill: customers may write anything."""
    return re.sub(r"\{(?=[{%])", "{\u200b", text)


def _write_class(config: ZendeskConfig, operation: str) -> WriteClass:
    return {"open_ticket": WriteClass.C, ERASE: WriteClass.D}.get(operation, WriteClass.B)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.TICKETING,
    config=ZendeskConfig,
    connect=Zendesk,
    write_class=_write_class,
    batches={"open_ticket": LARGEST_BATCH},
    docs_url="https://developer.zendesk.com/api-reference/ticketing/introduction/",
)
