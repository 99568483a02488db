"""Following critical answers through, as operators see it."""

from datetime import datetime
from typing import Any

from prefect import task

from services.survey_follow_up import SurveyFollowUp, follow_survey
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import say_how_it_went

_ROWS = 200
"""Rows of a table that a person still reads, and that Prefect may keep every minute."""


@task(
    name="follow-critical-answers",
    task_run_name="what became of critical answers",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def follow_critical_answers(since: datetime | None = None) -> SurveyFollowUp:
    """By action key: what the gateway did about the cases opened `since` (none: a day ago), and what is open."""
    async with Handrail.from_environment() as handrail:
        followed = await follow_survey(handrail, since=since)
    say_how_it_went(f"critical answers: {in_words(followed)}")
    return followed


def in_words(followed: SurveyFollowUp) -> str:
    """The counts, as in `37 done, 1 failed`."""
    return ", ".join(f"{count} {state}" for state, count in followed.counts.most_common()) or "none"


def as_table(followed: SurveyFollowUp) -> list[dict[str, Any]]:
    """The rows worth a look, those not done first, then the newest."""
    newest_first = followed.rows[::-1]
    return sorted(newest_first, key=lambda row: row["state"] == "done")[:_ROWS]


def as_summary(followed: SurveyFollowUp) -> str:
    """The same for somebody who has ten seconds, in Markdown."""
    lines = [f"**{followed.counts.total()} actions of critical answers**: {in_words(followed)}."]
    if followed.late:
        lines.append(f"- **{followed.late} late**: the ticket is not at the desk and the promised time has passed")
    if followed.waiting_for_people:
        lines.append(
            f"- {followed.waiting_for_people} wait for a person: `handrail actions --state needs_human,failed`"
        )
    if followed.open_keys:
        lines.append(f"- {len(followed.open_keys)} are still to be sent, by themselves: a vendor, or the hour")
    return "\n".join(lines)
