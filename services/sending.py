"""From an armed action to the one call at its integration: words rendered, context gathered, nothing sent yet."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from domain import review_alerts
from domain.actions import Basis, Capability, Kind
from domain.call_me import CALL_ME_SCHEMA, what_to_know
from domain.calls import CALL_SCHEMA, WORDINGS
from domain.customers import Customer, Purpose, choose_language
from domain.ending_tasks import CALL_NOTE_SCHEMA, TASK_SCHEMA
from domain.journey_payload import STEP_SCHEMA
from domain.light import light
from domain.policy import Policy
from integrations import ports
from integrations.operations import operation_of
from integrations.ports import Receipt
from services import ending_calls, ending_tasks, journey_messages, journey_tasks, review_alert_words
from services.journeys import Journeys
from services.links import Links
from services.review_links import ReviewLinks, review_link
from store import calls, endings
from store.context import bundles
from store.database import Database
from store.endings import Ending
from store.journey_stories import JourneyStory, stories
from store.ledger.rows import Armed
from store.review_alerts import Shown, shown
from store.wordings import content
from templates.library import Template, TemplateProblem
from templates.renderer import Rendered, render

Context = dict[str, Any]
"""What a colleague should know now (`store.context`); of an ending how it stands, as `ending` (`store.endings`); of a
journey how it went, as `story` (`store.journey_stories`); of an alert the `reviews` it is about, by our ids."""
Value = (
    ports.Ticket
    | ports.TicketNote
    | ports.Task
    | ports.TaskNote
    | ports.TaskClosing
    | ports.Mail
    | ports.Sms
    | ports.Push
    | ports.Call
    | ports.Alert
    | ports.Erasure
)


class CannotSay(Exception):
    """The action cannot be put into words or has nowhere to go. Surely nothing was sent; a person looks."""


@light(frozen=True, slots=True)
class Call:
    """One write of an integration's port, ready to be made: alone by calling it, or with others in a vendor batch."""

    port: Any
    operation: str
    value: Any
    key: str

    def __call__(self) -> Awaitable[Receipt]:
        """Makes it when it is awaited. That raises what the port's writes raise."""
        made: Awaitable[Receipt] = getattr(self.port, self.operation)(self.value, key=self.key)
        return made


class Target(Protocol):
    """Where it goes: a configured integration."""

    @property
    def port(self) -> Any: ...


_WORDED = frozenset({Kind.ACKNOWLEDGEMENT, Kind.MESSAGE})
_WRITTEN = frozenset({Capability.MAIL, Capability.SMS})
_HEADLINES = {
    "reopened": "The case is open again: it was not over.",
    "words": "What the customer wrote to an answer of this case has come.",
    "changed": "The customer changed an answer of this case. It says now:",
    "message": "Another message in this case.",
}
"""How a note begins, by the word its plan has for it; else it is one more answer."""
_TOLD_COLLEAGUES = frozenset({Kind.TICKET, Kind.TICKET_NOTE})
_TELLS_OF_ENDING = frozenset({Kind.TASK, Kind.TASK_NOTE, Kind.CALL})
_AUTOMATIC = {Basis.REPLY: "auto-replied", Basis.SERVICE: "auto-generated", Basis.PROACTIVE: "auto-generated"}
"""RFC 3834's word for a mail: with it no holiday robot answers."""


