"""YAML for configuration, read without surprises, and where in the file each value stands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from data_contracts.problems import Problem

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; the first line and the first column are 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, and where each key and item begins, by path."""

    value: Any
    marks: Mapping[Path, Mark]

    def mark(self, path: Path) -> Mark:
        """Where `path` begins. What is missing is looked for at its parent."""
        return self.marks[next(path[:size] for size in range(len(path), -1, -1) if path[:size] in self.marks)]

    def place(self, path: Path) -> str:
        """Where `path` is, for an error: "line 12, column 3, survey.priority"."""
        return ", ".join(filter(None, (str(self.mark(path)), ".".join(map(str, path)))))


class NotStrictYaml(ValueError):
    """The text is no YAML, or says one thing twice. `problems` has them all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class _Loader(yaml.CSafeLoader):
    """Safe, and with the words of YAML 1.2: `no`, 18:00 and 2026-04-06 are text.

    libyaml's: PyYAML's own parser takes a tenth of a second for the policy, and each task of a flow run reads it.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's declaration


for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?[0-9]+\.[0-9]+", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), _first)


def parse(text: str) -> Document:
    """The document in `text`. Raises `NotStrictYaml` for malformed YAML, aliases, tags, and keys given twice."""
    loader = _Loader(text)
    try:
        _refuse_aliases(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, {(): Mark(1, 1)})
        placed = list(_places(node, ()))
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise NotStrictYaml([_as_problem(error)]) from None
    finally:
        loader.dispose()
    marks: dict[Path, Mark] = {}
    twice: list[Problem] = []
    for path, mark in placed:
        if path in marks:
            where = f"{mark}, {'.'.join(map(str, path))}"
            twice.append(Problem(where, f"said before, in line {marks[path].line}", "keep one of the two"))
        marks.setdefault(path, mark)
    if twice:
        raise NotStrictYaml(twice)
    return Document(value, marks)


def _refuse_aliases(text: str) -> None:
    for event in yaml.parse(text, Loader=_Loader) if "*" in text else ():
        if isinstance(event, yaml.AliasEvent):
            mark: Any = event.start_mark  # libyaml's class, which has the same fields
            raise yaml.MarkedYAMLError(problem="an alias stands here", problem_mark=mark, note="write the value out")


def _places(node: yaml.Node, path: Path) -> Iterator[tuple[Path, Mark]]:
    yield path, _mark(node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _at(_mark(key), _places(value, (*path, str(key.value))))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _places(item, (*path, number))


def _at(mark: Mark, places: Iterator[tuple[Path, Mark]]) -> Iterator[tuple[Path, Mark]]:
    """The same places, the first of them where its key begins."""
    path, _ = next(places)
    yield path, mark
    yield from places


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _as_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = str(Mark(mark.line + 1, mark.column + 1)) if mark else "the file"
    return Problem(where, error.problem or "not YAML", error.note or "correct the YAML there; mind the indentation")
