"""What the scenes of onboarding play on: a month of three hundred customers, and a few who live where it is noon."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.journeys import journey_key
from handrail.demo_night import noon_zone
from services.settings import ROOT

CUSTOMERS = ROOT / "examples" / "onboarding-month-customers.csv"
EVENTS = ROOT / "examples" / "onboarding-month-events.jsonl"
BEGINS = "2027-03-01T00:00+01:00"
"""The examples begin here; summer time begins meanwhile, in America two weeks before Europe."""

_LINK = re.compile(r"https?://\S+/unsubscribe/[\w.~-]+")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who is activated while the demo plays, where it is noon now."""

    ref: str
    name: str
    language: str

    def as_told(self) -> dict[str, Any]:
        """The customer of an event about them."""
        told = {"ref": self.ref, "name": self.name, "email": f"newcomer-{self.ref}@example.com"}
        return {**told, "language": self.language, "time_zone": noon_zone()}

    def key(self, step: str) -> str:
        """The key of a step of theirs."""
        return journey_key("onboarding", self.ref, 1, step)


LEARNS = Newcomer("6001", "Anna Nowak", "pl")
KNOWS_ALREADY = Newcomer("6002", "Jana Dvořáková", "cs")
OPTS_OUT = Newcomer("6003", "Grace Hall", "en")
WRITES = Newcomer("6004", "Piotr Lis", "pl")
SETTLES_IN = Newcomer("6005", "Emma Brown", "en")
NEWCOMERS = (LEARNS, KNOWS_ALREADY, OPTS_OUT, WRITES, SETTLES_IN)


def tomorrow_morning(now: datetime) -> datetime:
    """Five past ten tomorrow where the newcomers live: the video guide is due at ten."""
    local = now.astimezone(ZoneInfo(noon_zone())) + timedelta(days=1)
    return local.replace(hour=10, minute=5, second=0, microsecond=0).astimezone(UTC)


def unsubscribe_link(mail: Mapping[str, Any]) -> str | None:
    """Where a mail lets its reader have no more of them."""
    found = _LINK.search(str(mail.get("text", "")))
    return found and found[0]
