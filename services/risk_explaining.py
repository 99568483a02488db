"""Which rules a subject waits for or would wait for, and why, for whoever asks at a shell."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.actions import Basis, Kind
from domain.calls import call_wordings
from domain.channels import Channel
from domain.customers import Tier
from domain.instants import iso
from domain.journeys import Step
from domain.policy import Policy
from domain.review_rules import Risk, Rule
from domain.review_words import rule_words, what_words
from domain.reviews import Stand
from domain.risk import RECOVERY_SURVEYS, Ask, Outward, Volumes, ask, assess, call_purpose, is_reviewable, step_purpose
from domain.risk_words import Finding, Known, findings
from services.journeys import Journeys
from services.review_reading import wording_of
from services.risks import Risks
from services.risky_words import says_money_or_apology
from store import content_reviews, endings, journeys, review_pages, wordings
from store.content_reviews import Content
from store.database import Database
from store.ledger.facts import gates_of, may_be_out
from store.ledger.rows import actions, customers, entitlements

_NUMBER = re.compile(r"[0-9]{1,18}")

RISK_SUBJECTS = "a review's number, or the name of a message or a journey"
"""What may be asked for beside what `services.explaining` knows."""


def explain_risks(database: Database, policy: Policy, subject: str, *, now: datetime) -> list[dict[str, Any]]:
    """Each thing a subject names, with what every rule says of it; none for a subject nobody knows."""
    with database.read() as connection:
        return list(_Explaining(connection, policy, now).of(subject))


def names_known(database: Database) -> list[str]:
    """The messages and journeys one may ask for."""
    with database.read() as connection:
        return sorted(wordings.names(connection) | journeys.names(connection))


class _Explaining:
    def __init__(self, connection: Connection, policy: Policy, now: datetime) -> None:
        self._connection, self._policy, self._now = connection, policy, now
        self._risks = Risks(policy, now=now)

    def of(self, subject: str) -> Iterator[dict[str, Any]]:
        """Everything that is called so."""
        yield from self._review(subject)
        action = self._connection.execute(select(actions).where(actions.c.key == subject)).first()
        if action is not None:
            yield self._action(action)
        for what, names in ((Content.WORDING, wordings.names), (Content.JOURNEY, journeys.names)):
            if subject in names(self._connection):
                yield self._content(what, subject)
        if subject in journeys.names(self._connection):
            yield from self._steps(subject)
        customer = self._connection.execute(select(customers).where(customers.c.ref == subject)).first()
        if customer is not None:
            yield from self._customer(customer)
        ending = endings.named(self._connection, subject)
        if ending is not None and action is None:
            yield self._call_about(ending)

    def _review(self, subject: str) -> Iterator[dict[str, Any]]:
        number = subject.removeprefix("review/")
        row = review_pages.one(self._connection, int(number)) if _NUMBER.fullmatch(number) else None
        if row is None:
            return
        asked = [Rule(rule) for rule in row.rules]
        on = set(self._policy.reviews.rules)
        said = [
            Finding(rule, rule in on, rule in asked, rule_words(rule, self._policy.reviews))
            if rule in asked
            else Finding(
                rule, rule in on, False, "it asked about nothing in this review" if rule in on else "it is off"
            )
            for rule in Rule
        ]
        yield _told(f"review {row.id}: {what_words(row.what)}", row.what, said, _asked_by(row), _standing(row))
        member = next(iter(review_pages.members(self._connection, row.id, review_pages.Chosen(), limit=1)), None)
        if member is not None:
            wanted = select(actions).where(actions.c.key == member.key)
            yield self._action(self._connection.execute(wanted).one()) | {"is_example": True}

    def _action(self, row: Row[Any]) -> dict[str, Any]:
        person = self._connection.execute(select(customers).where(customers.c.id == row.customer_id)).first()
        gate = gates_of(self._connection, {row.gate_id}).get(row.gate_id) if row.gate_id is not None else None
        one = Outward(
            Kind(row.kind),
            Basis(row.basis),
            tier=None if person is None else Tier(person.tier),
            in_hardship=self._in_hardship(row.customer_id),
            gate=None if gate is None else gate.verdict,
            may_be_out=bool(may_be_out(self._connection, [row.id])),
        )
        content_hash = wording_of(row.payload, None if person is None else person.language, self._policy)
        said = None if content_hash is None else self._says(content_hash)
        what = self._purpose(row) if is_reviewable(one.kind, one.basis) else None
        told = self._assessed(f"{row.kind} {row.key}, {row.state}", what, one, said)
        asked = None if row.review_id is None else review_pages.one(self._connection, row.review_id)
        return told | {"review": None if asked is None else _standing(asked), "state": row.state}

    def _purpose(self, row: Row[Any]) -> str:
        if row.enrolment_id is not None:
            params = row.payload["params"]
            return step_purpose(params["journey"], params["step"])
        if row.entitlement_id is None:
            return RECOVERY_SURVEYS
        wanted = select(entitlements.c.kind).where(entitlements.c.id == row.entitlement_id)
        return call_purpose(self._connection.execute(wanted).scalar_one())

    def _content(self, what: Content, name: str) -> dict[str, Any]:
        rule = Rule.CHANGED_WORDS if what is Content.WORDING else Rule.CHANGED_JOURNEY
        is_on = self._policy.reviews.rules.risk_of(rule) is not None
        review = content_reviews.last(self._connection, what, name)
        asked = ask(name, (rule,), self._policy.reviews)
        applies = review is not None and review.state == Stand.OPEN
        why = "a change waits for the review named here" if applies else "nothing that is changed waits"
        said = [Finding(rule, is_on, applies, why if is_on else "it is off: a person takes changes into use")]
        if what is Content.WORDING and self._policy.reviews.rules.money_or_apology is not None:
            phrases = self._says_of(name)
            words = f"its words say {', '.join(phrases)}: each message that is no reply waits"
            words = words if phrases else "its words say none of the phrases"
            said.append(Finding(Rule.MONEY_OR_APOLOGY, True, bool(phrases), words))
        told = _told(f"a change of the {what} {name}", name, said, asked, None if review is None else _standing(review))
        return told | {"is_planned": False}

    def _steps(self, name: str) -> Iterator[dict[str, Any]]:
        live = Journeys().live(self._connection).get(name)
        for step in live[1].steps if live is not None else ():
            if step.message is not None:
                yield self._step(name, step)

    def _step(self, name: str, step: Step) -> dict[str, Any]:
        in_use = wordings.approved(self._connection)
        hashes = [its for (message, _), its in in_use.items() if message == step.message]
        phrases = tuple(dict.fromkeys(phrase for its in hashes for phrase in self._says(its)))
        one = Outward(Kind.CALL if step.by == (Channel.VOICE,) else Kind.MESSAGE, step.basis)
        return self._assessed(f"step {step.id} of {name}, whoever it is for", step_purpose(name, step.id), one, phrases)

    def _customer(self, row: Row[Any]) -> Iterator[dict[str, Any]]:
        for kind, noun in ((Kind.CALL, "a call to"), (Kind.MESSAGE, "a message to")):
            one = Outward(kind, Basis.PROACTIVE, Tier(row.tier), self._in_hardship(row.id))
            yield self._assessed(f"{noun} {row.ref}", None, one, None)

    def _call_about(self, ending: endings.Ending) -> dict[str, Any]:
        tier = select(customers.c.tier).where(customers.c.id == ending.customer_id)
        gate = gates_of(self._connection, {ending.gate_id}).get(ending.gate_id)
        one = Outward(
            Kind.CALL,
            self._policy.expiry.calls.basis,
            Tier(self._connection.execute(tier).scalar_one()),
            self._in_hardship(ending.customer_id),
            gate=None if gate is None else gate.verdict,
        )
        its = call_wordings(wordings.approved(self._connection), self._policy.languages)
        phrases = tuple(dict.fromkeys(phrase for content_hash in its.values() for phrase in self._says(content_hash)))
        about = f"a call about {ending.entitlement.ref}"
        return self._assessed(about, call_purpose(ending.entitlement.kind), one, phrases)

    def _assessed(self, about: str, what: str | None, one: Outward, said: tuple[str, ...] | None) -> dict[str, Any]:
        """As a planner would find it now."""
        volumes = None if what is None else self._risks.volumes(self._connection, what)
        one = self._counted(one, what, volumes, said)
        found = findings(one, Known(what, volumes, said), self._policy.reviews)
        return _told(about, what, found, assess(what or about, one, self._policy.reviews), None)

    def _counted(
        self, one: Outward, what: str | None, volumes: Volumes | None, said: tuple[str, ...] | None
    ) -> Outward:
        rooms = {} if what is None or volumes is None else self._risks.room(self._connection, what)
        return replace(
            one,
            says_money_or_apology=bool(said),
            is_many=rooms.get(Rule.MANY_CUSTOMERS, 1) < 1,
            is_unusual=rooms.get(Rule.UNUSUAL_VOLUME, 1) < 1,
        )

    def _in_hardship(self, customer_id: int | None) -> bool:
        return customer_id is not None and bool(self._risks.in_hardship(self._connection, [customer_id]))

    def _says(self, content_hash: str) -> tuple[str, ...]:
        content = wordings.content(self._connection, content_hash)
        return () if content is None else says_money_or_apology(content, self._policy)

    def _says_of(self, name: str) -> tuple[str, ...]:
        in_use = wordings.approved(self._connection)
        hashes = [its for (message, _), its in in_use.items() if message == name]
        return tuple(dict.fromkeys(phrase for its in hashes for phrase in self._says(its)))


def _told(
    about: str, what: str | None, found: list[Finding], asked: Ask | None, review: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "about": about,
        "what": what,
        "rules": [
            {"rule": one.rule.value, "is_on": one.is_on, "applies": one.applies, "why": one.why} for one in found
        ],
        "asks": None
        if asked is None
        else {"risk": asked.risk.value, "reviewers": asked.reviewers, "rules": [rule.value for rule in asked.rules]},
        "review": review,
    }


def _asked_by(row: Row[Any]) -> Ask:
    return Ask(row.what, tuple(Rule(rule) for rule in row.rules), Risk(row.risk), row.reviewers_needed, 0)


def _standing(row: Row[Any]) -> dict[str, Any]:
    return {
        "review": row.id,
        "state": row.state,
        "deadline": iso(row.deadline),
        "initiator": row.initiator,
        "decided_by": row.decided_by,
        "reason": row.reason,
        "link": f"/reviews/{row.id}",
    }
