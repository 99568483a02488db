"""Postmark as a mail provider: one message a call, or up to 500.

A call for several is answered 200 however its messages fared; each has a result of its own, in the order they were sent
(https://postmarkapp.com/developer/user-guide/send-email-with-api/batch-emails). Class D: a message said twice is sent
twice, and the search that could find one by our key lags by a time that nobody documents.

Our key goes along as metadata, which recipients do not see and every event about the message brings back. What is
written in Postmark's tables of error codes is translated once, below; every other code is a refusal of that message.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any, Self

from pydantic import Field, NameEmail, SecretStr, model_validator

from domain.actions import Capability, WriteClass
from integrations.answers import OF_ANOTHER_SHAPE, Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import AuthFailed, IntegrationError, RateLimited, Rejected, Unsupported
from integrations.http import HttpIntegration
from integrations.mail_keys import metadata
from integrations.mail_messages import addressed
from integrations.ports import Health, Mail, Receipt
from integrations.retry_after import retry_after

VENDOR = "postmark"

LARGEST_BATCH = 500
"""Messages. A call may also have 50 MB at most, and a message 10 MB; a larger one is answered 413."""

_MAINTENANCE, _INACTIVE, _TOO_FAST = 100, 406, 429
_FOR_A_PERSON: Mapping[int, str] = {
    10: "renew {token}",
    400: "add the sender to Postmark's sender signatures, or correct {sender}",
    401: "confirm the sender's signature at Postmark",
    405: "the account has used up what it may send: see its billing at Postmark",
    412: "ask Postmark to approve the account",
    413: "ask Postmark why the account may not send",
}
"""Codes that are about the account, not the message: https://postmarkapp.com/developer/api/overview#error-codes"""


