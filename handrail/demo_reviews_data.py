"""What the scenes of reviews play on: a policy by which few are many, newcomers, and two reviewers with their codes."""

import csv
import re
from pathlib import Path

from handrail.demo_onboarding_data import Newcomer
from services.settings import ROOT

PAGE_REVIEWER, PREFECT_REVIEWER = "Ewa Lis", "Jan Nowak"
"""Both are on call by the shipped policy. A code counts once in its half minute: each decides one way."""

CAP = 20
"""More customers than that are many, in the demo: more than are called about what ends."""

DEADLINE_MINUTES = 2
"""Within so long somebody must decide about a single customer, in the demo."""

_PLAYED = {
    "low": (
        "{reviewers: 1, ways: [page, link, prefect, command], roles: [on_call, lead], "
        f"deadline_minutes: {DEADLINE_MINUTES}, in_staffed_hours: false, gather_minutes: 0, alone: true}}"
    ),
    "medium": (
        "{reviewers: 1, ways: [page, prefect, command], roles: [on_call, lead], deadline_minutes: 60, "
        "in_staffed_hours: false, gather_minutes: 0, alone: true}"
    ),
    "many_customers": f"{{risk: medium, more_than: {CAP}, within_minutes: 5}}",
    "vip": "{risk: low, kinds: [call, message]}",
    "canary": (
        "{steps: [3, 6], minutes: 0, bounces_at_most: 0.05, complaints_at_most: 0.01, failures_at_most: 0.1, "
        "uncertain_at_most: 0.05}"
    ),
}
"""Key → what it says in the demo, in place of the shipped policy's line."""

CROWD = tuple(
    Newcomer(str(7001 + place), name, language)
    for place, (name, language) in enumerate(
        (
            ("Barbara Wilk", "pl"),
            ("Petr Svoboda", "cs"),
            ("Oliver King", "en"),
            ("Marek Zając", "pl"),
            ("Lucie Černá", "cs"),
            ("Amelia Clark", "en"),
            ("Joanna Pawlak", "pl"),
            ("Tomáš Kučera", "cs"),
            ("Harry Wright", "en"),
            ("Agnieszka Król", "pl"),
            ("Eva Marková", "cs"),
            ("Jack Green", "en"),
            ("Dorota Sikora", "pl"),
            ("Pavel Novotný", "cs"),
            ("Sophie Baker", "en"),
            ("Rafał Duda", "pl"),
            ("Jitka Veselá", "cs"),
            ("George Hill", "en"),
            ("Ewelina Mazur", "pl"),
            ("Milan Pokorný", "cs"),
            ("Ruby Scott", "en"),
            ("Henryk Kubiak", "pl"),
        )
    )
)
LEFT_OUT = CROWD[3]
"""Somebody at the desk knows that he has just called to complain: no cheerful welcome for him."""

WAITED_FOR = Newcomer("7101", "Krystyna Górska", "pl")
IN_PREFECT = Newcomer("7102", "Charlotte Hughes", "en")
MOVED = Newcomer("7103", "Jan Beneš", "cs")
VALUED = (WAITED_FOR, IN_PREFECT, MOVED)
"""Of the highest tier."""


def play_policy(directory: Path) -> Path:
    """The shipped policy with the demo's numbers, as a file of the demo's own."""
    text = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    before, head, reviews = text.partition("\nreviews:\n")
    for name, words in _PLAYED.items():
        reviews, count = re.subn(rf"^( +){name}: +\{{[^\n]*$", rf"\g<1>{name}: {words}", reviews, count=1, flags=re.M)
        if count != 1:
            raise LookupError(f"the shipped policy has no line {name}: {{…}} among its reviews")
    file = directory / "policy.yaml"
    file.write_text(before + head + reviews, encoding="utf-8")
    return file


def write_valued(directory: Path, *, moved_to: str = "") -> Path:
    """The file of customers of the highest tier; `moved_to` in place of the address that one of them had."""
    file = directory / "valued-customers.csv"
    with file.open("w", encoding="utf-8", newline="") as written:
        names = ("ref", "name", "email", "language", "time_zone", "tier")
        writer = csv.DictWriter(written, names)
        writer.writeheader()
        for one in VALUED:
            told = one.as_told() | ({"email": moved_to} if moved_to and one is MOVED else {})
            writer.writerow({name: told.get(name, "vip") for name in names})
    return file
