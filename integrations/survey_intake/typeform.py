"""Typeform: webhooks signed over the body, and the Responses API.

Typeform switches a webhook off at once when it is answered 404 or 410, and repeats it for ten hours on 408, 423, 429
and 503. An answer that has just come in may be missing from the Responses API for half an hour.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, SecretStr

from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.surveys import SurveyKind
from integrations.declaration import BaseUrl, Integration, integration_name
from integrations.errors import ContractViolation
from integrations.polled_tool import PAGE, PolledTool, objects
from integrations.ports import Announced, Noted
from integrations.signatures import BodySignature
from integrations.survey_sources import (
    SurveySourceConfig,
    answered,
    broken,
    in_own_words,
    inner_list,
    inner_object,
    inner_word,
    read_object,
)

ANSWERED = "form_response"
"""The one event that is an answer; `form_response_partial` is not finished, and others are not known to us."""

SAMPLE_ADDRESS = "an_account@example.com"
"""What stands in the answers of "Send test request" where somebody's mail address would be."""

_SCALES = ("nps", "opinion_scale", "rating")

FormId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class TypeformConfig(SurveySourceConfig):
    """The settings of forms that ask the same questions: their refs, and their hidden fields."""

    kind: SurveyKind = Field(SurveyKind.NPS, description="What the score's question asks: nps, csat or ces.")
    score: str = Field("", description="Ref of the question that is the score; empty: the only one with a scale.")
    comment: str = Field("", description="Ref of the question for the customer's words; empty: every long text.")
    token: SecretStr | None = Field(None, description="A personal token that may read responses; none: do not poll.")
    forms: list[FormId] = Field(default=[], description="Ids of the forms whose answers are polled.")
    url: BaseUrl = Field("https://api.typeform.com", description="Typeform's API; EU accounts have one of their own.")


class TypeformIntake(PolledTool):
    """Believes what was signed with one of the secrets; reads answers by question ref."""

    def __init__(self, config: TypeformConfig) -> None:
        self._config = config
        name = integration_name(Capability.SURVEY_INTAKE, "typeform")
        signature = BodySignature(
            name,
            header="Typeform-Signature",
            keys=[secret.get_secret_value().encode() for secret in config.secrets],
            algorithm="sha256",
            spell=lambda digest: f"sha256={base64.b64encode(digest).decode()}",
            setting=config.setting("secrets"),
        )
        bearer = None if config.token is None else f"Bearer {config.token.get_secret_value()}"
        super().__init__(name, config, signature, url=config.url, authorization=bearer, is_asked=bool(config.forms))

    def read(self, body: bytes) -> SurveyAnswered | Announced | Noted:
        """Raises NotStrictJson or ContractBroken."""
        event = read_object(body)
        word = inner_word(event.get("event_type"), "event_type")
        if word != ANSWERED:
            return Noted(word, "an event that we do not act on")
        form = inner_object(event.get(ANSWERED), ANSWERED)
        answers = inner_list(form.get("answers"), f"{ANSWERED}.answers")
        if any(one.get("email") == SAMPLE_ADDRESS for one in answers):
            return Noted(word, "Typeform's test request")
        hidden = form.get("hidden") or {}
        paths = {
            "response_id": f"{ANSWERED}.token",
            "answered_at": f"{ANSWERED}.submitted_at",
            "score": f"{ANSWERED}.answers",
            "comment": f"{ANSWERED}.answers",
            **self._config.paths(f"{ANSWERED}.hidden"),
        }
        fixes = {
            "customer.ref": f"give the form the hidden field {self._config.customer_ref}, and fill it in each link"
        }
        return answered(
            {
                "response_id": form.get("token"),
                "kind": self._config.kind,
                "score": self._score(answers),
                "comment": self._words(answers),
                "answered_at": form.get("submitted_at"),
                "customer": self._config.customer(inner_object(hidden, f"{ANSWERED}.hidden")),
            },
            paths,
            fixes,
        )

    async def since(self, since: datetime) -> AsyncIterator[Sequence[bytes]]:
        """Each form's completed answers, the newest first."""
        for form in self._config.forms:
            until: str | None = None
            while True:
                items = await self._page(form, since, until)
                yield [_as_event(form, item) for item in items]
                if len(items) < PAGE:
                    break
                oldest = str(items[-1].get("submitted_at"))
                if oldest == until:
                    raise ContractViolation(
                        self._name, f"more than {PAGE} answers in one second", "import them from a file instead"
                    )
                until = oldest  # inclusive: what shares this second comes again rather than never

    async def _page(self, form: str, since: datetime, until: str | None) -> list[dict[str, Any]]:
        query = {
            "page_size": str(PAGE),
            "response_type": "completed",
            "sort": "submitted_at,desc",
            "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        }
        if until is not None:
            query["until"] = until.removesuffix("Z")
        return await self._ask(f"/forms/{form}/responses", query, lambda answer: objects(answer.json["items"]))

    def _score(self, answers: Sequence[Mapping[str, Any]]) -> Any:
        ref = self._config.score
        found = [one for one in answers if _is_asked(one, ref)] if ref else [one for one in answers if _is_scale(one)]
        if not found:
            asked = f"the question {ref}" if ref else "any question with a scale"
            raise broken(f"{ANSWERED}.answers", f"has no answer to {asked}", "make that question a required one")
        if len(found) > 1:
            refs = ", ".join(str(inner_object(one.get("field"), "field").get("ref"))[:60] for one in found)
            raise broken(
                f"{ANSWERED}.answers",
                f"has several scales: {refs}",
                "name the one that counts in `score` of this source",
            )
        return self._config.counted(_value(found[0]))

    def _words(self, answers: Sequence[Mapping[str, Any]]) -> str | None:
        ref = self._config.comment
        return in_own_words(
            [one.get("text") for one in answers if (_is_asked(one, ref) if ref else _is_long_text(one))]
        )


def _is_asked(answer: Mapping[str, Any], ref: str) -> bool:
    field = inner_object(answer.get("field"), f"{ANSWERED}.answers.field")
    return ref in (field.get("ref"), field.get("id"))


def _is_scale(answer: Mapping[str, Any]) -> bool:
    return inner_object(answer.get("field"), f"{ANSWERED}.answers.field").get("type") in _SCALES


def _is_long_text(answer: Mapping[str, Any]) -> bool:
    return inner_object(answer.get("field"), f"{ANSWERED}.answers.field").get("type") == "long_text"


def _value(answer: Mapping[str, Any]) -> Any:
    """The number, or the label of the choice."""
    choice = answer.get("choice")
    return choice.get("label") if isinstance(choice, dict) else answer.get("number")


def _as_event(form: str, item: Mapping[str, Any]) -> bytes:
    """A response of the API as the body of the webhook that tells of it."""
    return json.dumps({"event_type": ANSWERED, ANSWERED: {"form_id": form, **item}}).encode()


INTEGRATION = Integration(
    vendor="typeform",
    capability=Capability.SURVEY_INTAKE,
    config=TypeformConfig,
    connect=TypeformIntake,
    docs_url="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
)
