"""What every way of sending a mail has in common: one address, no header of ours, nothing that breaks a line."""

import re
from collections.abc import Mapping

from integrations.errors import Unsupported
from integrations.ports import Mail

_OUR_HEADERS = frozenset(
    {"from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "content-language"}
    | {"content-type", "content-transfer-encoding", "mime-version", "received", "dkim-signature"}
)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_BREAKS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


def carried(address: str) -> str:
    """One address as mail carries it. Raises ValueError for several, and for letters only newer servers know."""
    name, _, domain = address.rpartition("@")
    whole = f"{name}@{domain.encode('idna').decode()}"
    if not _ADDRESS.fullmatch(whole):
        raise ValueError("no address that every server takes")
    return whole


def allowed(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Raises ValueError for a header that would change who gets the mail or what it says of itself."""
    for name in headers:
        if not _HEADER_NAME.fullmatch(name) or name.casefold() in _OUR_HEADERS:
            raise ValueError("a header that is ours, or none")
    return headers


def addressed(name: str, mail: Mail) -> str:
    """Whom a mail goes to, for the integration `name` whose vendor makes the message of its parts.

    Raises Unsupported for what a mail cannot say: such a vendor might leave it out, or take it for more.
    """
    try:
        to = carried(mail.to)
        values = list(allowed(mail.headers).values())
        is_said = all(value.isascii() for value in values)
        is_said &= not any(_BREAKS_A_LINE.search(line) for line in (mail.subject, *values))
    except (ValueError, UnicodeError):
        is_said = False  # leaving the block drops the cause: it quotes the address or the header
    if not is_said:
        raise Unsupported(name, "an address or a header that a mail cannot carry", "correct it where it is kept")
    return to
