"""What planners write: actions to be done, or recorded as not to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.actions import Basis, Capability, Kind
from domain.risk import Ask


@dataclass(frozen=True, slots=True)
class Payload:
    """What an action says, immutable per revision; hashed as canonical JSON (design §4)."""

    schema: str  # "acknowledgement/1"
    params: Mapping[str, Any]
    template: str | None = None
    template_hash: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The payload as stored and hashed."""
        return {
            "schema": self.schema,
            "template": self.template,
            "template_hash": self.template_hash,
            "params": dict(self.params),
        }


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One intended effect. `skip` says why it is recorded but not done."""

    key: str
    kind: Kind
    basis: Basis
    capability: Capability
    payload: Payload
    due_at: datetime
    urgent: bool = False
    purpose: str | None = None  # the consent a proactive action rests on
    after: str | None = None  # the key of the action that must be over first
    not_after: datetime | None = None  # pointless after this
    stale_after: datetime | None = None  # what it says stops being true
    facts: frozenset[str] = field(default_factory=frozenset)  # what it rests on: `customer`, `case`, `entitlement`
    reason: str | None = None  # why it is due later
    skip: str | None = None
    ask: Ask | None = None  # it waits for a review
