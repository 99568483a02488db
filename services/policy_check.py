"""Whether a policy file is right, can work, and is likely meant: by itself, by our words, and by who may decide."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy.exc import SQLAlchemyError

from data_contracts.policy import PolicyProblem, read_policy
from data_contracts.problems import Problem
from domain.policy import Policy
from domain.review_checks import Reviewers, concerns
from services.risky_words import says_money_or_apology
from store import reviewers
from store.database import Database
from templates.library import Template

_ACKNOWLEDGES = "acknowledgement"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found; without problems the file may be used."""

    problems: list[Problem]
    warnings: list[Problem]
    """What works, and is hardly meant."""
    looked_at_reviewers: bool
    """False: the database could not be read, so that nobody knows who may decide."""


def check_policy(
    text: str, source: str, templates: Iterable[Template], *, database: Database | None, today: date
) -> Checked:
    """Read a policy file and think it through; every finding with its place and what to do."""
    people = None if database is None else _people(database)
    try:
        read = read_policy(text, source)
    except PolicyProblem as wrong:
        return Checked(wrong.problems, [], people is not None)
    said = {
        f"{one.name} ({one.language})": says_money_or_apology(one.to_content(), read.value)
        for one in _ordinary(templates, read.value)
    }
    found = concerns(read.value, today=today, reviewers=people, said=said)
    told = [(one.is_fatal, Problem(read.document.place(one.path), one.what, one.fix)) for one in found]
    problems = [problem for is_fatal, problem in told if is_fatal]
    return Checked(problems, [problem for is_fatal, problem in told if not is_fatal], people is not None)


def _ordinary(templates: Iterable[Template], policy: Policy) -> list[Template]:
    """The messages that a rule may hold up: no acknowledgement waits, whatever it says."""
    if policy.reviews.rules.money_or_apology is None:
        return []
    return [one for one in templates if not one.name.startswith(_ACKNOWLEDGES)]


def _people(database: Database) -> Reviewers | None:
    try:
        with database.read() as connection:
            return {row.name: row.roles for row in reviewers.listed(connection)}
    except SQLAlchemyError:  # it does not answer, or has not this version's schema: the file can be right all the same
        return None
