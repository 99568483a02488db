"""Any mail server that speaks SMTP.

The server takes a message over when it answers to the final dot. Before the dot nothing can have been sent; after it,
silence means that we do not know. Class D: SMTP can be asked for no message, and one said twice is sent twice. The
Message-ID is made of our key: the same message has the same one, and some mailboxes show it once.
"""

import asyncio
import hashlib
import re
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal, Self

import aiosmtplib
from pydantic import Field, NameEmail, SecretStr, model_validator

from domain.actions import Capability, WriteClass
from integrations.connections import NoFreeConnection
from integrations.declaration import Integration, IntegrationConfig, integration_name
from integrations.errors import AuthFailed, Busy, IntegrationError, NotSent, OutcomeUnknown, Rejected, Unsupported
from integrations.mail_messages import allowed, carried
from integrations.ports import Health, Mail, Receipt
from integrations.redaction import excerpt
from integrations.smtp_connections import Lent, SmtpConnections

VENDOR = "smtp"

_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_POLICY = SMTP.clone(cte_type="7bit")  # what every server takes
_SHARE_TO_CONNECT = 0.25
"""Of the whole timeout, to wait for a free connection."""

_CREDENTIALS = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552
_CLOSING = 421

_WORDS: Sequence[tuple[type[Exception], str]] = (
    (aiosmtplib.SMTPConnectTimeoutError, "no connection in time"),
    (aiosmtplib.SMTPConnectError, "cannot connect (refused, name unknown or TLS failed)"),
    (aiosmtplib.SMTPServerDisconnected, "the connection was closed before the answer"),
    (aiosmtplib.SMTPResponseException, "an answer that is not SMTP"),
    (ssl.SSLError, "TLS failed: is the certificate one that we trust?"),
    (TimeoutError, "no answer in time"),
    (OSError, "the connection broke"),
    (aiosmtplib.SMTPException, "the server offers no STARTTLS, or no way to sign in"),
)


class SmtpConfig(IntegrationConfig):
    """The settings of a mail server."""

    host: str = Field(min_length=1, description="The mail server's name.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="Its port; unless set 465 for tls, 587 for starttls, 25 for none."
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="What keeps the connection secret: starttls, tls from its first byte, or none."
    )
    ca_file: Path | None = Field(
        default=None, description="A file of certificates to trust in place of the system's, for a server of one's own."
    )
    username: str = Field(default="", description="Who signs in; empty for a server that asks nobody.")
    password: SecretStr = Field(default=SecretStr(""), description="The password of who signs in.")
    sender: NameEmail = Field(description="Whom the mail is from, and who gets the answers: Name <care@example.com>.")
    connections: int = Field(default=8, ge=1, le=500, description="Most connections open at the same time.")

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if not self.sender.email.isascii():
            raise ValueError("has a sender that not every server takes: write its address in ASCII")
        if self.username and self.security == "none":
            raise ValueError("would send the password in clear: set security to starttls or tls")
        return self


@dataclass(slots=True)
class _Trial:
    """One attempt to hand a message over, and what is known of it: noted, for its errors carry addresses."""

    step: Literal["connect", "sender", "recipient", "message"] = "connect"
    is_fresh: bool = True
    is_sent: bool = False
    """The final dot may have left."""
    problem: Exception | None = None


