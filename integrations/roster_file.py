"""The integrations' file as YAML: its values with their lines, `${NAME}` filled in, and everything wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from domain.words import MISSPELT, did_you_mean

Path = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class RosterFile:
    """A file that is being read; problems are collected, so that a person sees all of them at once."""

    source: str
    value: Any
    lines: Mapping[Path, int]
    problems: list[str]
    variables: dict[str, "_Wanting"] = field(default_factory=dict)
    """What is wrong with a variable, and where it is said."""

    def complain(self, path: Path, words: str) -> None:
        """Notes what is wrong at `path`, with the nearest line that is known."""
        where = ".".join(map(str, path))
        self.problems.append(f"{self.source} line {self._line(path)}: {where}{': ' if where else ''}{words}")

    def complain_of_variable(self, path: Path, words: str) -> None:
        """The same, but once, however many lines name the variable: one export mends them all."""
        wanting = self.variables.get(words)
        if wanting is None:
            self.complain(path, words)
            self.variables[words] = _Wanting(len(self.problems) - 1, self.problems[-1])
            return
        wanting.lines.append(str(self._line(path)))
        where = f"line{'s' if wanting.lines[1:] else ''} {', '.join(wanting.lines)}"
        self.problems[wanting.place] = f"{wanting.said} (named on {where} as well)"

    def _line(self, path: Path) -> int:
        return next(
            (self.lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.lines), 1
        )


@dataclass(frozen=True, slots=True)
class _Wanting:
    """A problem with a variable: its place among all problems, what was said of it, and the further lines."""

    place: int
    said: str
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    loader: yaml.SafeLoader
    lines: dict[Path, int] = field(default_factory=dict)
    doubled: list[tuple[Path, str]] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(inner, (*path, number)) for number, inner in enumerate(node.value)]
        return self.loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                line = key_node.start_mark.line + 1
                self.doubled.append(((*path, key), f"is there a second time on line {line}; keep one of them"))
                continue
            found[key] = self.value(value_node, (*path, key))
            self.lines[(*path, key)] = key_node.start_mark.line + 1
        return found


def read_roster_file(text: str, source: str) -> RosterFile:
    """The file's values as they are written. What is no YAML is a problem too, and its value None."""
    loader = yaml.SafeLoader(text)
    try:
        reader = _Reader(loader)
        node = loader.get_single_node()
        value = None if node is None else reader.value(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        words = getattr(error, "problem", None) or "cannot be read"
        return RosterFile(source, None, {(): line}, [f"{source} line {line}: is not YAML: {words}"])
    finally:
        loader.dispose()
    file = RosterFile(source, value, reader.lines, [])
    for path, words in reader.doubled:
        file.complain(path, words)
    return file


@dataclass(slots=True)
class Filling:
    """Values with the environment's variables in their places, and which variables those were."""

    file: RosterFile
    environment: Mapping[str, str]
    used: list[str] = field(default_factory=list)
    is_whole: bool = True

    def fill(self, value: Any, path: Path, *, is_secret: bool) -> Any:
        """`value` with every `${NAME}` replaced; what cannot be is complained about. A secret must be one `${NAME}`."""
        if isinstance(value, list):
            return [self.fill(inner, (*path, number), is_secret=is_secret) for number, inner in enumerate(value)]
        if is_secret and value is not None and not (isinstance(value, str) and _VARIABLE.fullmatch(value)):
            return self._complain(path, "a secret does not belong in this file: write ${NAME} and set the variable")
        if not isinstance(value, str):
            return value
        if "${" in _VARIABLE.sub("", value):
            return self._complain(path, "a variable is written ${NAME}, with letters, digits and _")
        return _VARIABLE.sub(lambda match: self._variable(match[1], path), value)

    def _variable(self, name: str, path: Path) -> str:
        found = self.environment.get(name, "")
        if not found:
            state = "is empty" if name in self.environment else "is not set"
            hint = "" if name in self.environment else did_you_mean(name, self.environment, close=MISSPELT)
            self.is_whole = False
            self.file.complain_of_variable(path, f"the variable {name} {state}{hint}")
            return ""
        if not found.isprintable() or found != found.strip():
            return self._complain(path, f"the variable {name} has spaces around it or a control character in it")
        self.used.append(name)
        return found

    def _complain(self, path: Path, words: str) -> str:
        self.is_whole = False
        self.file.complain(path, words)
        return ""
