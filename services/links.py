"""The links in messages that lead a customer to a page of their own.

A token says which customer (by our row's id) and which purpose, and proves that we made it: nothing in it is anybody's
data, and nobody can make one. It never expires, for whoever finds a message of ours years later must still be able to
say "no more".
"""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from domain.customers import Purpose
from services.signed_tokens import NotOurLink, SignedTokens

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
_LONGEST = 64
"""Characters; ours have about thirty."""


class Links:
    """Makes the links and reads them back. The first secret signs, every one is believed."""

    def __init__(self, gateway_url: str, secrets: Sequence[SecretStr]) -> None:
        self._address = gateway_url.rstrip("/")
        self._tokens = SignedTokens(_TAG, secrets, longest=_LONGEST)

    @property
    def address(self) -> str:
        """The gateway's address, as people and customers reach it; without a slash at the end."""
        return self._address

    @property
    def can_be_made(self) -> bool:
        """Whether there is a secret to sign with."""
        return self._tokens.can_be_made

    def page(self, customer_id: int, purpose: Purpose) -> str:
        """The address of the customer's page, as reached from a message of this purpose. Raises LookupError.

        A POST to it of `List-Unsubscribe=One-Click` (RFC 8058) ends the purpose at once.
        """
        return f"{self._address}{PATH}{self.token(customer_id, purpose)}"

    def token(self, customer_id: int, purpose: Purpose) -> str:
        """The last part of the page's address. Raises LookupError when there is no secret to sign with."""
        return self._tokens.made(_LETTERS[purpose] + customer_id.to_bytes((customer_id.bit_length() + 7) // 8))

    def read(self, token: str) -> tuple[int, Purpose]:
        """Whose page it is, and the purpose of the message it came from. Raises NotOurLink."""
        content = self._tokens.read(token)
        if len(content) < 2 or content[:1] not in _PURPOSES:
            raise NotOurLink
        return int.from_bytes(content[1:]), _PURPOSES[content[:1]]
