"""SurveyMonkey: webhooks signed over the body that carry ids alone, and the API that has the answers.

A webhook's address must answer HEAD with 200 before SurveyMonkey takes it.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, SecretStr

from data_contracts.problems import ContractBroken
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.surveys import SurveyKind
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, integration_name
from integrations.polled_tool import PolledTool, objects
from integrations.ports import Announced, Noted
from integrations.signatures import BodySignature
from integrations.survey_sources import (
    SurveySourceConfig,
    answered,
    as_text,
    broken,
    in_own_words,
    inner_list,
    inner_object,
    inner_word,
    read_object,
)

ANNOUNCES = frozenset({"response_completed", "response_updated"})
"""The events that tell of an answer worth fetching."""

FETCHED = "response"
"""Where a fetched answer stands in a body of ours: SurveyMonkey's own carry ids alone."""

COMPLETED = "completed"
_ID = re.compile(r"[0-9]{1,32}")
_NUMBERS = re.compile(r"[0-9]+")

Id = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]


class SurveyMonkeyConfig(SurveySourceConfig):
    """The settings of surveys that ask the same questions, and of the app that may read them."""

    client_id: str = Field(min_length=1, description="The app's client id; it signs together with the secret.")
    token: SecretStr = Field(description="The app's access token; it must be allowed to view response details.")
    kind: SurveyKind = Field(SurveyKind.NPS, description="What the score's question asks: nps, csat or ces.")
    score: Id = Field(description="Id of the question that is the score.")
    comment: Id | None = Field(None, description="Id of the question for the customer's words; empty: every text.")
    surveys: list[Id] = Field(default=[], description="Ids of the surveys whose answers are polled.")
    url: BaseUrl = Field("https://api.surveymonkey.com", description="SurveyMonkey's API for the account's region.")


