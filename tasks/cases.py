"""Following cases to their end, as operators see it."""

from prefect import task

from services.care_today import Care, care_today, in_markdown
from services.desk import DeskReport, read_desk, words_of
from services.following import Followed, follow_cases
from services.reconciling import Reconciled, reconcile_tickets
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="read-tickets",
    task_run_name="who has each case",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def read_tickets() -> DeskReport:
    """Read back from the ticket desk: status and owner of the open cases whose turn it is."""
    async with Handrail.from_environment() as handrail:
        report = await read_desk(handrail, run=run_id())
    say_how_it_went(words_of(report))
    return report


@task(
    name="follow-cases",
    task_run_name="promises and pages",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def follow_open_cases() -> Followed:
    """Note and settle promises, page somebody on call where it is time."""
    async with Handrail.from_environment() as handrail:
        followed = await follow_cases(handrail, run=run_id())
    say_how_it_went(followed.words)
    return followed


@task(
    name="reconcile-tickets",
    task_run_name="books and desk",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def reconcile() -> Reconciled:
    """Critical answers against the desk's tickets, both ways; what may safely be repaired is."""
    async with Handrail.from_environment() as handrail:
        reconciled = await reconcile_tickets(handrail, run=run_id())
    say_how_it_went(f"books and desk differ in {len(reconciled.rows)}" if reconciled.rows else "books and desk agree")
    return reconciled


@task(
    name="look-at-today",
    task_run_name="care today",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def look_at_today() -> tuple[Care, str]:
    """How today stands, and the same in Markdown for the standing artifact."""
    async with Handrail.from_environment() as handrail:
        today = await care_today(handrail)
        return today, in_markdown(today, gateway_url=handrail.settings.gateway_url)
