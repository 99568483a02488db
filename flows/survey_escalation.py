"""`survey-escalation`: follow critical answers to their end: what was done, what is owed, what to finish."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import all_of, counted, finish
from flows.run_names import about
from tasks.cases import follow_open_cases, look_at_today, read_tickets, reconcile
from tasks.dispatch import dispatch, left_by_gateway, take_stock
from tasks.retrying import FLOW_SECONDS
from tasks.surveys import as_summary, as_table, follow_critical_answers, in_words


@flow(name="survey-escalation", flow_run_name=about("critical answers"), timeout_seconds=FLOW_SECONDS)
async def survey_escalation(since: datetime | None = None) -> State[Any]:
    """Show what the gateway did about critical answers, by action key, and finish whatever it did not.

    Tickets are read back, promises watched, somebody on call paged before one breaks, books and desk compared.

    Args:
        since: Follow the cases opened since then. Left empty: those of the last 24 hours.
    """
    await read_tickets()
    await follow_open_cases()
    differences = await reconcile()
    for capability in left_by_gateway(await take_stock()):
        await dispatch(capability, urgent_only=True)
    followed = await follow_critical_answers(since)
    today, care = await look_at_today()
    if followed.rows:
        await acreate_table_artifact(as_table(followed), key="survey-escalation", description=as_summary(followed))
    if differences.rows:
        await acreate_table_artifact(differences.rows, key="desk-differences", description="Books and ticket desk")
    await acreate_markdown_artifact(
        as_summary(followed), key="survey-escalation-summary", description="Critical answers"
    )
    await acreate_markdown_artifact(care, key="care-today", description="Care today")
    return await finish(
        f"critical answers: {in_words(followed)}",
        late=all_of(
            counted(
                followed.late,
                "ticket is not at the desk although the promised time has passed",
                "tickets are not at the desk although the promised time has passed",
            ),
            counted(
                len(today.overdue),
                "promised time has passed without an answer",
                "promised times have passed without an answer",
            ),
        ),
        needs_people=all_of(
            counted(followed.waiting_for_people, "waits for a person", "wait for a person"),
            counted(len(differences.rows), "difference between books and desk", "differences between books and desk"),
        ),
        waiting=counted(len(followed.open_keys), "waits for a vendor or its hour", "wait for a vendor or their hour"),
    )
