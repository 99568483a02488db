"""What a history of reviews stands on: who and what is asked about, by which policy, and where a process may die."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

from ledger_world import POLICY
from review_model import LASTS, NEEDED, ROLE, STEPS, Said

from domain.actions import Capability, WriteClass
from domain.customers import Tier
from domain.hours import ContactWindow
from domain.policy import Policy
from domain.review_rules import CanaryRules, PhrasesRule, Risk, RiskRules, Way
from store import crash_points
from templates.library import Template

REFS = tuple(f"C-{number}" for number in range(9))
WHATS = {
    "welcome": (Risk.LOW, "planner"),
    "offer": (Risk.LOW, "EWA  lis"),
    "change": (Risk.MEDIUM, "planner"),
    "apology": (Risk.HIGH, "ola maj"),
}
"""What is asked about: how risky it is, and who caused it, as their name was typed there."""
PEOPLE = {
    "Ewa Lis": {"on_call", "lead"},
    "Jan Nowak": {"on_call", "lead"},
    "Ola Maj": {"lead"},
    "Piotr Sowa": {"on_call"},
    "Adam Gość": {"viewer"},
}
CLASSES = {Capability.MAIL: WriteClass.D, Capability.SMS: WriteClass.B}
_GATHERED = {Risk.LOW: 0, Risk.MEDIUM: 10, Risk.HIGH: 0}
_PARTS = {
    "mail.subject.txt": "Your guide",
    "mail.txt": "Hello {{ name }},\nhere it is: {{ links.video }}\n{{ human.phone }}",
    "mail.html": "<p>Hello {{ name }}, <a href='{{ links.video }}'>here</a></p>",
    "sms.txt": "{{ links.video }} {{ human.phone }}",
}
USUAL = Template("guide", "en", _PARTS)
SORRY = Template(
    "guide-sorry", "en", {**_PARTS, **{part: f"{_PARTS[part]}\nWe apologise." for part in ("mail.txt", "sms.txt")}}
)


def policy() -> Policy:
    """Small stages, and money or apologies are risky."""
    classes = {
        risk: RiskRules(
            NEEDED[risk],
            frozenset(Way) if risk is Risk.LOW else frozenset({Way.PAGE}),
            frozenset({ROLE[risk]}),
            LASTS[risk] // timedelta(minutes=1),
            in_staffed_hours=False,
            gather_minutes=_GATHERED[risk],
            alone=risk is Risk.HIGH,
        )
        for risk in Risk
    }
    rules = replace(POLICY.reviews.rules, money_or_apology=PhrasesRule(Risk.HIGH, {"en": ("apologi*",)}))
    reviews = replace(POLICY.reviews, classes=classes, rules=rules, canary=CanaryRules(STEPS, 15, *[0.05] * 4))
    gates = replace(
        POLICY.gates,
        data_sets={name: replace(its, stale_after_hours=9_999) for name, its in POLICY.gates.data_sets.items()},
    )
    calls = replace(POLICY.expiry.calls, windows=dict.fromkeys(Tier, ContactWindow(time(8), time(20))))
    return replace(
        POLICY,
        reviews=reviews,
        gates=gates,
        contact=replace(POLICY.contact, quiet=None),
        expiry=replace(POLICY.expiry, calls=calls),
    )


class Died(BaseException):
    """As a killed process."""


class Death:
    """Where a process came to, and whether it died there."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.came = False

    def has(self, name: str) -> bool:
        """It came past this place."""
        return name in self.places


@contextmanager
def dying(at: int | None) -> Iterator[Death]:
    """Die at the place that is reached as the `at`-th; None: live."""
    death = Death()

    def watch(name: str) -> None:
        death.places.append(name)
        if len(death.places) == at:
            raise Died

    crash_points.watch(watch)
    try:
        yield death
    except Died:
        death.came = True
    finally:
        crash_points.watch(None)


def said(payload: Any) -> Said:
    """What a letter says."""
    params = payload["params"]
    return params["links"]["video"], params["wordings"]["en"]
