"""Templates: the words of one message in one language, identified by their content, and where they are read from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import rfc8785

from data_contracts.problems import Problem
from domain.actions import Capability
from domain.words import did_you_mean, one_of
from templates.dates import LANGUAGES
from templates.mails import MjmlProblem, compiled_mail

MESSAGES = Path(__file__).parent / "messages"
LAYOUT = "layout.mjml"
"""The frame of every mail: one file on disk, compiled with the words of each, so a change of it changes every hash."""

CHANNEL_PARTS: Mapping[Capability, Sequence[str]] = {
    Capability.MAIL: ("mail.subject.txt", "mail.txt", "mail.html"),
    Capability.SMS: ("sms.txt",),
    Capability.PUSH: ("push.title.txt", "push.txt"),
    Capability.VOICE: ("voice.txt",),
}
"""What a message must have for each channel it has words for."""
PUSH_LINK = "push.link.txt"
"""What a touch opens, where that is not the app: the one part that a message for its channel may do without."""
PARTS = (*(part for parts in CHANNEL_PARTS.values() for part in parts), PUSH_LINK)
_SOURCES = {"mail.html": "mail.mjml"}
"""The file on disk, where it is not the part itself."""
_PART_OF = {file: part for part, file in _SOURCES.items()}
FILES = tuple(_SOURCES.get(part, part) for part in PARTS)


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
    """Source by part: `mail.txt`, `mail.html` (compiled: nothing of MJML is left), `sms.txt`, …"""
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

    @cached_property  # asked for each message that is rendered
    def channels(self) -> Sequence[Capability]:
        """The channels it has words for."""
        return [channel for channel, parts in CHANNEL_PARTS.items() if self.parts.keys() & set(parts)]

    @property
    def wanted(self) -> Sequence[str]:
        """The parts it must have."""
        return [part for channel in self.channels for part in CHANNEL_PARTS[channel]]

    def where(self, part: str) -> str:
        """The file a part comes from, as every error names it: `acknowledgement/pl/mail.txt`."""
        name, colon, line = part.partition(":")
        return f"{self.name}/{self.language}/{_SOURCES.get(name, name)}{colon}{line}"


def load(directory: Path = MESSAGES) -> list[Template]:
    """Every template below `directory`, by name and language: `<name>/<language>/<file>`, beside `layout.mjml`.

    Raises TemplateProblem naming every missing, misnamed or unreadable file at once, or every mail whose MJML is wrong.
    """
    problems = list(_layout_problems(directory))
    messages = [entry for entry in _entries(directory) if entry.name != LAYOUT]
    for message in messages:
        problems += _names(message, LANGUAGES, LANGUAGES, message.name, "language")
        wanted = _wanted(message)
        for language in LANGUAGES:
            problems += _names(message / language, FILES, wanted, f"{message.name}/{language}", "part")
    if not messages and not problems:
        problems.append(Problem(str(directory), "no messages", "add <name>/<language>/<part> files"))
    sources = _read(directory, problems) if not problems else {}
    if problems:
        raise TemplateProblem(problems)
    made = [
        Template(message.name, language, _compiled(message / language, directory, sources, problems))
        for message in messages
        for language in LANGUAGES
    ]
    if problems:
        raise TemplateProblem(problems)
    return made


def _compiled(folder: Path, directory: Path, sources: Mapping[Path, str], problems: list[Problem]) -> dict[str, str]:
    """The parts of one language."""
    parts = {}
    for name in FILES:
        if (source := sources.get(folder / name)) is None:
            continue
        part = _PART_OF.get(name, name)
        try:
            parts[part] = source if part == name else compiled_mail(sources[directory / LAYOUT], source)
        except MjmlProblem as wrong:
            where = (folder / name).relative_to(directory).as_posix()
            problems.append(Problem(f"{where}{wrong.place}", str(wrong), wrong.fix))
    return parts


def _wanted(message: Path) -> Sequence[str]:
    """The files each language must have: what any has, and what else their channels need."""
    found = {entry.name for language in LANGUAGES for entry in _entries(message / language)}
    wanted = {PUSH_LINK} & found
    for parts in CHANNEL_PARTS.values():
        files = {_SOURCES.get(part, part) for part in parts}
        wanted |= files if files & found else set()
    return [file for file in FILES if file in wanted] or FILES


def _layout_problems(directory: Path) -> Iterator[Problem]:
    if not directory.is_dir():
        yield Problem(str(directory), "no such directory", "point to the directory of messages")
    elif not (directory / LAYOUT).is_file():
        yield Problem(LAYOUT, "missing", "every mail stands in it")


def _names(directory: Path, known: Sequence[str], wanted: Sequence[str], where: str, noun: str) -> Iterator[Problem]:
    """What is there and should not be, then what should be and is not."""
    found = [entry.name for entry in _entries(directory)]
    for name in found:
        if name not in known:
            missing = [word for word in wanted if word not in found]
            yield Problem(
                f"{where}/{name}",
                f"not a {noun}{did_you_mean(name, missing or known)}",
                f"a {noun} is {one_of(known)}",
            )
    for name in wanted:
        if name not in found:
            yield Problem(f"{where}/{name}", f"this {noun} is missing", f"this message has {', '.join(wanted)}")


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
