"""From an armed action to the one call at its integration: words rendered, context gathered, nothing sent yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from domain.actions import Capability, Kind
from domain.customers import Customer
from integrations import ports
from integrations.ports import Receipt
from store.context import bundle
from store.database import Database
from store.ledger.rows import Armed
from store.wordings import content
from templates.library import Template, TemplateProblem
from templates.renderer import Rendered, render

Call = Callable[[], Awaitable[Receipt]]


class CannotSay(Exception):
    """The action cannot be put into words or has nowhere to go. Surely nothing was sent; a person looks."""


class Target(Protocol):
    """Where it goes: a configured integration."""

    @property
    def port(self) -> Any: ...


OPERATIONS = {
    Kind.TICKET: "open_ticket",
    Kind.TICKET_NOTE: "add_note",
    Kind.TASK: "upsert_task",
    Kind.CALL: "place_call",
    Kind.PAGE: "raise_alert",
}
_MESSAGES = {Capability.MAIL: "send_mail", Capability.SMS: "send_sms", Capability.PUSH: "send_push"}


def operation_of(kind: Kind, capability: Capability) -> str:
    """Which write of the capability's port an action calls; its write class decides what a lost answer means."""
    return OPERATIONS.get(kind) or _MESSAGES[capability]


class Sender:
    """Prepares calls. Wordings are immutable by hash, so each is read from the database once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wordings: dict[str, Template] = {}

    async def prepare(self, action: Armed, target: Target) -> Call:
        """The call, ready to be made. Raises CannotSay."""
        if action.customer is None:
            raise CannotSay(f"{action.key}: nobody to do it for")
        if action.kind is Kind.TICKET:
            return await self._ticket(action, action.customer, target.port)
        if action.kind is Kind.TICKET_NOTE:
            return await self._note(action, action.customer, target.port)
        if action.kind is Kind.ACKNOWLEDGEMENT and action.capability in {Capability.MAIL, Capability.SMS}:
            return await self._message(action, action.customer, target.port)
        raise CannotSay(f"{action.key}: no sender for a {action.kind} by {action.capability}")

    async def _ticket(self, action: Armed, customer: Customer, port: ports.Ticketing) -> Call:
        params = action.payload["params"]
        context = await self._context(action)
        ticket = ports.Ticket(
            customer_ref=customer.ref,
            subject=f"{params['case']}: {_headline(context)}",
            body=_story(context),
            priority=params["priority"],
            team=params["team"],
            language=customer.language or "",
            context=context,
        )
        return lambda: port.open_ticket(ticket, key=action.key)

    async def _note(self, action: Armed, customer: Customer, port: ports.Ticketing) -> Call:
        params = action.payload["params"]
        context = await self._context(action)
        answer = f"{params['source']}/{params['response']}"
        note = ports.TicketNote(
            ticket_key=params["ticket"],
            customer_ref=customer.ref,
            text=f"Another answer in this case.\n{_story(context, only=answer)}",
            priority=params["priority"],
        )
        return lambda: port.add_note(note, key=action.key)

    async def _message(self, action: Armed, customer: Customer, port: Any) -> Call:
        template = await self._wording(action)
        params = action.payload["params"]
        try:
            words = render(template, action.capability, params)
        except TemplateProblem as problem:
            raise CannotSay(str(problem)) from problem
        if action.capability is Capability.MAIL:
            return _mail(action, customer, template, words, cast(ports.MailPort, port))
        return _sms(action, customer, template, words, cast(ports.SmsPort, port))

    async def _wording(self, action: Armed) -> Template:
        wanted = action.payload["template_hash"]
        if wanted not in self._wordings:
            self._wordings[wanted] = await asyncio.to_thread(self._read_wording, wanted)
        return self._wordings[wanted]

    def _read_wording(self, wanted: str) -> Template:
        with self._database.read() as connection:
            found = content(connection, wanted)
        if found is None:
            raise CannotSay(f"template {wanted[:12]} is not published in this database: run `handrail db upgrade`")
        return Template.from_content(found)

    async def _context(self, action: Armed) -> dict[str, Any]:
        assert action.customer_id is not None  # noqa: S101 - only called with a customer

        def gather() -> dict[str, Any]:
            with self._database.read() as connection:
                return bundle(connection, cast(int, action.customer_id), action.case_id)

        return await asyncio.to_thread(gather)


def _mail(action: Armed, customer: Customer, template: Template, words: Rendered, port: ports.MailPort) -> Call:
    if customer.email is None:
        raise CannotSay(f"{action.key}: no mail address on file any more")
    mail = ports.Mail(
        customer_ref=customer.ref,
        to=customer.email,
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=template.language,
        template=template.name,
        headers={"Auto-Submitted": "auto-replied"},  # RFC 3834: no holiday robot answers it
    )
    return lambda: port.send_mail(mail, key=action.key)


def _sms(action: Armed, customer: Customer, template: Template, words: Rendered, port: ports.SmsPort) -> Call:
    if customer.phone is None:
        raise CannotSay(f"{action.key}: no phone number on file any more")
    sms = ports.Sms(customer.ref, customer.phone, words.text, template.language, template.name)
    return lambda: port.send_sms(sms, key=action.key)


def _headline(context: dict[str, Any]) -> str:
    said = context["said"]
    if not said:
        return "a customer needs a person"
    worst = min(said, key=lambda one: one["score"])
    return f"{worst['distress'] or 'unhappy'} · {worst['survey'].upper()} {worst['score']}"


def _story(context: dict[str, Any], only: str | None = None) -> str:
    """What the customer said in this case, newest first, as plain text; or one answer of it."""
    lines = [
        f"{one['survey'].upper()} {one['score']}, answered {one['answered_at']}:\n{one['words'] or '(no words)'}"
        for one in context["said"]
        if only is None or one["response"] == only
    ]
    return "\n\n".join(lines) or "No answer is on file for this case."