class Sender:
    """Prepares calls. Wordings are immutable by hash, so each is read from the database once."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        clock: Callable[[], datetime],
        links: Links,
        review_links: ReviewLinks | None = None,
    ) -> None:
        """Without `review_links` alerts about reviews lead to the page alone, where one signs in."""
        self._database = database
        self._policy = policy
        self._clock = clock
        self._links = links
        self._review_links = review_links
        self._journeys = Journeys()
        self._wordings: dict[str, Template] = {}

    def gather(self, armed: Sequence[Armed]) -> dict[int, Context]:
        """What each action that is told to colleagues should tell, by its id. Blocks: it is for a thread."""
        wanted = {
            one.id: (one.customer_id, one.case_id)
            for one in armed
            if one.kind in _TOLD_COLLEAGUES and one.customer_id is not None
        }
        about = {
            one.id: one.entitlement_id
            for one in armed
            if one.kind in _TELLS_OF_ENDING and one.entitlement_id is not None
        }
        on_the_way = {
            one.id: one.enrolment_id for one in armed if one.kind is Kind.TASK and one.enrolment_id is not None
        }
        of_reviews = {one.id: _reviews_of(one) for one in armed if one.payload["schema"] == review_alerts.SCHEMA}
        if not wanted and not about and not on_the_way and not of_reviews:
            return {}
        found: dict[int, Context] = {}
        with self._database.read() as connection:
            if wanted:
                told = bundles(connection, list(wanted.values()), today=self._clock().date())
                found |= zip(wanted, told, strict=True)
            if about:
                ids = sorted(set(about.values()))
                known, called = endings.these(connection, ids), calls.of_endings(connection, ids)
                found |= {
                    action_id: {"ending": known[its], "calls": called.get(its, [])} for action_id, its in about.items()
                }
            if on_the_way:
                known_ways = stories(connection, on_the_way.values())
                found |= {its: self._on_the_way(connection, known_ways[way]) for its, way in on_the_way.items()}
            if of_reviews:
                stand = shown(connection, {review for reviews in of_reviews.values() for review in reviews})
                found |= {one.id: self._about_reviews(connection, one, stand) for one in armed if one.id in of_reviews}
        return found

    def _on_the_way(self, connection: Connection, story: JourneyStory) -> Context:
        """One journey that cannot be read, as `problem`, must not stop the others of its window."""
        try:
            return {"story": story, "journey": self._journeys.of(connection, story.journey_hash)}
        except (LookupError, ValueError) as problem:
            return {"problem": problem}

    async def prepare(self, action: Armed, target: Target, context: Context | None = None) -> Call:
        """The call, ready to be made; `context` as gathered, or it is gathered here. Raises CannotSay."""
        if action.payload["schema"] == review_alerts.SCHEMA:
            told = self._review_alert(action, context or await self._context(action))
            return Call(target.port, operation_of(action.kind, action.capability), told, action.key)
        if action.customer is None:
            raise CannotSay(f"{action.key}: nobody to do it for")
        if action.kind is Kind.ERASURE and not isinstance(target.port, ports.Erases):
            raise CannotSay(f"{action.key}: this vendor has no way to be asked; erase the customer there by hand")
        value = await self._value(action, action.customer, context)
        return Call(target.port, operation_of(action.kind, action.capability), value, action.key)

    async def _value(self, action: Armed, customer: Customer, context: Context | None) -> Value:
        if action.payload["schema"] == STEP_SCHEMA:
            return await self._step(action, customer, context)
        if action.kind in _WORDED and action.capability in _WRITTEN:
            return await self._message(action, customer)
        if action.kind is Kind.TICKET:
            return _ticket(action, customer, context or await self._context(action))
        if action.kind is Kind.TICKET_NOTE:
            return _note(action, customer, context or await self._context(action))
        if action.kind is Kind.TASK and action.payload["schema"] == TASK_SCHEMA:
            known = context or await self._context(action)
            return ending_tasks.task(action, customer, known["ending"], known["calls"], self._policy, self._clock())
        if action.kind is Kind.TASK and action.payload["schema"] == CALL_ME_SCHEMA:
            return _task(action, customer, what_to_know(customer, self._policy))
        if action.kind is Kind.TASK:
            return _task(action, customer, action.payload["params"]["body"])
        if action.kind is Kind.TASK_NOTE and action.payload["schema"] == CALL_NOTE_SCHEMA:
            called = (context or await self._context(action))["calls"]
            return ending_tasks.call_note(action, customer, called, self._policy, self._clock())
        if action.kind is Kind.CALL and action.payload["schema"] == CALL_SCHEMA:
            return await self._call(action, customer, (context or await self._context(action))["ending"])
        if action.kind is Kind.TASK_NOTE:
            ending = (context or await self._context(action))["ending"]
            return ending_tasks.note(action, customer, ending, self._policy, self._clock())
        if action.kind is Kind.TASK_CLOSE:
            return ending_tasks.closing(action)
        if action.kind is Kind.PAGE:
            return _page(action)
        if action.kind is Kind.ERASURE:
            return ports.Erasure(customer.ref)
        raise CannotSay(f"{action.key}: no sender for a {action.kind} by {action.capability}")

    async def _call(self, action: Armed, customer: Customer, ending: Ending) -> ports.Call:
        template = await self._in_their_language(action, customer)
        params = ending_calls.params(ending, customer, template.language, self._policy, self._clock())
        return _spoken(action, customer, template, _rendered(template, Capability.VOICE, params))

    async def _message(self, action: Armed, customer: Customer) -> ports.Mail | ports.Sms:
        wanted = action.payload["template_hash"]
        template = self._wordings.get(wanted) or await self._wording(wanted)
        words = _rendered(template, action.capability, action.payload["params"])
        if action.capability is Capability.MAIL:
            is_unasked = action.basis is Basis.PROACTIVE and self._links.can_be_made
            page = self._page(action, action.purpose) if is_unasked and action.purpose is not None else None
            return _mail(action, customer, template, words, page)
        return _sms(action, customer, template, words)

    async def _step(self, action: Armed, customer: Customer, context: Context | None) -> Value:
        """A step of a journey: by the words of the customer's language, to the address they have now."""
        if action.kind is Kind.TASK:
            return self._step_task(action, customer, context or await self._context(action))
        template = await self._in_their_language(action, customer)
        said = action.payload["params"]
        page = None if action.capability is Capability.VOICE else self._page(action, said["purpose"])
        params = journey_messages.params(said, customer, template.language, self._policy, page)
        words = _rendered(template, action.capability, params)
        if action.capability is Capability.MAIL:
            return _mail(action, customer, template, words, page if action.basis is Basis.PROACTIVE else None)
        if action.capability is Capability.VOICE:
            return _spoken(action, customer, template, words)
        if action.capability is Capability.PUSH:
            return _push(action, customer, template, words)
        return _sms(action, customer, template, words)

    def _step_task(self, action: Armed, customer: Customer, known: Context) -> ports.Task:
        try:
            if "problem" in known:
                raise known["problem"]
            journey, story = known["journey"], known["story"]
            return journey_tasks.task(action, customer, journey, story, self._policy, self._clock())
        except (LookupError, ValueError) as problem:
            raise CannotSay(f"{action.key}: {problem}") from problem

    def _about_reviews(self, connection: Connection, action: Armed, stand: Mapping[int, Shown]) -> Context:
        """How they stand, and the links by which whoever the alert is for may decide about them, made just now."""
        links: dict[int, str] = {}
        if self._review_links is not None:
            name = action.payload["params"]["person"]
            for its in (stand[review_id] for review_id in _reviews_of(action)):
                if review_alert_words.may_use_link(its, name, self._policy):
                    asked, until = its.row.payload_hash, its.row.deadline
                    link = review_link(connection, self._review_links, its.row.id, name, asked, expires=until)
                    links |= {} if link is None else {its.row.id: link}
        return {"reviews": stand, "links": links}

    def _review_alert(self, action: Armed, known: Context) -> ports.Alert:
        return review_alert_words.alert(
            action.payload["params"],
            known["reviews"],
            self._policy,
            gateway_url=self._links.address,
            links=known["links"],
        )

    def _page(self, action: Armed, purpose: str) -> str:
        """Where a customer says what they want, and ends the rest. Raises CannotSay when there can be no link."""
        if action.customer_id is None:
            raise CannotSay(f"{action.key}: nobody to do it for")
        try:
            return self._links.page(action.customer_id, Purpose(purpose))
        except LookupError as problem:
            raise CannotSay(f"{action.key}: {problem}") from problem

    async def _in_their_language(self, action: Armed, customer: Customer) -> Template:
        """The approved wording that the plan names for the customer's language as it is now."""
        wordings = action.payload["params"][WORDINGS]
        language = choose_language(customer.language, supported=wordings, default=self._policy.default_language)
        if language not in wordings:
            raise CannotSay(f"{action.key}: no wording of {action.payload['template']} is approved in {language}")
        return await self._wording(wordings[language])

    async def _wording(self, wanted: str) -> Template:
        if wanted not in self._wordings:
            self._wordings[wanted] = await asyncio.to_thread(self._read_wording, wanted)
        return self._wordings[wanted]

    def _read_wording(self, wanted: str) -> Template:
        with self._database.read() as connection:
            found = content(connection, wanted)
        if found is None:
            raise CannotSay(f"template {wanted[:12]} is not published in this database: run `handrail db upgrade`")
        return Template.from_content(found)

    async def _context(self, action: Armed) -> Context:
        return (await asyncio.to_thread(self.gather, [action]))[action.id]


