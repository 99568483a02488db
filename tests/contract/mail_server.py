"""A mail server in the test's own process, which can end a conversation at any point of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HANG_UP = "hang up"
SILENCE = "silence"
PASSWORD = "canary-secret-7f3a91"


@dataclass
class MailServer:
    """What came, and what is to happen: `at` a command (or "dot", the message's end), words or one of the above."""

    at: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    """The same, the first time only."""
    refuses: dict[str, str] = field(default_factory=dict)
    """What is said of a recipient."""
    wires: list[bytes] = field(default_factory=list)
    """Every message taken over, dots undoubled."""
    recipients: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Every command, as it came."""
    connections: int = 0
    open: set[asyncio.BaseTransport] = field(default_factory=set)
    port: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(wire, policy=policy.default) for wire in self.wires]

    async def meets(self, conversation: "Conversation", what: str) -> bool:
        """True when this point of the conversation was its end, or has been answered."""
        act = self.once.pop(what, None) or self.at.get(what)
        if act is None:
            return False
        if act == HANG_UP:
            conversation.transport.abort()
        elif act == SILENCE:
            await self.over.wait()
        else:
            await conversation.push(act)
        return True

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: "Conversation", session: Session, envelope: Envelope) -> str:
        act = self.at.get("dot", "")
        if act not in (HANG_UP, SILENCE, ""):
            return act
        assert isinstance(envelope.content, bytes)
        self.wires.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        if act:
            await self.meets(server, "dot")
        return "250 2.0.0 queued as 4F1A"


class Conversation(SMTP):
    """One connection, which looks up at each command what is to happen."""

    def __init__(self, mail_server: MailServer, **more: Any) -> None:
        super().__init__(mail_server, hostname="mail.example", enable_SMTPUTF8=True, **more)
        self._house = mail_server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._house.connections += 1
        self._house.open.add(transport)

    async def smtp_EHLO(self, hostname: str) -> None:
        self._house.said.append("EHLO")
        if not await self._house.meets(self, "EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:
        self._house.said.append("AUTH")
        if not await self._house.meets(self, "AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str) -> None:
        self._house.said.append(f"MAIL {arg}")
        if not await self._house.meets(self, "MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:
        self._house.said.append(f"RCPT {arg}")
        if not await self._house.meets(self, "RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        self._house.said.append("DATA")
        if not await self._house.meets(self, "DATA"):
            await super().smtp_DATA(arg)


@asynccontextmanager
async def mail_server(
    *, certificates: ssl.SSLContext | None = None, implicit: bool = False, signs_in: bool = False
) -> AsyncIterator[MailServer]:
    """A server on a free port: in clear, with STARTTLS, or (`implicit`) with TLS from the first byte."""
    house = MailServer()

    def authenticated(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, told: Any) -> AuthResult:
        is_known = isinstance(told, LoginPassword) and told == LoginPassword(b"handrail", PASSWORD.encode())
        return AuthResult(success=is_known, handled=False)

    def conversation() -> Conversation:
        return Conversation(
            house,
            tls_context=None if implicit else certificates,
            authenticator=authenticated if signs_in else None,
            auth_require_tls=not implicit,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(conversation, "127.0.0.1", 0, ssl=certificates if implicit else None)
    house.port = server.sockets[0].getsockname()[1]
    try:
        yield house
    finally:
        house.over.set()
        server.close()
        for transport in house.open:
            transport.close()
        await server.wait_closed()
