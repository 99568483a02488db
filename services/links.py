"""The links in messages that lead a customer to a page of their own.

A token says which customer (by our row's id) and which purpose, and proves that we made it: nothing in it is anybody's
data, and nobody can make one. It never expires, for whoever finds a message of ours years later must still be able to
say "no more". Letters and digits alone, so that no mail program ends the link early and it can be read out.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from domain.customers import Purpose

PATH = "/unsubscribe/"
"""Where the page is, behind the gateway's address."""

_LETTERS: Mapping[Purpose, bytes] = {
    Purpose.ONBOARDING: b"o",
    Purpose.REMINDERS: b"r",
    Purpose.FEEDBACK: b"f",
    Purpose.MARKETING: b"m",
}
"""How tokens name purposes. Those in customers' mailboxes are read for years: a letter keeps its meaning."""
_PURPOSES = {letter: purpose for purpose, letter in _LETTERS.items()}
_TAG = b"handrail customer link 1"
"""What is signed begins with it, so that nothing else signed with the same secret passes for a link."""
_SIGNATURE_BYTES = 16
_LONGEST = 64
"""Characters; ours have about thirty."""


class NotOurLink(Exception):
    """A token that we did not make, or one signed with a secret that is believed no more."""


class Links:
    """Makes the links and reads them back. The first secret signs, every one is believed."""

    def __init__(self, gateway_url: str, secrets: Sequence[SecretStr]) -> None:
        self._address = gateway_url.rstrip("/")
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    @property
    def can_be_made(self) -> bool:
        """Whether there is a secret to sign with."""
        return bool(self._secrets)

    def page(self, customer_id: int, purpose: Purpose) -> str:
        """The address of the customer's page, as reached from a message of this purpose. Raises LookupError.

        A POST to it of `List-Unsubscribe=One-Click` (RFC 8058) ends the purpose at once.
        """
        return f"{self._address}{PATH}{self.token(customer_id, purpose)}"

    def token(self, customer_id: int, purpose: Purpose) -> str:
        """The last part of the page's address. Raises LookupError when there is no secret to sign with."""
        if not self._secrets:
            raise LookupError("no links to customers' pages can be made: set HANDRAIL_LINK_SECRET")
        content = _LETTERS[purpose] + customer_id.to_bytes((customer_id.bit_length() + 7) // 8)
        return _written(content + _signature(self._secrets[0], content))

    def read(self, token: str) -> tuple[int, Purpose]:
        """Whose page it is, and the purpose of the message it came from. Raises NotOurLink."""
        content, signature = _parts(token)
        genuine = [hmac.compare_digest(_signature(secret, content), signature) for secret in self._secrets]
        if not any(genuine) or content[:1] not in _PURPOSES:
            raise NotOurLink
        return int.from_bytes(content[1:]), _PURPOSES[content[:1]]


def _signature(secret: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, _TAG + b"\0" + content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _written(token: bytes) -> str:
    return base64.b32encode(token).decode().rstrip("=").lower()


def _parts(token: str) -> tuple[bytes, bytes]:
    if len(token) > _LONGEST or not token.isascii():
        raise NotOurLink
    try:
        read = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except binascii.Error:
        raise NotOurLink from None
    if len(read) < _SIGNATURE_BYTES + 2 or _written(read) != token.lower():  # one way of writing each
        raise NotOurLink
    return read[:-_SIGNATURE_BYTES], read[-_SIGNATURE_BYTES:]