class PostmarkConfig(IntegrationConfig):
    """The settings of one Postmark server."""

    url: BaseUrl = Field(default="https://api.postmarkapp.com", description="Where Postmark's API is.")
    token: SecretStr = Field(description="The server's API token; POSTMARK_API_TEST checks messages and sends none.")
    sender: NameEmail = Field(description="Whom the mail is from, and who gets the answers: Name <care@example.com>.")
    stream: str = Field(default="outbound", min_length=1, description="The message stream that mail goes through.")
    bulk_stream: str = Field(
        default="", description="The stream for what can be unsubscribed from; empty for the same one."
    )
    track_opens: bool = Field(default=False, description="Whether Postmark adds a picture that tells who opens.")
    track_links: bool = Field(default=False, description="Whether Postmark leads links through its own address.")
    rate_per_second: float | None = Field(
        default=None, gt=0, description="Most messages a second; Postmark publishes no number, and says when to wait."
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if not self.sender.email.isascii():
            raise ValueError("has a sender that not every server takes: write its address in ASCII")
        return self


class Postmark:
    """One server, one sender."""

    def __init__(self, config: PostmarkConfig) -> None:
        self._name = integration_name(Capability.MAIL, VENDOR)
        self._config = config
        self._sender = str(Address(config.sender.name, addr_spec=config.sender.email))
        self._http = HttpIntegration(
            self._name, config, base_url=config.url, credentials={"X-Postmark-Server-Token": config.token}
        )

    async def check(self) -> Health:
        """Reachable, our token accepted, and our streams there?"""
        return await self._http.check("/message-streams", {}, understand=self._has_our_streams, refusal=self._refusal)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: how long the search may miss a message is not documented."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "search Postmark's activity for the key")

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt:
        """Hands the message over."""
        message = self._message(mail, key)

        def understand(answer: Answer) -> Receipt:
            end = self._end(answer.json, message)
            if isinstance(end, IntegrationError):
                raise end
            return end

        return await self._http.write("POST", "/email", message, understand=understand, refusal=self._refusal)

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Mail]]
    ) -> Sequence[Receipt | IntegrationError]:
        """Hands up to 500 messages over in one call; one that cannot be said is left out of it."""
        if len(items) > LARGEST_BATCH:
            raise Unsupported(self._name, f"{len(items)} items in one call", f"send at most {LARGEST_BATCH}")
        prepared = [self._prepared(mail, key) for key, mail in items]
        messages = [one for one in prepared if not isinstance(one, IntegrationError)]
        if not messages:
            return [one for one in prepared if isinstance(one, IntegrationError)]
        ends = iter(
            await self._http.write(
                "POST",
                "/email/batch",
                messages,
                understand=lambda answer: self._each(answer, messages),
                refusal=self._refusal,
            )
        )
        return [one if isinstance(one, IntegrationError) else next(ends) for one in prepared]

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _prepared(self, mail: Mail, key: str) -> Mapping[str, Any] | Unsupported:
        try:
            return self._message(mail, key)
        except Unsupported as problem:
            return problem

    def _message(self, mail: Mail, key: str) -> Mapping[str, Any]:
        """Raises Unsupported for what a mail cannot say."""
        is_bulk = "List-Unsubscribe" in mail.headers
        return {
            "From": self._sender,
            "To": addressed(self._name, mail),
            "Subject": mail.subject,
            "TextBody": mail.text,
            "HtmlBody": mail.html,
            "MessageStream": (is_bulk and self._config.bulk_stream) or self._config.stream,
            "Tag": mail.template,
            "Metadata": metadata(self._name, key),
            "Headers": [{"Name": name, "Value": value} for name, value in mail.headers.items()],
            "TrackOpens": self._config.track_opens,
            "TrackLinks": "HtmlAndText" if self._config.track_links else "None",
        }

    def _each(self, answer: Answer, sent: Sequence[Mapping[str, Any]]) -> Sequence[Receipt | IntegrationError]:
        """Raises ValueError when there are not as many results as messages: whose they are cannot be told then."""
        results = answer.json
        if not isinstance(results, list):
            raise ValueError("no list of results")
        return [self._settled(result, message) for result, message in zip(results, sent, strict=True)]

    def _settled(self, result: Any, sent: Mapping[str, Any]) -> Receipt | IntegrationError:
        try:
            return self._end(result, sent)
        except OF_ANOTHER_SHAPE:
            pass  # leaving the block drops the cause: it may quote the answer
        return self._http.lost_item()

    def _end(self, result: Any, sent: Mapping[str, Any]) -> Receipt | IntegrationError:
        """How one message ended. Raises ValueError and its like for a result that is not as documented."""
        code = result.get("ErrorCode", 0)  # left out where Postmark takes a message over late
        if code:
            return self._refused(int(code), str(result["Message"]), sent=sent)
        if result["To"].casefold() != sent["To"].casefold():
            raise ValueError("the result is about somebody else")
        if not isinstance(result["MessageID"], str) or not result["MessageID"]:
            raise ValueError("taken over, and not named")
        return Receipt(result["MessageID"])

    def _refused(self, code: int, said: str, *, sent: Any, wait: float | None = None) -> IntegrationError:
        if code in _FOR_A_PERSON:
            remedy = _FOR_A_PERSON[code].format(
                token=self._config.setting("token"), sender=self._config.setting("sender")
            )
            return AuthFailed(self._name, f"refused with code {code}", remedy)
        if code == _INACTIVE:
            words = "the address is suppressed at Postmark after a hard bounce, a complaint or an unsubscribe"
            return Rejected(self._name, words, "ask the customer for another address, or reactivate it there", code)
        if code == _MAINTENANCE:
            return RateLimited(self._name, "the API is offline for maintenance", "it waits and tries again", wait)
        return self._http.refused_item(_TOO_FAST if code == _TOO_FAST else 422, f"code {code}: {said}", sent=sent)

    def _refusal(self, answer: Answer) -> None:
        """Raises what a code tells beside the status. A status without one is what it seems."""
        code = int(answer.json["ErrorCode"])
        if code in _FOR_A_PERSON or code in {_INACTIVE, _MAINTENANCE}:
            wait = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
            raise self._refused(code, "", sent=(), wait=wait)

    def _has_our_streams(self, answer: Answer) -> None:
        there = {stream["ID"] for stream in answer.json["MessageStreams"] if not stream.get("ArchivedAt")}
        ours = {self._config.stream, self._config.bulk_stream or self._config.stream}
        if missing := ours - there:
            raise AuthFailed(
                self._name,
                f"the server has no message stream {' and no '.join(sorted(missing))}",
                f"correct {self._config.setting('stream')} or {self._config.setting('bulk_stream')}",
            )


def _nothing_promised(config: PostmarkConfig, operation: str) -> WriteClass:
    return WriteClass.D


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.MAIL,
    config=PostmarkConfig,
    connect=Postmark,
    write_class=_nothing_promised,
    batches={"send_mail": LARGEST_BATCH},
    docs_url="https://postmarkapp.com/developer/api/email-api",
)
