"""Forgetting a customer: which texts are about them, what is taken out of texts that stay, which payloads tell nothing.

What is kept and why stands in docs/privacy.md.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.actions import Basis, Capability, Kind, key
from domain.call_me import CALL_ME_SCHEMA
from domain.calls import CALL_SCHEMA
from domain.customers import Customer
from domain.distress import Category
from domain.ending_tasks import CALL_NOTE_SCHEMA, CLOSE_SCHEMA, NOTE_SCHEMA, TASK_SCHEMA
from domain.journey_payload import STEP_SCHEMA
from domain.planning import Payload, PlannedAction

ERASURE_SCHEMA = "erasure/1"
REASON = "the customer was erased"
SUPPRESSED = "erased"
"""Why an address of theirs is suppressed."""

IMPERSONAL = frozenset(
    {
        *(TASK_SCHEMA, NOTE_SCHEMA, CLOSE_SCHEMA, CALL_NOTE_SCHEMA, CALL_SCHEMA),
        *(STEP_SCHEMA, CALL_ME_SCHEMA, ERASURE_SCHEMA),
    }
)
"""Payloads that say the same of everybody (ADR 20): their params stay. All others are blanked."""

_GONE = "[erased]"
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+\d(?:[\s()./-]{0,2}\d){6,14}")
_DISTRESS = re.compile(rf"\b(?:{'|'.join(category.value for category in Category)})\b")
_SHORT = 4
"""A ref shorter than this may be anything; it is theirs only where a field says that it is a customer's."""
_SAYS_WHO = ("ref", "customer", "client", "user")
_DIGITS = 9
"""Of a phone number, so many last ones: some write the country code, and some do not."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a customer is known by, before it is forgotten."""

    ref: str
    name: str | None = None
    addresses: frozenset[str] = frozenset()  # mail, phone, device

    @classmethod
    def of(cls, customer: Customer) -> "Known":
        """What is on file."""
        on_file = (customer.email, customer.phone, customer.device)
        return cls(customer.ref, customer.name, frozenset(word.strip() for word in on_file if word and word.strip()))

    def is_about(self, fields: Iterable[tuple[str, str]]) -> bool:
        """True when one of these (name, value) is their ref or an address of theirs, or has one in it."""
        return any(self._names(field, value) for field, value in fields)

    def may_be_about(self, text: str) -> bool:
        """True when a text has their name in it, which others may share."""
        name = self.name or ""
        return len(name) >= _SHORT and re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None

    def taken_out_of(self, text: str) -> str:
        """The text without their name, addresses, kind of distress, and without anything that looks like an address."""
        for word in sorted({*self.addresses, *([self.name] if self.name else [])}, key=len, reverse=True):
            text = re.sub(re.escape(word), _GONE, text, flags=re.IGNORECASE)
        return _DISTRESS.sub(_GONE, _PHONE.sub(_GONE, _MAIL.sub(_GONE, text)))

    def _names(self, field: str, value: str) -> bool:
        says_who = any(word in field.casefold() for word in _SAYS_WHO)
        if value.strip() == self.ref and (len(self.ref) >= _SHORT or says_who):
            return True
        folded, digits = value.casefold(), re.sub(r"\D", "", value)
        for address in self.addresses:
            number = re.sub(r"\D", "", address) if address.startswith("+") else ""
            if address.casefold() in folded or (number and number[-_DIGITS:] in digits):
                return True
        return False


def blanked(payload: dict[str, object]) -> dict[str, object]:
    """A payload without its params, unless they say the same of everybody. Its hash stays what it was."""
    return payload if payload.get("schema") in IMPERSONAL else {**payload, "params": {}}


def erasure_key(customer_ref: str, integration: str) -> str:
    """The key of the one request to an integration to forget a customer."""
    return key("customer", customer_ref, "erasure", integration)


def plan_erasures(
    customer_ref: str, integrations: Collection[tuple[str, Capability]], *, now: datetime
) -> list[PlannedAction]:
    """What asks each of these integrations (name, capability) to forget them."""
    return [
        PlannedAction(
            key=erasure_key(customer_ref, name),
            kind=Kind.ERASURE,
            basis=Basis.INTERNAL,
            capability=capability,
            payload=Payload(ERASURE_SCHEMA, {}),
            due_at=now,
        )
        for name, capability in integrations
    ]
