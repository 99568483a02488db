"""Delighted: webhooks signed over the body, and the API that lists survey responses.

A response is told of as soon as it has a score, and again when its comment comes, minutes later.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, SecretStr

from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.surveys import SurveyKind
from integrations.declaration import BaseUrl, Integration, integration_name
from integrations.polled_tool import PolledTool, objects
from integrations.ports import Announced, Noted
from integrations.signatures import BodySignature
from integrations.survey_sources import (
    SurveySourceConfig,
    answered,
    as_text,
    in_own_words,
    inner_list,
    inner_object,
    inner_word,
    read_object,
)

CREATED, UPDATED = "survey_response.created", "survey_response.updated"

KINDS: Mapping[str, SurveyKind] = {"nps": SurveyKind.NPS, "csat": SurveyKind.CSAT, "ces": SurveyKind.CES}
"""Delighted's survey types with a scale of ours; others (smileys, stars …) are noted, not guessed."""


class DelightedConfig(SurveySourceConfig):
    """The settings of one Delighted project; each has an API key of its own."""

    token: SecretStr | None = Field(None, description="The project's private API key; none: do not poll.")
    url: BaseUrl = Field("https://api.delighted.com", description="Delighted's API.")


class DelightedIntake(PolledTool):
    """Believes what was signed with one of the API keys; reads people's properties."""

    def __init__(self, config: DelightedConfig) -> None:
        self._config = config
        name = integration_name(Capability.SURVEY_INTAKE, "delighted")
        signature = BodySignature(
            name,
            header="X-Delighted-Webhook-Signature",
            keys=[secret.get_secret_value().encode() for secret in config.secrets],
            algorithm="sha256",
            spell=lambda digest: f"sha256={digest.hex()}",
            setting=config.setting("secrets"),
        )
        basic = None
        if config.token is not None:
            basic = f"Basic {base64.b64encode(f'{config.token.get_secret_value()}:'.encode()).decode()}"
        super().__init__(name, config, signature, url=config.url, authorization=basic)

    def read(self, body: bytes) -> SurveyAnswered | Announced | Noted:
        """Raises NotStrictJson or ContractBroken."""
        event = read_object(body)
        word = inner_word(event.get("event_type"), "event_type")
        if word not in {CREATED, UPDATED}:
            return Noted(word, "an event that we do not act on")
        said = inner_object(event.get("event_data"), "event_data")
        survey = inner_word(said.get("survey_type"), "event_data.survey_type")
        if survey not in KINDS:
            return Noted(word, f"a survey of the type {survey}, which has no scale of ours")
        person = inner_object(said.get("person"), "event_data.person")
        properties = inner_object(said.get("person_properties") or {}, "event_data.person_properties")
        customer = self._config.customer(properties)
        own = {"name": person.get("name"), "email": person.get("email"), "phone": person.get("phone_number")}
        paths = {
            "response_id": "event_data.id",
            "answered_at": "event_data.created_at",
            "score": "event_data.score",
            "comment": "event_data.comment",
            **self._config.paths("event_data.person_properties"),
        }
        fixes = {
            "customer.ref": f"send the property {self._config.customer_ref} along when a survey is sent to a person"
        }
        return answered(
            {
                "response_id": as_text(said.get("id")),
                "kind": KINDS[survey],
                "score": self._config.counted(said.get("score")),
                "comment": in_own_words([said.get("comment"), *_further_words(said)]),
                "answered_at": _instant(said.get("created_at")),
                "customer": {**customer, **{name: value for name, value in own.items() if customer[name] is None}},
            },
            paths,
            fixes,
        )

    async def since(self, since: datetime) -> AsyncIterator[Sequence[bytes]]:
        """Answers given or changed since then, in the order they were given."""
        query = {"updated_since": str(int(since.timestamp())), "expand[]": "person"}
        async for items in self._numbered("/v1/survey_responses.json", query, lambda answer: objects(answer.json)):
            yield [json.dumps({"event_type": UPDATED, "event_data": item}).encode() for item in items]


def _further_words(said: Mapping[str, Any]) -> list[Any]:
    """What was written in answer to additional questions."""
    further = inner_list(said.get("additional_answers") or [], "event_data.additional_answers")
    values = [inner_object(one.get("value") or {}, "event_data.additional_answers.value") for one in further]
    return [value.get("free_response") for value in values]


def _instant(value: Any) -> Any:
    """Seconds since 1970 as our contract reads them; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**33:
        return value
    return datetime.fromtimestamp(value, UTC).isoformat()


INTEGRATION = Integration(
    vendor="delighted",
    capability=Capability.SURVEY_INTAKE,
    config=DelightedConfig,
    connect=DelightedIntake,
    docs_url="https://app.delighted.com/docs/api/webhooks",
)