def _rendered(template: Template, channel: Capability, params: Mapping[str, Any]) -> Rendered:
    try:
        return render(template, channel, params)
    except TemplateProblem as problem:
        raise CannotSay(str(problem)) from problem


def _ticket(action: Armed, customer: Customer, context: Context) -> ports.Ticket:
    params = action.payload["params"]
    return ports.Ticket(
        customer_ref=customer.ref,
        subject=f"{params['case']}: {_headline(context)}",
        body=_story(context),
        priority=params["priority"],
        team=params["team"],
        language=customer.language or "",
        context=context,
    )


def _note(action: Armed, customer: Customer, context: Context) -> ports.TicketNote:
    params = action.payload["params"]
    text = params.get("text")  # what colleagues are asked for; else the note is one more answer or message
    if text is None:
        headline = next((words for word, words in _HEADLINES.items() if word in params), "Another answer in this case.")
        one = params.get("message") or f"{params['source']}/{params['response']}"
        text = f"{headline}\n{_story(context, only=one)}"
    return ports.TicketNote(
        ticket_key=params["ticket"],
        customer_ref=customer.ref,
        text=text,
        priority=params["priority"],
    )


def _task(action: Armed, customer: Customer, body: str) -> ports.Task:
    params = action.payload["params"]
    due_at = params.get("due_at")
    return ports.Task(
        customer_ref=customer.ref,
        title=params["title"],
        body=body,
        assignee=params["assignee"],
        priority=params["priority"],
        due_at=None if due_at is None else datetime.fromisoformat(due_at),
        customer_name=customer.name or "",
    )


