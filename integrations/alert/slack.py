"""Slack as what calls colleagues on duty, by an incoming webhook.

The webhook's address is all one needs to post, so the whole of it is a secret. Class D: a message is neither found nor
told apart from its repeat. Alerts carry references and counts, so no customer's words get into a channel.
"""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import Integration, IntegrationConfig, integration_name
from integrations.errors import AuthFailed, Unsupported
from integrations.http import HttpIntegration
from integrations.ports import Alert, Health, Receipt

VENDOR = "slack"

_ENDED = frozenset(
    {"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token"}
    | {"channel_not_found", "channel_is_archived", "action_prohibited"}
)
"""What Slack says of a webhook that takes no message whatever it says, until a person makes another."""

_LONGEST = 4_000
"""Characters of one message; Slack posts a longer text as several, cut anywhere."""

_EMPTY = frozenset({"no_text", "missing_text_or_fallback_or_attachments", "invalid_payload"})
"""What Slack says of a message that says nothing, once it knows the webhook."""

_MARKS = {
    "critical": ":rotating_light:",
    "error": ":red_circle:",
    "warning": ":warning:",
    "info": ":information_source:",
}


def _webhook(value: SecretStr) -> SecretStr:
    """The value is never quoted in an error."""
    try:
        parts = urlsplit(value.get_secret_value())
        _ = parts.port  # raises when it is no number
    except ValueError:
        parts = urlsplit("")
    is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    if not (is_address and len(parts.path) > 1 and value.get_secret_value().isascii()) or parts.query or parts.fragment:
        raise ValueError("is no webhook's address: copy it whole, https://hooks.slack.com/services/…")
    return value


class SlackConfig(IntegrationConfig):
    """The settings of one incoming webhook, which posts to one channel."""

    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] = Field(
        description="The whole address of the incoming webhook, as Slack shows it."
    )
    rate_per_second: float | None = Field(
        default=1.0, gt=0, description="Most messages a second; Slack takes one, and short bursts."
    )


class Slack:
    """The alerts of one channel."""

    def __init__(self, config: SlackConfig) -> None:
        self._name = integration_name(Capability.ALERT, VENDOR)
        self._setting = config.setting("webhook_url")
        parts = urlsplit(config.webhook_url.get_secret_value())
        self._path = SecretStr(parts.path)
        self._http = HttpIntegration(
            self._name,
            config,
            base_url=f"{parts.scheme}://{parts.netloc}",
            credentials={},
            credential_field="webhook_url",
            url_field="webhook_url",
        )

    async def check(self) -> Health:
        """Is the webhook still there? Slack refuses a message that says nothing, and how it does tells."""
        return await self._http.check(
            self._path.get_secret_value(), {}, understand=_ok, method="POST", body={}, refusal=self._known_here
        )

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: a webhook reads nothing."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "settle the action by hand")

    async def raise_alert(self, alert: Alert, *, key: str) -> Receipt:
        """Posts the alert. Slack names no message, so the receipt names none."""
        message = {"text": _text(alert, key), "unfurl_links": False, "unfurl_media": False}
        return await self._http.write(
            "POST", self._path.get_secret_value(), message, understand=_ok, refusal=self._nothing_known
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _known_here(self, answer: Answer) -> str | None:
        self._nothing_known(answer)
        return answer.text if answer.text in _EMPTY else None

    def _nothing_known(self, answer: Answer) -> None:
        """A refusal proves no write. Raises AuthFailed when it is the webhook that is refused."""
        if answer.text in _ENDED:
            raise AuthFailed(
                self._name, f"the webhook is refused ({answer.text})", f"make another, renew {self._setting}"
            )


def _text(alert: Alert, key: str) -> str:
    """What is said, with as many details as one message has room for: the links that lead to all of them always are."""
    mark = _MARKS.get(alert.severity, _MARKS["critical"])
    head = f"{mark} *{_escaped(alert.severity.upper())}* {_escaped(alert.summary)}"
    tail = [*_links(alert), f"`{_escaped(key)}`"]
    details = [f"• {_escaped(name.replace('_', ' '))}: {_escaped(str(value))}" for name, value in alert.detail.items()]
    said = ""
    for kept in range(len(details), -1, -1):
        more = [] if kept == len(details) else ["• …"]
        said = "\n".join((head, *details[:kept], *more, *tail))
        if len(said) <= _LONGEST:
            break
    return said


def _links(alert: Alert) -> Iterator[str]:
    for name, address in {**({"Where to act": alert.link} if alert.link else {}), **alert.links}.items():
        yield f"<{quote(address, safe=':/?#[]@!$&()*+,;=%~')}|{_escaped(name)}>"


def _escaped(text: str) -> str:
    """Slack's three characters: a text with them could mention a channel or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ok(answer: Answer) -> Receipt:
    if answer.text.strip() != "ok":
        raise ValueError("not Slack's ok")
    return Receipt(external_id="")


def _nothing_promised(config: SlackConfig, operation: str) -> WriteClass:
    return WriteClass.D


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.ALERT,
    config=SlackConfig,
    connect=Slack,
    write_class=_nothing_promised,
    docs_url="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/",
)
