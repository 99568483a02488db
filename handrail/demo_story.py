"""One customer's story: what was delivered, what the gateway answered, what the outside received, what is amiss."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook and its answer."""

    answer: dict[str, Any]
    body: bytes
    sent_at: datetime
    http: int
    said: dict[str, Any]

    @property
    def customer(self) -> str:
        """Who answered, as the survey tool says."""
        return str(self.answer["customer"]["ref"])

    @property
    def response(self) -> str:
        """The survey tool's name of the answer."""
        return str(self.answer["response_id"])

    def as_json(self) -> dict[str, Any]:
        """For the document at the end; no customer's words."""
        return {
            "customer": self.customer,
            "response": self.response,
            "survey": self.answer["kind"],
            "score": self.answer["score"],
            "http": self.http,
            "status": self.said.get("status"),
            "duplicate": self.said.get("duplicate"),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Something the sandbox received."""

    key: str
    received_at: datetime
    link: str
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something the outside received because of a delivery."""

    what: str
    found: Found
    after_ms: int

    def as_json(self) -> dict[str, Any]:
        """For the document at the end."""
        return {"what": self.what, "key": self.found.key, "after_ms": self.after_ms, "link": self.found.link}


@dataclass
class Story:
    """What happened, as it is being told."""

    name: str
    title: str
    told: str = ""
    """What happened, in one line for a person."""
    deliveries: list[Delivery] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    bulk: list[str] = field(default_factory=list)
    """Keys of further effects, too many to be told of one by one."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else happened, for machines."""

    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """All of it happened as it should."""
        return not self.problems

    @property
    def keys(self) -> list[str]:
        """The keys of all effects this story accounts for."""
        return [*(effect.found.key for effect in self.effects), *self.bulk]

    def expect(self, claim: bool, otherwise: str) -> None:
        """It is so; else the words say what is amiss."""
        if not claim:
            self.complain(otherwise)

    def complain(self, words: str) -> None:
        """Something is not as it should be."""
        self.problems.append(words)

    def expect_answer(self, delivery: Delivery, *, http: int, duplicate: bool | None = None) -> Delivery:
        """The gateway answered like this; the delivery, for what follows from it."""
        self.deliveries.append(delivery)
        if delivery.http != http:
            self.complain(f"the gateway answered {delivery.http}, not {http}: {delivery.said}")
        elif http == 202 and delivery.said.get("status") != "accepted":
            self.complain(f"the answer went into quarantine: {delivery.said}")
        elif http == 202 and delivery.said.get("duplicate") is not bool(duplicate):
            self.complain(f"the gateway said duplicate: {delivery.said.get('duplicate')}")
        return delivery

    def expect_effect(self, found: Found | None, what: str, customer: str, since: datetime) -> None:
        """The outside received it, about this customer, and not before `since`."""
        if found is None:
            self.complain(f"no {what} about {customer} arrived")
            return
        if found.item.get("customer_ref") != customer:
            self.complain(f"the {what} is about another customer than {customer}")
        after = round((found.received_at - since).total_seconds() * 1000)
        if after < 0:
            self.complain(f"the {what} about {customer} arrived {-after} ms too early")
        self.effects.append(Effect(what, found, after))

    def as_json(self) -> dict[str, Any]:
        """For the document at the end."""
        return {
            "ok": self.ok,
            "title": self.title,
            "told": self.told,
            "answers": [delivery.as_json() for delivery in self.deliveries],
            "effects": [effect.as_json() for effect in self.effects],
            **self.facts,
            "problems": self.problems,
        }
