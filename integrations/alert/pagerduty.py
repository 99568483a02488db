"""PagerDuty as what calls a colleague on duty, by its Events API v2.

Our key is the `dedup_key`: as long as the alert is open, PagerDuty keeps one of them and calls nobody twice. Once it is
resolved the same key opens another; that only happens to an answer lost that long ago, and wakes somebody once more.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import Unsupported
from integrations.http import HttpIntegration
from integrations.ports import Alert, Health, Receipt

VENDOR = "pagerduty"

SEVERITY: Mapping[str, str] = {
    "critical": "critical",
    "error": "error",
    "warning": "warning",
    "info": "info",
}
_UNHEARD_OF = "critical"  # better woken for nothing

_LONGEST_KEY = 255
_LONGEST_SUMMARY = 1024
_NOBODYS_KEY = "handrail/health-check"


class PagerDutyConfig(IntegrationConfig):
    """The settings of a PagerDuty service."""

    url: BaseUrl = Field(
        default="https://events.pagerduty.com",
        description="Where events go; https://events.eu.pagerduty.com for accounts in the EU.",
    )
    routing_key: SecretStr = Field(description="The integration key of the service's Events API v2 integration.")
    source: str = Field(default="handrail", min_length=1, description="What PagerDuty shows as where alerts are from.")
    rate_per_second: float | None = Field(
        default=2.0, gt=0, description="Most alerts a second; PagerDuty refuses bursts of one service with 429."
    )


class PagerDuty:
    """The alerts of one service."""

    def __init__(self, config: PagerDutyConfig) -> None:
        self._name = integration_name(Capability.ALERT, VENDOR)
        self._routing_key = config.routing_key
        self._source = config.source
        self._http = HttpIntegration(
            self._name, config, base_url=config.url, credentials={}, credential_field="routing_key"
        )

    async def check(self) -> Health:
        """Reachable, and our key well-formed? Resolves an alert that nobody ever opens, which PagerDuty ignores."""
        return await self._http.check(
            "/v2/enqueue", {}, understand=_taken, method="POST", body=self._event("resolve", _NOBODYS_KEY)
        )

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: events cannot be read back."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "repeat it: one alert a key is open")

    async def raise_alert(self, alert: Alert, *, key: str) -> Receipt:
        """Opens the alert, or adds to the one of the same key that is open."""
        event = self._event("trigger", key) | {
            "client": "Handrail",
            "payload": {
                "summary": alert.summary[:_LONGEST_SUMMARY],
                "severity": SEVERITY.get(alert.severity, _UNHEARD_OF),
                "source": self._source,
                "custom_details": {**alert.detail, "key": key},
            },
            "links": [{"href": href, "text": text} for text, href in _links(alert)],
        }
        return await self._http.write(
            "POST", "/v2/enqueue", event, understand=lambda answer: _receipt(answer, event["dedup_key"])
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _event(self, action: str, key: str) -> dict[str, Any]:
        dedup_key = key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
        return {"routing_key": self._routing_key.get_secret_value(), "event_action": action, "dedup_key": dedup_key}


def _links(alert: Alert) -> Iterator[tuple[str, str]]:
    if alert.link:
        yield "Where to act", alert.link
    yield from alert.links.items()


def _taken(answer: Answer) -> None:
    if answer.json["status"] != "success":
        raise ValueError("not taken over")


def _receipt(answer: Answer, dedup_key: str) -> Receipt:
    _taken(answer)
    if answer.json["dedup_key"] != dedup_key:
        raise ValueError("the answer is about another key")
    return Receipt(external_id=dedup_key)


def _one_open_a_key(config: PagerDutyConfig, operation: str) -> WriteClass:
    return WriteClass.B


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.ALERT,
    config=PagerDutyConfig,
    connect=PagerDuty,
    write_class=_one_open_a_key,
    docs_url="https://developer.pagerduty.com/docs/events-api-v2/trigger-events/",
)
