"""SendGrid as a mail provider: one message a call, or up to a thousand recipients of few contents (v3 Mail Send).

202 means that SendGrid has the whole request, and names it as a whole (`X-Message-Id`); there is no answer for each
recipient, only events later. A refusal is of the whole request too; where it names recipients, those are refused and
the others are sent without them. Class D: there is no idempotency key, and nothing is found by ours in a known time.

Our key goes along as a custom argument, which every event about the message brings back. SendGrid does not treat those
as personal data and keeps them, so a customer's ref must not be an address. Unsubscribing is ours (`List-Unsubscribe`),
so SendGrid's own links are switched off; opens and clicks are watched only where it is configured.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from pydantic import Field, NameEmail, SecretStr, model_validator

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import AuthFailed, IntegrationError, RateLimited, Rejected, Unsupported
from integrations.http import HttpIntegration
from integrations.mail_keys import SENDGRID_ARGUMENT
from integrations.mail_messages import addressed
from integrations.ports import Health, Mail, Receipt
from integrations.retry_after import LONGEST
from integrations.sendgrid_letters import Letter, Member, letters_of

VENDOR = "sendgrid"
LARGEST_BATCH = 1000

_SENDS = "mail.send"
_RECIPIENT = re.compile(r"personalizations\.([0-9]+)\b")
_SECONDS = re.compile(r"[0-9]{1,12}")


class SendGridConfig(IntegrationConfig):
    """The settings of one SendGrid account."""

    url: BaseUrl = Field(
        default="https://api.sendgrid.com",
        description="Where SendGrid's API is; https://api.eu.sendgrid.com for accounts in the EU.",
    )
    token: SecretStr = Field(description="An API key that may send mail.")
    sender: NameEmail = Field(description="Whom the mail is from, and who gets the answers: Name <care@example.com>.")
    unsubscribe_group: int | None = Field(
        default=None, description="The unsubscribe group that mail belongs to; without one SendGrid keeps none for us."
    )
    track_opens: bool = Field(default=False, description="Whether SendGrid adds a picture that tells who opens.")
    track_clicks: bool = Field(default=False, description="Whether SendGrid leads links through its own address.")
    sandbox_mode: bool = Field(default=False, description="Whether SendGrid only checks each message and sends none.")
    rate_per_second: float | None = Field(
        default=None, gt=0, description="Most messages a second; SendGrid publishes no number, and says when to wait."
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if not (self.sender.email.isascii() and self.sender.name.isascii()):
            raise ValueError("has a sender that SendGrid does not take: write its name and address in ASCII")
        return self


class SendGrid:
    """One account, one sender."""

    def __init__(self, config: SendGridConfig) -> None:
        self._name = integration_name(Capability.MAIL, VENDOR)
        self._setting = config.setting("token")
        self._http = HttpIntegration(
            self._name,
            config,
            base_url=config.url,
            credentials={"Authorization": SecretStr(f"Bearer {config.token.get_secret_value()}")},
        )
        self._common = _common(config)

    async def check(self) -> Health:
        """Reachable, and may our key send mail?"""
        return await self._http.check("/v3/scopes", {}, understand=self._may_send, refusal=self._wait)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: SendGrid promises no time after which a message can be found."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "search SendGrid's activity for the address")

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt:
        """Hands the message over."""
        (end,) = await self.write_batch("send_mail", [(key, mail)])
        if isinstance(end, IntegrationError):
            raise end
        return end

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Mail]]
    ) -> Sequence[Receipt | IntegrationError]:
        """Hands up to a thousand messages over, in as many calls as they have contents; most often one."""
        if len(items) > LARGEST_BATCH:
            raise Unsupported(self._name, f"{len(items)} items in one call", f"send at most {LARGEST_BATCH}")
        ends: dict[int, Receipt | IntegrationError] = {}
        chosen: list[tuple[str, Mail]] = []
        places: list[int] = []
        for place, (key, mail) in enumerate(items):
            try:
                chosen.append((key, replace(mail, to=addressed(self._name, mail))))
                places.append(place)
            except Unsupported as problem:
                ends[place] = problem
        letters = await _letters([mail for _, mail in chosen])
        deadline, is_one = self._http.deadline(), len(letters) == 1
        for settled in await asyncio.gather(*(self._sent(one, chosen, deadline, is_one) for one in letters)):
            ends |= {places[place]: end for place, end in settled.items()}
        first = ends[0]
        if isinstance(first, IntegrationError) and all(end is first for end in ends.values()):
            raise first
        return [ends[place] for place in range(len(items))]

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _sent(
        self, letter: Letter, items: Sequence[tuple[str, Mail]], deadline: float, is_whole: bool
    ) -> Mapping[int, Receipt | IntegrationError]:
        """How each member of a letter ended. One problem of them all is one error.

        A refusal that names nobody is tried again member by member, unless the letter is the whole batch: whoever
        called does so then.
        """
        ends: dict[int, Receipt | IntegrationError] = {}
        members = list(letter.members)
        while members:
            now = Letter(letter.text, letter.html, members)
            try:
                outcome = await self._post(now, items, deadline)
            except (Rejected, Unsupported) as problem:
                if (is_whole and not ends) or len(members) == 1:
                    return ends | {member.place: problem for member in members}
                alone = [Letter(letter.text, letter.html, [member]) for member in members]
                for settled in await asyncio.gather(*(self._sent(one, items, deadline, True) for one in alone)):
                    ends |= settled
                return ends
            except IntegrationError as problem:
                return ends | {member.place: problem for member in members}
            if isinstance(outcome, Receipt):
                return ends | {member.place: outcome for member in members}
            for number, said in outcome.items():
                mail = items[members[number].place][1]
                ends[members[number].place] = self._http.refused_item(400, said, sent=_words(mail))
            members = [member for number, member in enumerate(members) if number not in outcome]
        return ends

    async def _post(
        self, letter: Letter, items: Sequence[tuple[str, Mail]], deadline: float
    ) -> Receipt | Mapping[int, str]:
        """The receipt of the whole letter, or which of several members are refused and why: nothing is sent then."""
        count = len(letter.members)
        body = {
            **self._common,
            "personalizations": [
                _personalization(*items[member.place], member.substitutions) for member in letter.members
            ],
            "subject": items[letter.members[0].place][1].subject,
            "content": [{"type": "text/plain", "value": letter.text}, {"type": "text/html", "value": letter.html}],
        }

        def understand(answer: Answer) -> Receipt | Mapping[int, str]:
            return _taken(answer, count)

        def refusal(answer: Answer) -> Receipt | Mapping[int, str] | None:
            self._wait(answer)
            return _refused(answer, count) or None

        return await self._http.write(
            "POST", "/v3/mail/send", body, understand=understand, refusal=refusal, deadline=deadline
        )

    def _wait(self, answer: Answer) -> None:
        """Raises RateLimited for a 429 that says in SendGrid's own header when the limit is over."""
        reset = answer.headers.get("x-ratelimit-reset", "")
        if answer.status == 429 and not answer.headers.get("retry-after") and _SECONDS.fullmatch(reset):
            wait = min(max(int(reset) - time.time(), 0.0), LONGEST)
            raise RateLimited(self._name, "refused with 429", f"it tries again after {wait:.0f} s", wait)

    def _may_send(self, answer: Answer) -> None:
        if _SENDS not in answer.json["scopes"]:
            raise AuthFailed(self._name, "the API key may not send mail", f"give {self._setting} the right {_SENDS}")


