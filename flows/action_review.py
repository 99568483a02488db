"""`action-review`: ask people on call about one review; no process waits for them."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from domain.reviews import Stand
from flows.outcomes import WAITING
from services.review_runs import BODY_SECONDS
from services.review_telling import outcome
from tasks.reviews import ask_people, hear_answer, show_outcome, wait_for_answer

Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


@flow(name="action-review", timeout_seconds=BODY_SECONDS, persist_result=False)
async def action_review(review: Number) -> State[Any]:
    """Show what one review asks, wait for people, and take what they say to our books, which alone decide.

    The run is suspended while it waits, and begins from the top whenever it is resumed or woken: it looks first whether
    the review was decided meanwhile, on its page or here. An answer that does not count is asked for again.

    Args:
        review: The number of the review, as its page and its alerts give it.
    """
    heard = await hear_answer(review)
    if heard.asked_in is not None:
        return Completed(message=f"review {review} is asked in another run: {heard.asked_in}")
    if heard.shown.stand is Stand.COLLECTING:
        return Completed(name=WAITING, message=f"review {review} is still being put together; a run will ask it")
    if not heard.shown.is_open:
        await show_outcome(heard.shown)
        return Completed(name=heard.shown.stand.capitalize(), message=outcome(heard.shown))
    await wait_for_answer(await ask_people(heard))
    return Completed(message=f"somebody has tampered with this run: another one asks review {review}")
