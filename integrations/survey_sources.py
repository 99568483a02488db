"""What survey tools have in common: whose answer it is, what its score counts as, what to say when one is not there."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, SecretStr

from data_contracts import strict_json
from data_contracts.fields import in_words
from data_contracts.problems import ContractBroken, Problem
from data_contracts.surveys import SurveyAnswered, survey_answer
from domain.surveys import scale_words
from integrations.declaration import CallingConfig

Secret = Annotated[SecretStr, Field(min_length=8)]

_SHOWN = 60  # characters of a vendor's word

CUSTOMER = ("ref", "name", "email", "phone", "language", "time_zone")
"""What an answer may say of its customer; each stands under the name that the setting `customer_…` gives."""


class SurveySourceConfig(CallingConfig):
    """The settings of a survey tool with answers, secrets and an API of its own."""

    connections: int = Field(default=4, ge=1, le=100, description="Most connections open at the same time.")
    secrets: list[Secret] = Field(
        min_length=1,
        max_length=2,
        description="What the tool signs its webhooks with; while it is changed, the old and the new one.",
    )
    scores: dict[str, int] = Field(
        default={},
        description="What each answer counts as, where the tool's scale is not ours; empty takes numbers as they are.",
    )
    customer_ref: str = Field("customer_ref", description="Name under which the tool keeps the customer's ref.")
    customer_name: str = Field("customer_name", description="Name under which the tool keeps the customer's name.")
    customer_email: str = Field("customer_email", description="Name under which the tool keeps a mail address.")
    customer_phone: str = Field("customer_phone", description="Name under which the tool keeps a phone number.")
    customer_language: str = Field("customer_language", description="Name under which the tool keeps a language tag.")
    customer_time_zone: str = Field("customer_time_zone", description="Name under which the tool keeps a time zone.")

    def customer(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """What the tool has kept of the customer, by our fields; None for what it has not."""
        return {field: as_text(kept.get(getattr(self, f"customer_{field}"))) for field in CUSTOMER}

    def paths(self, where: str) -> dict[str, str]:
        """Where the tool keeps each of them: for problems."""
        return {f"customer.{field}": f"{where}.{getattr(self, f'customer_{field}')}" for field in CUSTOMER}

    def counted(self, given: Any) -> Any:
        """What an answer counts as; itself when nothing is said of it, and text of digits as their number."""
        if str(given) in self.scores:
            return self.scores[str(given)]
        is_digits = isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10
        return int(given) if is_digits else given


def as_text(value: Any) -> Any:
    """Ids are text to us, also where a tool writes numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def read_object(body: bytes) -> dict[str, Any]:
    """The event as a JSON object. Raises NotStrictJson or ContractBroken."""
    return inner_object(strict_json.parse(body), "")


def inner_object(value: Any, path: str) -> dict[str, Any]:
    """`value`, which must be an object. Raises ContractBroken."""
    if not isinstance(value, dict):
        raise broken(path, "is missing" if value is None else f"is {in_words(value)}, not an object")
    return value


def inner_list(value: Any, path: str) -> list[dict[str, Any]]:
    """`value`, which must be a list of objects. Raises ContractBroken."""
    if not isinstance(value, list):
        raise broken(path, "is missing" if value is None else f"is {in_words(value)}, not a list")
    return [inner_object(one, path) for one in value]


def inner_word(value: Any, path: str) -> str:
    """`value`, which must be a word of the vendor's. Raises ContractBroken."""
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise broken(path, "is missing" if value is None else f"is {in_words(value)}, not a word")
    return value[:_SHOWN]


def broken(path: str, problem: str, fix: str = "send events as the tool documents them") -> ContractBroken:
    """One thing wrong with an event."""
    return ContractBroken([Problem(path, problem, fix)])


def answered(values: Mapping[str, Any], paths: Mapping[str, str], fixes: Mapping[str, str]) -> SurveyAnswered:
    """The answer in our words; a score on another scale is told how to be put on ours. Raises ContractBroken."""
    kind = values["kind"]
    ours = {"score": f"{scale_words(kind)}; say in `scores` of this source what each answer counts as"}
    return survey_answer(values, paths=paths, fixes={**ours, **fixes})


def in_own_words(texts: Sequence[Any]) -> str | None:
    """Everything a customer wrote, in its order, a blank line between two answers; None when they wrote nothing."""
    return "\n\n".join(text for text in texts if isinstance(text, str) and text.strip()) or None