class SurveyMonkeyIntake(PolledTool):
    """Believes what was signed with one of the app's secrets; asks for what the webhook tells of."""

    IDS = ("event_id", "event_type", "object_id")

    def __init__(self, config: SurveyMonkeyConfig) -> None:
        self._config = config
        name = integration_name(Capability.SURVEY_INTAKE, "surveymonkey")
        signature = BodySignature(
            name,
            header="Sm-Signature",
            keys=[f"{config.client_id}&{secret.get_secret_value()}".encode() for secret in config.secrets],
            algorithm="sha1",
            spell=lambda digest: base64.b64encode(digest).decode(),
            setting=f"{config.setting('client_id')} and {config.setting('secrets')}",
        )
        bearer = f"Bearer {config.token.get_secret_value()}"
        super().__init__(name, config, signature, url=config.url, authorization=bearer, is_asked=bool(config.surveys))
        self._labels: dict[str, str] = {}  # of choices, by their id

    def read(self, body: bytes) -> SurveyAnswered | Announced | Noted:
        """Raises NotStrictJson or ContractBroken."""
        event = read_object(body)
        word = inner_word(event.get("event_type"), "event_type")
        if word not in ANNOUNCES:
            return Noted(word, "an event that we do not act on")
        if FETCHED in event:
            return self._answered(word, inner_object(event[FETCHED], FETCHED), event.get("label"))
        resources = inner_object(event.get("resources"), "resources")
        return Announced(
            survey=_id(resources.get("survey_id"), "resources.survey_id"),
            response=_id(event.get("object_id"), "object_id"),
        )

    async def since(self, since: datetime) -> AsyncIterator[Sequence[bytes]]:
        """Each survey's completed answers, those changed last first."""
        query = {
            "status": COMPLETED,
            "start_modified_at": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "sort_by": "date_modified",
            "sort_order": "DESC",  # what changes meanwhile moves answers to later pages, never past us
        }
        for survey in self._config.surveys:
            path = f"/v3/surveys/{survey}/responses/bulk"
            async for items in self._numbered(path, query, lambda answer: objects(answer.json["data"])):
                yield [await self._as_event({"survey_id": survey, **item}) for item in items]

    async def fetch(self, announced: Announced) -> bytes:
        """The answer with the label of the choice that is its score."""
        path = f"/v3/surveys/{announced.survey}/responses/{announced.response}/details"
        return await self._as_event(await self._ask(path, {}, _object))

    def _answered(self, word: str, response: Mapping[str, Any], label: Any) -> SurveyAnswered | Noted:
        status = inner_word(response.get("response_status"), f"{FETCHED}.response_status")
        if status != COMPLETED:
            return Noted(word, f"the answer is {status}, not completed")
        questions = _questions(response)
        variables = inner_object(response.get("custom_variables") or {}, f"{FETCHED}.custom_variables")
        customer = self._config.customer(variables)
        names = [response.get("first_name"), response.get("last_name")]
        own = {"name": " ".join(one for one in names if isinstance(one, str) and one) or None}
        own["email"] = response.get("email_address") or None
        paths = {
            "response_id": f"{FETCHED}.id",
            "answered_at": f"{FETCHED}.date_created",
            "score": f"question {self._config.score}",
            "comment": f"{FETCHED}.pages",
            **self._config.paths(f"{FETCHED}.custom_variables"),
        }
        fixes = {
            "customer.ref": f"give the survey the custom variable {self._config.customer_ref}, and fill it in each link"
        }
        return answered(
            {
                "response_id": as_text(response.get("id")),
                "kind": self._config.kind,
                "score": self._score(questions, label),
                "comment": self._words(questions),
                "answered_at": response.get("date_created"),
                "customer": {**customer, **{name: value for name, value in own.items() if customer[name] is None}},
            },
            paths,
            fixes,
        )

    def _score(self, questions: Sequence[Mapping[str, Any]], label: Any) -> Any:
        """What the chosen answer counts as: by `scores`, as the number it is, or as the one number in its label."""
        chosen = _scored(questions, self._config.score)
        if chosen is None:
            raise broken(f"question {self._config.score}", "has no answer", "make that question a required one")
        choice = chosen.get("choice_id")
        if choice is None or str(choice) in self._config.scores:
            return self._config.counted(choice if choice is not None else chosen.get("text"))
        numbers = _NUMBERS.findall(label) if isinstance(label, str) else []
        if len(numbers) != 1:
            raise broken(
                f"question {self._config.score}",
                f"the chosen answer {str(choice)[:40]} has no one number in its label",
                "say in `scores` of this source what each choice id counts as",
            )
        return self._config.counted(numbers[0])

    def _words(self, questions: Sequence[Mapping[str, Any]]) -> str | None:
        """Free texts; parts of a form (name, address, date) stand in rows and are no words of theirs."""
        chosen = _scored(questions, self._config.score)
        answers = [
            one
            for question in questions
            if self._config.comment in (None, question.get("id"))
            for one in inner_list(question.get("answers"), f"{FETCHED}.pages.questions.answers")
        ]
        return in_own_words([one.get("text") for one in answers if one is not chosen and not one.get("row_id")])

    async def _as_event(self, response: Mapping[str, Any]) -> bytes:
        """A response of the API as the body of an event that carries it."""
        label = await self._label(response)
        return json.dumps({"event_type": "response_completed", FETCHED: response, "label": label}).encode()

    async def _label(self, response: Mapping[str, Any]) -> str | None:
        """What the customer saw on the choice that is the score; None when it needs none or has none."""
        try:
            chosen = _scored(_questions(response), self._config.score)
        except ContractBroken:
            return None  # `read` says what is wrong with it
        choice = None if chosen is None else chosen.get("choice_id")
        survey = str(response.get("survey_id"))
        if choice is None or str(choice) in self._config.scores or not _ID.fullmatch(survey):
            return None
        if str(choice) not in self._labels:
            self._labels |= await self._ask(f"/v3/surveys/{survey}/details", {}, _choices)
        return self._labels.get(str(choice))


def _id(value: Any, path: str) -> str:
    """An id that may stand in a path."""
    text = as_text(value)
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise broken(path, "is missing" if text is None else "is no id of SurveyMonkey's (digits)")
    return text


def _questions(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    pages = inner_list(response.get("pages"), f"{FETCHED}.pages")
    return [one for page in pages for one in inner_list(page.get("questions"), f"{FETCHED}.pages.questions")]


def _scored(questions: Sequence[Mapping[str, Any]], wanted: str) -> dict[str, Any] | None:
    answers = [
        one
        for question in questions
        if question.get("id") == wanted
        for one in inner_list(question.get("answers"), f"{FETCHED}.pages.questions.answers")
    ]
    chosen = [one for one in answers if "choice_id" in one]  # beside it may stand what they wrote about it
    return next(iter([*chosen, *answers]), None)


def _choices(answer: Answer) -> dict[str, str]:
    """Every choice of every question, by its id."""
    questions = [question for page in answer.json["pages"] for question in page["questions"]]
    choices = [choice for one in questions for choice in (one.get("answers") or {}).get("choices", [])]
    return {str(choice["id"]): str(choice["text"]) for choice in choices}


def _object(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer.json, dict):
        raise ValueError("one response was asked for")
    return answer.json


INTEGRATION = Integration(
    vendor="surveymonkey",
    capability=Capability.SURVEY_INTAKE,
    config=SurveyMonkeyConfig,
    connect=SurveyMonkeyIntake,
    docs_url="https://api.surveymonkey.com/v3/docs#webhooks",
)
