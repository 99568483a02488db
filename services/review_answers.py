"""An answer that was given in Prefect: heard once, checked like any other, and kept with what came of it.

What arrives there is a message from anybody who can reach Prefect's API. It counts for exactly as much as the one-time
code in it; without one nothing is decided, and the review is asked again with the reason why.
"""

from dataclasses import dataclass
from datetime import datetime

from data_contracts.review_answers import read_answer
from domain.policy import Policy
from domain.review_rules import Way
from domain.reviews import Decision
from services.review_reading import ReviewSummary
from services.reviewers import WrongCode, check_code
from services.reviews import AlreadyDecided, ReviewProblem, vote
from services.tries import TooManyTries
from store import review_asks, reviewers
from store.database import Database
from store.review_asks import Ask

CUT_OFF = "The process that took the last answer was cut off, so it may not have counted: please answer again."
CHANGED = "It was changed since it was asked last: please look at it as it is now."
NO_ANSWER = "The run was resumed without an answer, which decides nothing."
MOVED = "It is asked in another run now: the one before is gone."
UNREADABLE = "That was no answer: a decision, a reviewer, a one-time code of six digits and a reason are all needed."


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks on behalf of the books: a run, at a time."""

    run: str
    now: datetime


def hear(database: Database, policy: Policy, ask: Ask, answer: str | None, asker: Asker, *, payload_hash: str) -> None:
    """Take what came of a review's last ask to the books; what is said about it stands with the ask.

    `answer` is what Prefect keeps for it, None when there is nothing; `payload_hash` is of what is asked now. Only one
    of several that hear the same answer takes it.
    """
    with database.write("take-answer") as connection:
        if not review_asks.take(connection, ask, now=asker.now):
            return
    is_accepted, words = (
        (False, _why_again(ask, asker.run, payload_hash))
        if answer is None
        else _counted(database, policy, ask, answer, asker.now)
    )
    with database.write("tell-answer") as connection:
        review_asks.tell(connection, ask, words, is_accepted=is_accepted)


def _why_again(ask: Ask, run: str, payload_hash: str) -> str:
    if ask.run != run:
        return MOVED
    return NO_ANSWER if ask.payload_hash == payload_hash else CHANGED


def _counted(database: Database, policy: Policy, ask: Ask, written: str, now: datetime) -> tuple[bool, str]:
    """Whether an answer counted, and what is to be said of it."""
    answer = read_answer(written)
    if answer is None:
        return False, UNREADABLE
    try:
        who = check_code(database, answer.reviewer, answer.code, now=now)
        standing = vote(
            database,
            policy,
            ask.review,
            reviewer=who,
            decision=answer.decision,
            payload_hash=ask.payload_hash,
            reason=answer.reason,
            way=Way.PREFECT,
            now=now,
        )
    except (WrongCode, TooManyTries) as problem:
        return False, _sentence(f"The answer did not count: {problem}")
    except AlreadyDecided as problem:
        return False, _sentence(str(problem))
    except ReviewProblem as problem:
        return False, _sentence(f"The answer did not count: {problem}")
    if answer.decision is Decision.REJECT:
        return True, f"{who.name} said no."
    missing = standing.needed - standing.approvals
    return True, f"{who.name} said yes" + (f"; {missing} more must say yes." if missing > 0 else ".")


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def who_may(database: Database, policy: Policy, shown: ReviewSummary) -> list[str]:
    """Who may answer a review in Prefect as it stands; nobody where its class is decided elsewhere."""
    if Way.PREFECT not in shown.ways:
        return []
    roles = policy.reviews.classes[shown.risk].roles
    cannot = {shown.initiator, *(vote.reviewer for vote in shown.votes)}
    with database.read() as connection:
        return [row.name for row in reviewers.listed(connection) if roles & set(row.roles) and row.name not in cannot]
