"""Templates: the words of one message in one language, identified by their content, and where they are read from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import rfc8785

from data_contracts.problems import Problem
from domain.actions import Capability
from domain.words import did_you_mean, one_of
from templates.dates import LANGUAGES

MESSAGES = Path(__file__).parent / "messages"
LAYOUT = "layout.html"
"""The frame of every HTML part: one file on disk, a part of each template, so a change of it changes every hash."""

CHANNEL_PARTS: Mapping[Capability, Sequence[str]] = {
    Capability.MAIL: ("mail.subject.txt", "mail.txt", "mail.html"),
    Capability.SMS: ("sms.txt",),
    Capability.VOICE: ("voice.txt",),
}
WRITTEN, SPOKEN = (Capability.MAIL, Capability.SMS), (Capability.VOICE,)
"""A message is written, and may then go by any of these channels, or spoken."""

PARTS, SPOKEN_PARTS = (
    tuple(part for channel in channels for part in CHANNEL_PARTS[channel]) for channels in (WRITTEN, SPOKEN)
)
"""What each language of a written message must have, besides the layout; and of one that is spoken."""


class TemplateProblem(ValueError):
    """Words that cannot be read, checked or rendered; `problems` say where, what and how to put it right.

    Never repeats a parameter's value: it may be a customer's name or words.
    """

    def __init__(self, problems: Sequence[Problem], variable: str | None = None) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = list(problems)
        self.variable = variable
        """The undefined variable, when that is what is wrong."""

    def __reduce__(self) -> tuple[type["TemplateProblem"], tuple[list[Problem], str | None]]:
        return type(self), (self.problems, self.variable)


_NOT_STORED = Problem("", "not a stored template", "give name, language and parts, all of them text")


@dataclass(frozen=True, eq=False)
class Template:
    """One message in one language. Two are equal when their content is; `hash` is that content's name."""

    name: str
    language: str
    parts: Mapping[str, str]
    """Source by file name: `mail.txt`, `sms.txt`, …, and `layout.html`."""
    hash: str = field(init=False)
    """SHA-256, hex, of the canonical JSON (RFC 8785) of name, language and parts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))
        object.__setattr__(self, "hash", hashlib.sha256(rfc8785.dumps(self.to_content())).hexdigest())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.hash == self.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def to_content(self) -> dict[str, Any]:
        """What the hash covers, ready to be stored as JSON."""
        return {"name": self.name, "language": self.language, "parts": dict(self.parts)}

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "Template":
        """The template stored by `to_content`; its hash is computed anew. Raises TemplateProblem for anything else."""
        name, language, parts = (content.get(key) for key in ("name", "language", "parts"))
        if (
            not isinstance(name, str)
            or not isinstance(language, str)
            or not isinstance(parts, Mapping)
            or not all(isinstance(item, str) for pair in parts.items() for item in pair)
        ):
            raise TemplateProblem([_NOT_STORED])
        try:
            return cls(name, language, parts)
        except rfc8785.CanonicalizationError as unreadable:  # a lone surrogate
            raise TemplateProblem([_NOT_STORED]) from unreadable

    @property
    def channels(self) -> Sequence[Capability]:
        """The channels it has words for."""
        return SPOKEN if self.parts.keys() & set(SPOKEN_PARTS) else WRITTEN

    @property
    def wanted(self) -> Sequence[str]:
        """The parts it must have."""
        return SPOKEN_PARTS if self.channels == SPOKEN else (*PARTS, LAYOUT)

    def where(self, part: str) -> str:
        """The path of a part, as every error names it: `acknowledgement/pl/mail.txt`."""
        return f"{self.name}/{self.language}/{part}"


def load(directory: Path = MESSAGES) -> list[Template]:
    """Every template below `directory`, by name and language: `<name>/<language>/<part>`, beside `layout.html`.

    Raises TemplateProblem naming every missing, misnamed or unreadable file at once.
    """
    problems = list(_layout_problems(directory))
    messages = [entry for entry in _entries(directory) if entry.name != LAYOUT]
    parts = {message: _parts(message) for message in messages}
    for message in messages:
        problems += _names(message, LANGUAGES, f"{message.name}", "language")
        for language in LANGUAGES:
            problems += _names(message / language, parts[message], f"{message.name}/{language}", "part")
    if not messages and not problems:
        problems.append(Problem(str(directory), "no messages", "add <name>/<language>/<part> files"))
    sources = _read(directory, problems) if not problems else {}
    if problems:
        raise TemplateProblem(problems)
    return [
        Template(
            message.name,
            language,
            ({LAYOUT: sources[directory / LAYOUT]} if parts[message] is PARTS else {})
            | {part: sources[message / language / part] for part in parts[message]},
        )
        for message in messages
        for language in LANGUAGES
    ]


def _parts(message: Path) -> Sequence[str]:
    """What a message's languages must have: it is spoken when any of them is."""
    return SPOKEN_PARTS if any((message / language / SPOKEN_PARTS[0]).exists() for language in LANGUAGES) else PARTS


def _layout_problems(directory: Path) -> Iterator[Problem]:
    if not directory.is_dir():
        yield Problem(str(directory), "no such directory", "point to the directory of messages")
    elif not (directory / LAYOUT).is_file():
        yield Problem(LAYOUT, "missing", "every HTML part stands in it")


def _names(directory: Path, expected: Sequence[str], where: str, noun: str) -> Iterator[Problem]:
    """What is there and should not be, then what should be and is not."""
    found = [entry.name for entry in _entries(directory)]
    for name in found:
        if name not in expected:
            missing = [word for word in expected if word not in found]
            yield Problem(
                f"{where}/{name}",
                f"not a {noun}{did_you_mean(name, missing or expected)}",
                f"a {noun} is {one_of(expected)}",
            )
    for name in expected:
        if name not in found:
            yield Problem(f"{where}/{name}", f"this {noun} is missing", f"every message has {', '.join(expected)}")


def _entries(directory: Path) -> list[Path]:
    """What a directory holds, by name, without an editor's hidden files."""
    if not directory.is_dir():
        return []
    return sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))


def _read(directory: Path, problems: list[Problem]) -> dict[Path, str]:
    """Each file's text; line ends are normalised, so that a checkout on any machine has the same hashes."""
    sources = {}
    for path in [directory / LAYOUT, *directory.glob("*/*/*")]:
        try:
            sources[path] = path.read_text(encoding="utf-8").removeprefix("\ufeff")
        except (OSError, UnicodeDecodeError) as unreadable:
            where = path.relative_to(directory).as_posix()
            problems.append(Problem(where, f"cannot be read ({type(unreadable).__name__})", "save it as UTF-8 text"))
    return sources
