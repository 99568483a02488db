"""Messages as they come in: JSON of a web form, and mail as it was sent (RFC 5322)."""

from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default as modern
from email.utils import parseaddr

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from data_contracts import strict_json
from data_contracts.explain import problems_of
from data_contracts.fields import (
    LONGEST_COMMENT,
    LONGEST_LINE,
    Line,
    OptionalComment,
    OptionalEmail,
    OptionalLine,
    in_words,
    read_email,
    read_line,
    read_text,
)
from data_contracts.problems import ContractBroken, Problem
from domain.messages import Message

_NO_WORDS = Problem("text", "says nothing", "send what the customer wrote")


class Written(BaseModel):
    """What the web form sends. Keys it does not know are let be: forms grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_id: Line = Field(description="1 to 200 characters that identify this message, the same at each delivery")
    text: OptionalComment = Field(None, description="the customer's words as text")
    subject: OptionalLine = Field(None, description="one line of up to 200 characters, or leave it out")
    customer_ref: OptionalLine = Field(None, description="the ref of a customer who is signed in, or leave it out")
    email: OptionalEmail = Field(None, description="one address such as anna@example.com, or leave it out")


def read_form(body: bytes, source: str, received_at: datetime) -> Message:
    """The message in a web form's JSON. Raises `NotStrictJson`, or `ContractBroken` with every problem."""
    value = strict_json.parse(body)
    if not isinstance(value, dict):
        problem = f"the body is {in_words(value)}, not an object"
        raise ContractBroken([Problem("", problem, "send message_id, text and customer_ref or email")])
    try:
        written = Written.model_validate(value)
    except ValidationError as error:
        raise ContractBroken(problems_of(error, Written)) from None
    if written.text is None:
        raise ContractBroken([_NO_WORDS])
    return Message(
        source=source,
        message_id=written.message_id,
        subject=written.subject,
        text=written.text,
        received_at=received_at,
        customer_ref=written.customer_ref,
        address=written.email,
    )


def read_mail(body: bytes, source: str, received_at: datetime) -> Message:
    """The message in a raw mail; its text part, or its HTML as text. Raises `ContractBroken`.

    Who wrote it is what its From says: enough to find a customer by, never to tell anybody anything.
    """
    try:
        mail = message_from_bytes(body, policy=modern)
        message_id, subject, sender = (_kept(str(mail.get(name, ""))) for name in ("Message-ID", "Subject", "From"))
        text = _text(mail)
        is_automatic = str(mail.get("Auto-Submitted", "no")).split(";")[0].strip().lower() != "no"
    except (MessageError, LookupError, ValueError, AttributeError, RecursionError):
        # The standard library's parser takes almost anything; what makes it fail is for a person to read.
        raise ContractBroken(
            [Problem("", "cannot be read as a mail (RFC 5322)", "send it as it was received")]
        ) from None
    if not text:
        raise ContractBroken([Problem("", "has no words that we can read", "read it in the mailbox")])
    try:
        return Message(
            source=source,
            message_id=read_line(message_id),
            subject=" ".join(subject.split())[:LONGEST_LINE] or None,
            text=read_text(text, LONGEST_COMMENT),
            received_at=received_at,
            address=_address(sender),
            is_automatic=is_automatic,
        )
    except PydanticCustomError as error:
        problem = str((error.context or {})["problem"])
        raise ContractBroken(
            [Problem("Message-ID or text", problem, "send the mail with all of its headers")]
        ) from None


def _text(mail: EmailMessage) -> str:
    """What the writer wrote themselves: no attachments, nothing quoted. The HTML part, if the text part is blank."""
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        if part is None:
            continue
        content = _kept(str(part.get_content()))
        if kind == "html":
            content = _html_as_text(content)
        own = "\n".join(line for line in content.splitlines() if not line.lstrip().startswith(">")).strip()
        if own:
            return own
    return ""


def _kept(text: str) -> str:
    """The text as databases can keep it: without zero characters and half surrogates, which broken mails carry."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _html_as_text(html: str) -> str:
    from inscriptis import get_text  # type: ignore[import-untyped]  # 0.1 s of imports only such mails wait for

    return str(get_text(html))


def _address(sender: str) -> str | None:
    try:
        return str(read_email(parseaddr(sender)[1]))
    except ValueError:
        return None
