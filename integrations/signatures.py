"""Signatures of webhooks: headers as they came, and the kind that many tools share, an HMAC over the body alone."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from data_contracts import strict_json
from data_contracts.problems import NotStrictJson
from domain.actions import key
from integrations.errors import Forged, Unsigned
from integrations.ports import Headers

_SHAPE = re.compile(r"[!-~]{1,200}")
_LONGEST_ID = 200


class BodySignature:
    """One header with an HMAC over the raw body, by one of the keys. No time is signed: replays are known by id."""

    def __init__(
        self,
        name: str,
        *,
        header: str,
        keys: Sequence[bytes],
        algorithm: str,
        spell: Callable[[bytes], str],
        setting: str,
    ) -> None:
        self._name = name
        self._header = header
        self._keys = keys
        self._algorithm = algorithm
        self._spell = spell
        self._setting = setting

    def check(self, headers: Headers, body: bytes) -> None:
        """Raises Unsigned or Forged, in a time that does not tell which key came close."""
        given = self._given(headers).encode()
        fits = False
        for one in self._keys:
            fits |= hmac.compare_digest(self._spell(hmac.new(one, body, self._algorithm).digest()).encode(), given)
        if not fits:
            raise Forged(
                self._name,
                "the signature does not fit",
                f"compare {self._setting} with what the sender signs with; or something on the way changes bodies",
            )

    def _given(self, headers: Headers) -> str:
        """The header's value: there once, and well-formed."""
        return one_header(self._name, headers, self._header, "set a secret where the webhook is made")


def one_header(name: str, headers: Headers, header: str, remedy: str, *, shape: re.Pattern[str] = _SHAPE) -> str:
    """The value of a header that must be there once. Raises Unsigned, for the integration `name`."""
    values = [value for given, value in header_pairs(headers) if given == header.lower()]
    if not values:
        raise Unsigned(name, f"the header {header} is missing", remedy)
    if len(values) > 1:
        raise Unsigned(name, f"the header {header} came twice", "the sender must send it once")
    if not shape.fullmatch(values[0]):
        raise Unsigned(name, f"the header {header} is malformed", "it must be 1 to 200 printable ASCII characters")
    return values[0]


def header_pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    """Names in lower case; bytes as Latin-1, which every byte is."""
    if isinstance(headers, Mapping):
        return [(name.lower(), value) for name, value in headers.items()]
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def signed_id(body: bytes, *names: str) -> str:
    """What a replay of a genuine body is known by: the ids it carries under these names, or else its own hash."""
    try:
        value = strict_json.parse(body)
    except NotStrictJson:
        value = None
    ids = [value.get(name) for name in names] if isinstance(value, dict) else []
    known = [one for one in ids if isinstance(one, str) and one.isprintable() and 0 < len(one) <= _LONGEST_ID]
    return key(*known) if known and len(known) == len(names) else f"sha256:{hashlib.sha256(body).hexdigest()}"
