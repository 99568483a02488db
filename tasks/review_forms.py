"""The forms that Prefect shows when somebody resumes a suspended review."""

from collections.abc import Sequence
from typing import Any, Literal, Self
from uuid import UUID

from prefect.input import RunInput
from prefect.input.run_input import Keyset, keyset_from_base_key
from pydantic import ConfigDict, Field, create_model

from data_contracts.review_answers import CODE
from domain.reviews import Decision, Reason


class Tampered(Exception):
    """The server takes the run for one that was suspended under this key before, which it never was."""


class Form(RunInput):
    """A form that is kept before its run suspends, and whose answer is read by nobody but `hear_answer`.

    Prefect itself writes the form down after the run is suspended: who is killed in between leaves a run that nobody
    can answer. And it hands an answer over as if it were true, to whoever suspends under a key that somebody planted.
    """

    @classmethod
    async def asave(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> None:
        """It is kept already (`keep`)."""

    @classmethod
    async def aload(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> Self:
        """Raises Tampered: nobody is handed an answer, `hear_answer` looks for it."""
        raise Tampered


class Elsewhere(Form):
    """For reviews that are not decided in Prefect: no field, and the server refuses every answer, an empty one too."""

    model_config = ConfigDict(json_schema_extra={"not": {}})


def form_of(reviewers: Sequence[str], description: str) -> type[Form]:
    """The form that these people may answer, none of whose fields has a default; without any, one that takes none."""
    if not reviewers:
        return Elsewhere.with_initial_data(description=description)
    fields: dict[str, Any] = {
        "decision": (
            Literal[tuple(one.value for one in Decision)],
            Field(title="Decision", description="Nothing happens without a yes."),
        ),
        "reviewer": (Literal[tuple(reviewers)], Field(title="Your name", description="It is kept with the decision.")),
        "code": (
            str,
            Field(
                title="One-time code",
                description="The six digits your phone shows now. They count for two minutes, and once.",
                pattern=CODE,
            ),
        ),
        "reason": (
            Literal[tuple(one.value for one in Reason)],
            Field(title="Why", description="Other words can be written on the review page."),
        ),
    }
    form = create_model("Answer", __base__=Form, **fields)
    return form.with_initial_data(description=description)


async def keep(form: type[Form], key: str, run: UUID) -> None:
    """Write the form down at Prefect, before its run suspends."""
    await super(Form, form).asave(keyset_from_base_key(key), run)
