"""Recovery, as operators see it."""

from prefect import task

from services.calls import follow_calls, follow_withheld
from services.recovery import SweepReport, sweep
from services.review_alerts import tell_reviews
from services.review_runs import Deed, reconcile_runs
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="sweep-leftovers",
    task_run_name="what the dead left, and lost answers",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def sweep_leftovers() -> SweepReport:
    """Take over from the dead, settle lost answers, plan anew, end calls that nobody ended, tell of reviews."""
    async with Handrail.from_environment() as handrail:
        report = await sweep(handrail, run=run_id())
        for key in await follow_calls(handrail, run=run_id()):
            report.add(key, "nobody told how the call ended: a colleague has it")
        for key in await follow_withheld(handrail, run=run_id()):
            report.add(key, "its review did not let the call go: a colleague has it")
        for key in await tell_reviews(handrail, run=run_id()):
            report.add(key, "somebody on call is told of a review")
    say_how_it_went(f"swept: {len(report.lines) or 'nothing'}")
    return report


@task(
    name="reconcile-review-runs",
    task_run_name="runs of reviews",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def reconcile_review_runs() -> list[Deed]:
    """Have exactly the open reviews asked in a paused run; what had to be done for it."""
    async with Handrail.from_environment() as handrail:
        deeds = await reconcile_runs(handrail)
    say_how_it_went(f"runs of reviews: {len(deeds) or 'as they should be'}")
    return deeds
