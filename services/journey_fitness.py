"""Whether a version of a journey may be entered at all."""

from collections.abc import Sequence

from sqlalchemy import Connection

from data_contracts.journeys import JourneyFile
from data_contracts.problems import Problem
from domain.policy import Policy
from store import journeys
from templates.journey_checks import check_journey
from templates.library import Template


def unfit(connection: Connection, file: JourneyFile, templates: Sequence[Template], policy: Policy) -> list[Problem]:
    """Everything that keeps it from going live; empty when it may.

    Two journeys of one version number that customers went through could not be told apart.
    """
    problems = check_journey(file, templates, policy)
    rows = journeys.published(connection, file.journey.name)
    lived = {row.version for row in rows if row.approved_at is not None and row.hash != file.hash}
    if file.journey.version in lived:
        what = f"version {file.journey.version} is live, or was, and says something else"
        fix = f"write version: {max(row.version for row in rows) + 1}"
        problems.append(Problem(file.document.place(("version",)), what, fix))
    return problems
