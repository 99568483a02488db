"""What the end of a send means for the ledger: one table from errors to states."""

from dataclasses import replace

import pytest
from ledger_world import NOON, POLICY, later

from domain.actions import Basis, Capability, Kind, State
from integrations.errors import (
    AuthFailed,
    Busy,
    ContractViolation,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from integrations.ports import Receipt
from services.outcomes import Outcome, as_result, failed_before_sending
from store.ledger.rows import Armed, Result

ARMED = Armed(
    id=7,
    key="k",
    fence=3,
    kind=Kind.TASK,
    basis=Basis.INTERNAL,
    capability=Capability.CRM,
    purpose=None,
    payload={},
    customer=None,
    customer_id=None,
    case_id=None,
    response_id=None,
    entitlement_id=None,
    enrolment_id=None,
    attempts=1,
    urgent=False,
)
WHO = ("crm via fake", "what", "remedy")


def _result(problem: Exception, attempts: int = 1) -> Result:
    return as_result(Outcome(replace(ARMED, attempts=attempts), problem=problem), POLICY.retry, now=NOON)


def test_a_receipt_is_done() -> None:
    result = as_result(Outcome(ARMED, receipt=Receipt("T-1", {"created": True})), POLICY.retry, now=NOON)
    assert result == Result(7, 3, State.DONE, external_id="T-1", detail={"created": True})


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (NotSent(*WHO), State.READY),
        (RateLimited(*WHO, retry_after=None), State.READY),
        (Busy(*WHO), State.READY),
        (AuthFailed(*WHO), State.READY),
        (Rejected(*WHO, status=422), State.FAILED),
        (Unsupported(*WHO), State.FAILED),
        (OutcomeUnknown(*WHO), State.UNCERTAIN),
        (Unavailable(*WHO), State.UNCERTAIN),  # a READ's error out of a write: we do not know
        (ContractViolation(*WHO), State.UNCERTAIN),
        (TimeoutError("read timed out"), State.UNCERTAIN),
        (ConnectionResetError("reset"), State.UNCERTAIN),
        (ValueError("a bug of ours after the bytes were sent"), State.UNCERTAIN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_problem_has_its_state(problem: Exception, state: State) -> None:
    result = _result(problem)
    assert (result.id, result.fence, result.state) == (7, 3, state)
    assert str(problem) in (result.reason or "")
    assert (result.due_at is not None) == (state is State.READY)
    assert (result.check_in_seconds is not None) == (state is State.UNCERTAIN)


def test_what_never_left_the_house_is_retried_or_fails() -> None:
    stopped = failed_before_sending(ARMED, "its worker was stopped", retry=True)
    assert as_result(stopped, POLICY.retry, now=NOON).state is State.READY
    unsayable = failed_before_sending(ARMED, "no address", retry=False)
    assert as_result(unsayable, POLICY.retry, now=NOON).state is State.FAILED


@pytest.mark.parametrize("attempts", range(1, 5))
def test_retries_wait_longer_each_time(attempts: int) -> None:
    full = 2 ** (attempts - 1)
    for problem in (NotSent(*WHO), Busy(*WHO), AuthFailed(*WHO), RateLimited(*WHO, retry_after=0)):
        due_at = _result(problem, attempts).due_at
        assert due_at is not None
        assert later(seconds=full / 2) <= due_at <= later(seconds=full)
    check_in = _result(OutcomeUnknown(*WHO), attempts).check_in_seconds
    assert check_in is not None
    assert full / 2 <= check_in <= full


def test_a_vendors_wait_is_respected_when_it_is_longer() -> None:
    assert _result(OutcomeUnknown(*WHO, retry_after=3600)).check_in_seconds == 3600
    assert _result(RateLimited(*WHO, retry_after=3600)).due_at == later(hours=1)


def test_after_so_many_tries_a_person_looks() -> None:
    result = _result(NotSent(*WHO), attempts=5)
    assert (result.state, result.reason) == (State.FAILED, "gave up after 5: crm via fake: what: remedy")


def test_a_lost_answer_stays_uncertain_however_often_it_was_tried() -> None:
    assert _result(OutcomeUnknown(*WHO), attempts=99).state is State.UNCERTAIN
