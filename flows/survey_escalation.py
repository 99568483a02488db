"""`survey-escalation`: show what was done about critical answers, and finish what was not."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import counted, finish
from flows.run_names import about
from tasks.dispatch import dispatch, ready, take_stock
from tasks.retrying import FLOW_SECONDS
from tasks.surveys import as_summary, as_table, follow_critical_answers, in_words


@flow(name="survey-escalation", flow_run_name=about("critical answers"), timeout_seconds=FLOW_SECONDS)
async def survey_escalation(since: datetime | None = None) -> State[Any]:
    """Show what the gateway did about critical answers, by action key, and finish whatever it did not.

    Args:
        since: Follow the cases opened since then. Left empty: those of the last 24 hours.
    """
    followed = await follow_critical_answers(since)
    if followed.open_keys:
        for capability in ready(await take_stock()):
            await dispatch(capability, urgent_only=True)
        followed = await follow_critical_answers(since)
    if followed.rows:
        await acreate_table_artifact(as_table(followed), key="survey-escalation", description=as_summary(followed))
    await acreate_markdown_artifact(as_summary(followed), key="survey-escalation-summary")
    return await finish(
        f"critical answers: {in_words(followed)}",
        late=counted(followed.late, "tickets are not at the desk although the promised time has passed"),
        needs_people=counted(followed.waiting_for_people, "wait for a person"),
        waiting=counted(len(followed.open_keys), "wait for a vendor or their hour"),
    )
