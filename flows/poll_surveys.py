"""`poll-surveys`: ask survey tools for answers that no webhook has brought."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import finish
from flows.run_names import about
from tasks.asking import as_table, ask_survey_tools, for_later, for_people, in_words
from tasks.dispatch import dispatch
from tasks.retrying import FLOW_SECONDS


@flow(name="poll-surveys", flow_run_name=about("survey tools"), timeout_seconds=FLOW_SECONDS)
async def poll_surveys(since: datetime | None = None) -> State[Any]:
    """Fetch what tools have told of, ask each for its answers; one that is known already changes nothing.

    Args:
        since: Ask for everything answered since then. Left empty: since the last time, and two hours before.
    """
    report = await ask_survey_tools(since)
    for capability in sorted(report.urgent):
        await dispatch(capability, urgent_only=True, has_planned=True)
    if report.asked:
        await acreate_table_artifact(as_table(report), key="poll-surveys", description="What each survey tool had")
    return await finish(in_words(report), needs_people=for_people(report), waiting=for_later(report))