class SmtpMail:
    """One mail server, one sender."""

    def __init__(self, config: SmtpConfig) -> None:
        self._name = integration_name(Capability.MAIL, VENDOR)
        self._config = config
        self._certificates: ssl.SSLContext | None = None
        self._connections = SmtpConnections(
            config.connections, wait_seconds=config.timeout_seconds * _SHARE_TO_CONNECT, make=self._client
        )

    def __repr__(self) -> str:
        return f"<SmtpMail {self._name}>"

    async def check(self) -> Health:
        """Reachable, and our credentials accepted?"""
        began = time.monotonic()
        trial = _Trial()
        try:
            async with asyncio.timeout_at(self._deadline()), self._connections.lend(fresh=True) as lent:
                await lent.client.noop()
        except (OSError, aiosmtplib.SMTPException, NoFreeConnection) as problem:
            trial.problem = problem
        latency = round((time.monotonic() - began) * 1000)
        if trial.problem is None:
            return Health(ok=True, latency_ms=latency)
        return Health(ok=False, latency_ms=latency, problem=str(self._judged(trial, trial.problem, sent=())))

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: a mail server shows nobody what it sent."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "settle the action by hand")

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt:
        """Hands the message to the server. Busy: it does not take this one for the moment (4xx)."""
        message = self._message(mail, key)
        wire = _on_the_wire(message)
        deadline = self._deadline()
        trial = await self._tried(message["To"].addresses[0].addr_spec, wire, deadline)
        if _was_kept_too_long(trial):
            trial = await self._tried(message["To"].addresses[0].addr_spec, wire, deadline, fresh=True)
        if trial.problem is not None:
            raise self._judged(trial, trial.problem, sent=(mail.to, mail.subject, mail.text, mail.customer_ref))
        return Receipt(external_id=str(message["Message-ID"]).strip("<>"))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._connections.aclose()

    async def _tried(self, recipient: str, wire: bytes, deadline: float, *, fresh: bool = False) -> _Trial:
        trial = _Trial()
        try:
            async with asyncio.timeout_at(deadline), self._connections.lend(fresh=fresh) as lent:
                trial.is_fresh = lent.is_fresh
                try:
                    await self._say(lent.client, recipient, wire, trial)
                except aiosmtplib.SMTPResponseException as refusal:
                    trial.problem = refusal
                    await _reset(lent, refusal)
        except (OSError, aiosmtplib.SMTPException, NoFreeConnection) as problem:
            trial.problem = trial.problem or problem
        return trial

    async def _say(self, client: aiosmtplib.SMTP, recipient: str, wire: bytes, trial: _Trial) -> None:
        trial.step = "sender"
        await client.mail(self._config.sender.email)
        trial.step = "recipient"
        await client.rcpt(recipient)
        trial.step = "message"
        begun = await client.execute_command(b"DATA")
        if begun.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(begun.code, begun.message)
        if client.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("closed before the message")
        client.protocol.write(wire)
        trial.is_sent = True
        ended = await client.protocol.read_response()
        if ended.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(ended.code, ended.message)

    def _judged(self, trial: _Trial, problem: Exception, *, sent: Sequence[str]) -> IntegrationError:
        """What a problem means for the message: RFC 5321 §4.2.1, and whether the dot had left."""
        if isinstance(problem, aiosmtplib.SMTPResponseException) and _is_refusal(problem):
            return self._refusal(trial, problem, sent=sent)
        words = next((words for kind, words in _WORDS if isinstance(problem, kind)), str(problem))
        if trial.is_sent:
            return OutcomeUnknown(self._name, words, "the ledger decides what follows; do not repeat it by hand")
        return self._unsent(words)

    def _refusal(
        self, trial: _Trial, refusal: aiosmtplib.SMTPResponseException, *, sent: Sequence[str]
    ) -> IntegrationError:
        secrets = (self._config.password.get_secret_value(), self._config.username)
        said = excerpt(refusal.message.encode(errors="replace"), secrets=secrets, sent=list(sent))
        what = f"refused with {refusal.code} ({said})"
        if refusal.code in _CREDENTIALS:
            return AuthFailed(self._name, f"credentials {what}", f"renew {self._config.setting('password')}")
        if trial.step == "connect" or refusal.code == _CLOSING:
            return self._unsent(what)
        if refusal.code < 500:
            return Busy(self._name, what, "it tries again")
        if trial.step == "sender" and refusal.code != _TOO_LARGE:
            remedy = f"may this account send as {self._config.setting('sender')}? all mail waits for it"
            return AuthFailed(self._name, f"the sender was {what}", remedy)
        return Rejected(self._name, what, "the same message would fail again; correct it or cancel it", refusal.code)

    def _unsent(self, words: str) -> NotSent:
        return NotSent(self._name, f"{words}; nothing was sent", f"is {self._config.setting('host')} right, is it up?")

    def _message(self, mail: Mail, key: str) -> EmailMessage:
        """Text and HTML for one recipient. Raises Unsupported for what a mail cannot say."""
        sender = self._config.sender
        message = EmailMessage(policy=_POLICY)
        try:
            message["From"] = Address(sender.name, addr_spec=sender.email)
            message["To"] = Address(addr_spec=carried(mail.to))
            message["Subject"] = mail.subject
            message["Date"] = format_datetime(datetime.now(UTC))
            message["Message-ID"] = _message_id(key, sender.email)
            for name, value in allowed(mail.headers).items():
                message[name] = value
            message.set_content(mail.text, cte="quoted-printable")
            message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
            message["Content-Language"] = mail.language  # last: `set_content` takes such headers away
        except (ValueError, UnicodeError):
            is_said = False  # leaving the block drops the cause: it quotes the address or the header
        else:
            is_said = True
        if not is_said:
            raise Unsupported(
                self._name, "an address or a header that a mail cannot carry", "correct it where it is kept"
            )
        return message

    def _client(self) -> aiosmtplib.SMTP:
        config = self._config
        return aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port or _PORTS[config.security],
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            tls_context=None if config.security == "none" else self._trusted(),
            username=config.username or None,
            password=config.password.get_secret_value() if config.username else None,
            local_hostname=socket.gethostname() or "localhost",  # by its whole name would cost a lookup
            timeout=config.timeout_seconds,
        )

    def _trusted(self) -> ssl.SSLContext:
        """Loaded once: it costs milliseconds."""
        if self._certificates is None:
            self._certificates = ssl.create_default_context(cafile=self._config.ca_file)
        return self._certificates

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._config.timeout_seconds


def _was_kept_too_long(trial: _Trial) -> bool:
    """True when the server had ended a connection that we kept: it never saw the message."""
    ended = isinstance(trial.problem, ConnectionError) or getattr(trial.problem, "code", None) == _CLOSING
    return ended and not trial.is_fresh and not trial.is_sent


def _is_refusal(answer: aiosmtplib.SMTPResponseException) -> bool:
    """False for what no mail server says after a command: it may mean anything."""
    return 400 <= answer.code < 600


async def _reset(lent: Lent, refusal: aiosmtplib.SMTPResponseException) -> None:
    """After a refusal the connection is good for the next message, unless the server does not agree."""
    if not _is_refusal(refusal):
        lent.is_spoilt = True
        return
    try:
        await lent.client.rset()
    except aiosmtplib.SMTPException:
        lent.is_spoilt = True


def _message_id(key: str, sender: str) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"


def _on_the_wire(message: EmailMessage) -> bytes:
    """The message with its dots doubled, and the dot that ends it (RFC 5321 §4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", message.as_bytes()) + b".\r\n"


def _nothing_promised(config: SmtpConfig, operation: str) -> WriteClass:
    return WriteClass.D


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.MAIL,
    config=SmtpConfig,
    connect=SmtpMail,
    write_class=_nothing_promised,
    docs_url="https://www.rfc-editor.org/rfc/rfc5321",
)
