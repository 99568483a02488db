"""Reviews as people see and answer them in Prefect. The books decide; what stands here only carries words."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.flow_runs import asuspend_flow_run

from data_contracts.policy import load_policy
from domain.policy import Policy
from integrations.prefect_reviews import is_run
from services import review_answers
from services.review_answers import Asker
from services.review_reading import ReviewSummary, summary
from services.review_telling import account, artifact_key, notice, question, run_name
from services.settings import Settings, load_settings
from store import review_asks
from store.database import Database
from store.review_asks import Ask
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.review_forms import Form, Tampered, form_of, keep
from tasks.run_names import run_id, say_how_it_went


@dataclass(frozen=True, slots=True)
class Heard:
    """A review as it stands when all that was said of it has been heard."""

    shown: ReviewSummary
    said: str = ""  # what came of the last answer
    asked_in: str | None = None  # another run that asks it right now


@dataclass(frozen=True, slots=True)
class Question:
    """A form that is kept at Prefect and may be suspended for."""

    key: str
    form: type[Form]


@dataclass(frozen=True, slots=True)
class _Books:
    settings: Settings
    policy: Policy
    database: Database

    def shown(self, review: int) -> ReviewSummary:
        return summary(self.database, self.policy, review, gateway_url=self.settings.gateway_url)

    def last_ask(self, review: int) -> Ask | None:
        with self.database.read() as connection:
            return review_asks.last(connection, review)


@task(
    name="hear-answer",
    task_run_name="the answer to review {review}",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def hear_answer(review: int) -> Heard:
    """Read our table; what was answered to its last ask is checked there, counted or not, and taken away from Prefect.

    Raises UnknownReview.
    """
    with _books() as books:
        shown = await asyncio.to_thread(books.shown, review)
        ask = await asyncio.to_thread(books.last_ask, review)
        if ask is None:
            return Heard(shown)
        async with get_client() as client:
            if shown.is_open and not ask.is_over:
                if ask.run != run_id() and await _is_asked(client, ask):
                    return Heard(shown, asked_in=ask.run)
                answer = await _answer(client, ask)
                asker = Asker(run_id(), datetime.now(UTC))
                await asyncio.to_thread(
                    review_answers.hear,
                    books.database,
                    books.policy,
                    ask,
                    answer,
                    asker,
                    payload_hash=shown.payload_hash,
                )
                shown = await asyncio.to_thread(books.shown, review)
                ask = await asyncio.to_thread(books.last_ask, review) or ask
            await _drop_answer(client, ask)
    said = ask.outcome or review_answers.CUT_OFF
    say_how_it_went(f"review {review}: {said}")
    return Heard(shown, said=said)


@task(
    name="ask-people",
    task_run_name="review {heard.shown.id} is asked",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def ask_people(heard: Heard) -> Question:
    """Ask once more: a number in our table, and a form at Prefect that says what is asked and what was said before."""
    shown, run = heard.shown, run_id()
    with _books() as books:
        ask = await asyncio.to_thread(_next_ask, books, shown, run)
        people = await asyncio.to_thread(review_answers.who_may, books.database, books.policy, shown)
        ui = books.settings.prefect_ui
    form = form_of(people, question(shown, prefect_ui=ui, said=heard.said, is_answered_here=bool(people)))
    await keep(form, ask.key, UUID(run))
    async with get_client() as client:
        await client.update_flow_run(UUID(run), name=run_name(shown))
        if ask.number == 1 and is_run(shown.initiator):
            await _tell_origin(client, shown, notice(shown, prefect_ui=ui, run=run))
    await acreate_markdown_artifact(account(shown, prefect_ui=ui, said=heard.said), key=artifact_key(shown.id))
    say_how_it_went(f"review {shown.id} is asked, time {ask.number}")
    return Question(ask.pause_key, form)


@task(name="show-outcome", task_run_name="how review {shown.id} ended", persist_result=False, cache_policy=NO_CACHE)
async def show_outcome(shown: ReviewSummary) -> None:
    """Say in the artifact what became of a review."""
    ui = load_settings()[0].prefect_ui
    await acreate_markdown_artifact(account(shown, prefect_ui=ui), key=artifact_key(shown.id))


async def wait_for_answer(asked: Question) -> None:
    """Suspend the run: no process waits. Returns only where somebody tampered with the run."""
    with suppress(Tampered):
        await asuspend_flow_run(wait_for_input=asked.form, key=asked.key)


@contextmanager
def _books() -> Iterator[_Books]:
    settings = load_settings()[0]
    database = Database(settings.database)
    try:
        yield _Books(settings, load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy)), database)
    finally:
        database.close()


def _next_ask(books: _Books, shown: ReviewSummary, run: str) -> Ask:
    while True:
        with books.database.write("ask") as connection:
            before = review_asks.last(connection, shown.id)
            number = 1 if before is None else before.number + 1
            if review_asks.ask(
                connection, shown.id, number, run=run, payload_hash=shown.payload_hash, now=datetime.now(UTC)
            ):
                return Ask(shown.id, number, run, shown.payload_hash, is_over=False, outcome=None)


async def _is_asked(client: PrefectClient, ask: Ask) -> bool:
    """Whether the run of an ask is suspended for it right now."""
    try:
        state = (await client.read_flow_run(UUID(ask.run))).state
    except ObjectNotFound:
        return False
    return state is not None and state.is_paused() and state.state_details.pause_key == ask.pause_key


async def _answer(client: PrefectClient, ask: Ask) -> str | None:
    try:
        return await client.read_flow_run_input(UUID(ask.run), f"{ask.key}-response")
    except PrefectHTTPStatusError as problem:
        if problem.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise


async def _drop_answer(client: PrefectClient, ask: Ask) -> None:
    try:
        await client.delete_flow_run_input(UUID(ask.run), f"{ask.key}-response")
    except PrefectHTTPStatusError as problem:
        if problem.response.status_code != httpx.codes.NOT_FOUND:
            raise


async def _tell_origin(client: PrefectClient, shown: ReviewSummary, words: str) -> None:
    """Show the review in the run that planned it, wherever that stands now."""
    told = ArtifactCreate(
        key=f"{artifact_key(shown.id)}-asked", type="markdown", data=words, flow_run_id=UUID(shown.initiator)
    )
    await client.create_artifact(told)
