"""Asking survey tools, as operators see it."""

from datetime import datetime
from typing import Any

from prefect import task

from services.asking import AskingReport, ask_sources
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="ask-survey-tools",
    task_run_name="ask each survey tool",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def ask_survey_tools(since: datetime | None = None) -> AskingReport:
    """Fetch what tools have told of, and ask each for what was answered `since` (none: the last time, and before)."""
    async with Handrail.from_environment() as handrail:
        report = await ask_sources(handrail, run=run_id(), since=since)
    say_how_it_went(in_words(report))
    return report


def in_words(report: AskingReport) -> str:
    """As in `feedback: 3 new, 40 known; fetched: 2`."""
    told = [
        f"{one.source}: {one.accepted} new, {one.known} known{f', {one.quarantined} bad' if one.quarantined else ''}"
        for one in report.asked
    ]
    return "; ".join([*told, *([f"fetched: {report.fetched}"] if report.fetched else [])]) or "no tool is to be asked"


def as_table(report: AskingReport) -> list[dict[str, Any]]:
    """A row a source."""
    return [one.as_json() for one in report.asked]


def for_people(report: AskingReport) -> str:
    """What does not pass by itself: sources that refuse us, and answers that were found broken this time."""
    stuck = ", ".join(one.source for one in report.asked if one.is_for_person)
    bad = sum(one.quarantined for one in report.asked)
    words = (f"cannot ask {stuck}" if stuck else "", f"{bad} broke the contract, in quarantine" if bad else "")
    return "; ".join(filter(None, words))


def for_later(report: AskingReport) -> str:
    """What passes by itself: sources that did not answer, and answers told of that are not shown yet."""
    silent = ", ".join(one.source for one in report.asked if one.problem and not one.is_for_person)
    away = sum(those.count for those in report.waiting)
    words = (f"no answer from {silent}" if silent else "", f"{away} told of and not here yet" if away else "")
    return "; ".join(filter(None, words))