def _reviews_of(action: Armed) -> list[int]:
    return [told["review"] for told in action.payload["params"]["told"]]


def _page(action: Armed) -> ports.Alert:
    params = action.payload["params"]
    detail = {"case": params["case"], "step": params["step"]}
    return ports.Alert(summary=params["summary"], severity=params["severity"], link=params["link"], detail=detail)


def _mail(action: Armed, customer: Customer, template: Template, words: Rendered, page: str | None) -> ports.Mail:
    if customer.email is None:
        raise CannotSay(f"{action.key}: no mail address on file any more")
    unsubscribe = {} if page is None else journey_messages.unsubscribe_headers(page)
    return ports.Mail(
        customer_ref=customer.ref,
        to=customer.email,
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=template.language,
        template=template.name,
        headers={"Auto-Submitted": _AUTOMATIC[action.basis], **unsubscribe},
    )


def _sms(action: Armed, customer: Customer, template: Template, words: Rendered) -> ports.Sms:
    if customer.phone is None:
        raise CannotSay(f"{action.key}: no phone number on file any more")
    return ports.Sms(customer.ref, customer.phone, words.text, template.language, template.name)


def _push(action: Armed, customer: Customer, template: Template, words: Rendered) -> ports.Push:
    if customer.device is None:
        raise CannotSay(f"{action.key}: no device on file any more")
    about = template.language, template.name
    return ports.Push(customer.ref, customer.device, words.subject, words.text, words.link, *about)


def _spoken(action: Armed, customer: Customer, template: Template, words: Rendered) -> ports.Call:
    if customer.phone is None:
        raise CannotSay(f"{action.key}: no phone number on file any more")
    return ports.Call(customer.ref, customer.phone, words.text, template.language, template.name)


def _headline(context: dict[str, Any]) -> str:
    said = context["said"]
    if not said:
        wrote = context.get("wrote")
        return f"{wrote[0]['distress'] or 'angry and urgent'} · message" if wrote else "a customer needs a person"
    worst = min(said, key=lambda one: one["score"])
    return f"{worst['distress'] or 'unhappy'} · {worst['survey'].upper()} {worst['score']}"


def _story(context: dict[str, Any], only: str | None = None) -> str:
    """What the customer said in this case, newest first, as plain text; or one answer or message of it."""
    lines = [
        f"{one['survey'].upper()} {one['score']}, answered {one['answered_at']}:\n{one['words'] or '(no words)'}"
        for one in context["said"]
        if only is None or one["response"] == only
    ]
    lines += [
        f"Wrote {one['received_at']}: {one['subject'] or ''}\n{one['words']}"
        for one in context.get("wrote", ())
        if only is None or one["message"] == only
    ]
    return "\n\n".join(lines) or "No answer is on file for this case."
