"""`replay-quarantine`: take what waits in quarantine into the books, once it can be."""

from datetime import datetime
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.outcomes import counted, finish
from flows.run_names import about
from tasks.dispatch import dispatch, ready, take_stock
from tasks.quarantine import replay_rows, still_waiting
from tasks.retrying import FLOW_SECONDS

Name = Annotated[str, Field(min_length=2, max_length=200)]
Why = Annotated[str, Field(max_length=500)]
Ids = Annotated[list[int], Field(max_length=1000)]


@flow(name="replay-quarantine", flow_run_name=about("quarantine"), timeout_seconds=FLOW_SECONDS)
async def replay_quarantine(
    by: Name,
    source: str = "",
    ids: Ids = [],  # noqa: B006 - Prefect shows it as the form's default, and nobody changes it
    since: datetime | None = None,
    until: datetime | None = None,
    dry_run: bool = False,
    reason: Why = "",
) -> State[Any]:
    """Replay what waits and fits, the oldest first, as repaired; what still breaks its contract keeps waiting.

    Twice is once: each row goes into the books under the business keys that it had when it first came in.

    Args:
        by: Your name. It is kept with each row.
        source: Only what this source sent, such as `standard`, or `import`. Left empty: whatever the others name.
        ids: Only these, as the page /quarantine numbers them. Left empty: whatever the others name.
        since: Only what came in at this time or later.
        until: Only what came in before this time.
        dry_run: Say what would happen, and change nothing.
        reason: Why, in your words; no customer's name or words, since everybody who sees this run sees them.
    """
    report = await replay_rows(by, reason, ids=ids, source=source, since=since, until=until, dry_run=dry_run)
    if report.rows:
        rows = [row.as_json() for row in report.rows]
        await acreate_table_artifact(rows, key="replay-quarantine", description=report.words())
    if not dry_run and report.urgent:
        for capability in ready(await take_stock()):
            await dispatch(capability, urgent_only=True, has_planned=True)
    return await finish(
        f"{'would be: ' if dry_run else ''}{report.words()}",
        needs_people=counted(
            still_waiting(report),
            "still breaks its contract: repair or discard it",
            "still break their contract: repair or discard them",
        ),
        waiting=counted(report.left, "is left for another replay", "are left for another replay"),
    )
