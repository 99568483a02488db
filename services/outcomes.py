"""What a send's end means for the ledger: one table from the integrations' errors to the action's next state."""

import random
from datetime import datetime, timedelta

from domain.actions import State
from domain.light import light
from domain.policy import RetryRules
from domain.recovery import backoff_seconds
from integrations.errors import (
    AuthFailed,
    Busy,
    IntegrationError,
    NotSent,
    RateLimited,
    Rejected,
    Unsupported,
    wait_asked,
)
from integrations.ports import Receipt
from store.ledger.rows import Armed, Result


class StoppedBeforeSending(Exception):
    """Surely nothing left the house, and it is worth another try."""


class CannotBeSaid(Exception):
    """Surely nothing left the house, and the same try would end the same way."""


@light(frozen=True, slots=True)
class Outcome:
    """The end of one send: a receipt, or the problem."""

    action: Armed
    receipt: Receipt | None = None
    problem: Exception | None = None
    is_shared: bool = False
    """The problem is that of a whole vendor batch: one and the same for each of its items."""


def failed_before_sending(action: Armed, reason: str, *, retry: bool) -> Outcome:
    """The outcome of an action that never reached its integration."""
    return Outcome(action, problem=StoppedBeforeSending(reason) if retry else CannotBeSaid(reason))


def as_result(outcome: Outcome, retry: RetryRules, *, now: datetime) -> Result:
    """How the ledger records it. What is surely unsent goes back; what we cannot tell is `uncertain`."""
    action, problem = outcome.action, outcome.problem
    if outcome.receipt is not None:
        return Result(
            action.id,
            action.fence,
            State.DONE,
            external_id=outcome.receipt.external_id,
            detail=dict(outcome.receipt.detail),
        )
    reason = str(problem)
    if isinstance(problem, Rejected | Unsupported | CannotBeSaid):
        return Result(action.id, action.fence, State.FAILED, reason=reason)
    wait = backoff_seconds(
        action.attempts,
        first=retry.first_seconds,
        longest=retry.longest_seconds,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )
    wait = max(wait, wait_asked(problem))
    if isinstance(problem, NotSent | RateLimited | Busy | AuthFailed | StoppedBeforeSending):
        if action.attempts >= retry.max_attempts:
            return Result(action.id, action.fence, State.FAILED, reason=f"gave up after {action.attempts}: {reason}")
        return Result(action.id, action.fence, State.READY, reason=reason, due_at=now + timedelta(seconds=wait))
    if not isinstance(problem, IntegrationError):
        reason = f"{type(problem).__name__} inside the integration: {reason}"
    return Result(action.id, action.fence, State.UNCERTAIN, reason=reason, check_in_seconds=wait)
