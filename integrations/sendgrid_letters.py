"""Many mails as few letters: what they have in common said once, and in each place where they differ what goes there.

SendGrid takes a thousand recipients in one call, but one content, in which it replaces `substitutions` for each of
them (in text, HTML and attributes; as they stand). Our mails are rendered one by one, so what is common is found by
comparing them. Put together again each is what it was, letter for letter. Mails that are too different, or that go to
the same address, are letters of their own: SendGrid refuses an address that stands twice in one call.

https://www.twilio.com/docs/sendgrid/for-developers/sending-email/substitution-tags
"""

import hashlib
import itertools
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from integrations.ports import Mail

LARGEST_SUBSTITUTIONS = 10_000
"""Bytes of one recipient's substitutions, as SendGrid's OpenAPI document says; a later page of its says 50,000."""

MOST_PLACES = 100
"""Where mails may differ and still share a letter. More, and little is common: an older page of SendGrid's said so."""

_HTML = re.compile(r"<[^>]*>|[^<]+|<")
_TEXT = re.compile(r"[^\n]+|\n")


@dataclass(frozen=True, slots=True)
class Member:
    """One mail of a letter: its place among those that were given, and what stands where they differ."""

    place: int
    substitutions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Letter:
    """One content and whom it goes to."""

    text: str
    html: str
    members: Sequence[Member]


@dataclass(slots=True)
class _Draft:
    """Mails that share a letter so far, each as its pieces."""

    first: Sequence[str]
    pieces: dict[int, Sequence[str]] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)


def letters_of(mails: Sequence[Mail]) -> list[Letter]:
    """The letters that say all of `mails`. Not for an event loop: a thousand long ones take most of a second."""
    drafts: dict[tuple[str, str, int, int], list[_Draft]] = {}
    texts: dict[tuple[str, str, int, int], int] = {}
    for place, mail in enumerate(mails):
        text, html = _TEXT.findall(mail.text), _HTML.findall(mail.html)
        shape = (mail.template, mail.language, len(text), len(html))
        texts[shape] = len(text)
        _join(drafts.setdefault(shape, []), place, [*text, *html], mail.to.casefold())
    tag = _tag(mails)
    return [
        letter
        for shape, those in drafts.items()
        for draft in those
        for letter in _letters(draft, texts[shape], tag, mails)
    ]


def _join(drafts: list[_Draft], place: int, pieces: Sequence[str], address: str) -> None:
    """Into the first draft that it fits, or a new one."""
    for draft in drafts:
        differs = set(itertools.compress(range(len(pieces)), map(operator.ne, draft.first, pieces)))
        if address not in draft.addresses and len(draft.places | differs) <= MOST_PLACES:
            break
    else:
        draft, differs = _Draft(pieces), set()
        drafts.append(draft)
    draft.pieces[place] = pieces
    draft.places |= differs
    draft.addresses.add(address)


def _letters(draft: _Draft, in_text: int, tag: str, mails: Sequence[Mail]) -> Iterable[Letter]:
    """The draft's one letter, and one each for those whose part of it is larger than SendGrid takes."""
    tags = {at: tag.format(at) for at in sorted(draft.places)}
    members: list[Member] = []
    alone: list[Member] = []
    for place, pieces in draft.pieces.items():
        said = {name: pieces[at] for at, name in tags.items()}
        size = sum(len(name) + len(value.encode()) for name, value in said.items())
        (members if size <= LARGEST_SUBSTITUTIONS else alone).append(Member(place, said))
    common = [tags.get(at, piece) for at, piece in enumerate(draft.first)]
    if members:
        yield Letter("".join(common[:in_text]), "".join(common[in_text:]), members)
    for member in alone:
        yield Letter(mails[member.place].text, mails[member.place].html, [Member(member.place, {})])


def _tag(mails: Sequence[Mail]) -> str:
    """What a place is called: a word of all the mails' hash, which no mail can say, and the same for the same mails."""
    said = hashlib.sha256()
    for mail in mails:
        for part in (mail.subject, mail.text, mail.html):
            said.update(part.encode("utf-8", "surrogatepass"))
    return f"-{said.hexdigest()[:16]}.{{}}-"
