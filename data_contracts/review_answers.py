"""What a reviewer's answer in Prefect's form carries. Whoever may write to Prefect's API may have made it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.reviews import Decision, Reason

CODE = r"^[0-9]{3} ?[0-9]{3}$"
"""A one-time code alone, never a recovery code: what waits at Prefect can be read there, and must be worth nothing in
two minutes."""


class ReviewAnswer(BaseModel):
    """One answer, complete: nothing has a default, so that an empty one says nothing."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    decision: Decision
    reviewer: Annotated[str, Field(min_length=1, max_length=200)]
    code: Annotated[str, Field(pattern=CODE, repr=False)]
    reason: Reason


def read_answer(written: str) -> ReviewAnswer | None:
    """The answer that Prefect kept as JSON; None for anything else. What was written is never quoted."""
    try:
        return ReviewAnswer.model_validate_json(written)
    except ValidationError:
        return None
