"""Tokens in addresses that only we can make: some bytes and a signature, in letters and digits alone.

So no mail program ends the link early, and it can be read out.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr

_SIGNATURE_BYTES = 16


class NotOurLink(Exception):
    """A token that we did not make, or one signed with a secret that is believed no more."""


class SignedTokens:
    """Makes and reads tokens of one kind. The first secret signs, every one is believed.

    What is signed begins with the kind's tag, so that nothing else signed with the same secret passes for one.
    """

    def __init__(self, tag: bytes, secrets: Sequence[SecretStr], *, longest: int) -> None:
        """`longest`: characters of a token; no more are looked at."""
        self._tag = tag
        self._longest = longest
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    @property
    def can_be_made(self) -> bool:
        """Whether there is a secret to sign with."""
        return bool(self._secrets)

    def made(self, content: bytes) -> str:
        """The token that says this. Raises LookupError when there is no secret to sign with."""
        if not self._secrets:
            raise LookupError("no links can be signed: set HANDRAIL_LINK_SECRET")
        return _written(content + self._signature(self._secrets[0], content))

    def read(self, token: str) -> bytes:
        """What it says. Raises NotOurLink."""
        if len(token) > self._longest or not token.isascii():
            raise NotOurLink
        try:
            read = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
        except binascii.Error:
            raise NotOurLink from None
        content, signature = read[:-_SIGNATURE_BYTES], read[-_SIGNATURE_BYTES:]
        if not content or _written(read) != token.lower():  # one way of writing each
            raise NotOurLink
        genuine = [hmac.compare_digest(self._signature(secret, content), signature) for secret in self._secrets]
        if not any(genuine):
            raise NotOurLink
        return content

    def _signature(self, secret: bytes, content: bytes) -> bytes:
        return hmac.digest(secret, self._tag + b"\0" + content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _written(token: bytes) -> str:
    return base64.b32encode(token).decode().rstrip("=").lower()