async def _letters(mails: Sequence[Mail]) -> Sequence[Letter]:
    if len(mails) == 1:
        return [Letter(mails[0].text, mails[0].html, [Member(0, {})])]
    return await asyncio.to_thread(letters_of, mails)


def _common(config: SendGridConfig) -> Mapping[str, Any]:
    """What every request says."""
    said: dict[str, Any] = {
        "from": {"email": config.sender.email, "name": config.sender.name},
        "tracking_settings": {
            "click_tracking": {"enable": config.track_clicks, "enable_text": config.track_clicks},
            "open_tracking": {"enable": config.track_opens},
            "subscription_tracking": {"enable": False},
        },
        "mail_settings": {"sandbox_mode": {"enable": config.sandbox_mode}},
    }
    if config.unsubscribe_group is not None:
        said["asm"] = {"group_id": config.unsubscribe_group}
    return said


def _personalization(key: str, mail: Mail, substitutions: Mapping[str, str]) -> Mapping[str, Any]:
    said = {
        "to": [{"email": mail.to}],
        "subject": mail.subject,
        "headers": dict(mail.headers),
        "custom_args": {SENDGRID_ARGUMENT: key},
    }
    return {**said, "substitutions": substitutions} if substitutions else said


def _taken(answer: Answer, count: int) -> Receipt:
    """202 without a body; 200 in sandbox mode. Raises ValueError for anything else."""
    if answer.status not in {200, 202} or answer.content:
        raise ValueError("not SendGrid's word for having taken it")
    return Receipt(answer.headers.get("x-message-id", ""), {"messages": count})


def _refused(answer: Answer, count: int) -> Mapping[int, str]:
    """Why members are refused, by their place; empty when a refusal is not about some of several."""
    found: dict[int, str] = {}
    for error in answer.json["errors"]:
        named = _RECIPIENT.match(str(error.get("field") or ""))
        if named is None or int(named[1]) >= count or count == 1:
            return {}
        found[int(named[1])] = str(error.get("message", ""))
    return found


def _words(mail: Mail) -> Mapping[str, str]:
    """What an error must not say of a mail."""
    return {"to": mail.to, "subject": mail.subject, "text": mail.text, "ref": mail.customer_ref}


def _nothing_promised(config: SendGridConfig, operation: str) -> WriteClass:
    return WriteClass.D


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.MAIL,
    config=SendGridConfig,
    connect=SendGrid,
    write_class=_nothing_promised,
    batches={"send_mail": LARGEST_BATCH},
    docs_url="https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
)
