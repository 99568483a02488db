"""YAML for configuration, read without surprises, and where in the file each value stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from data_contracts.problems import Problem

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, and the line (1 is the first) of each key and item by path."""

    value: Any
    lines: Mapping[Path, int]

    def place(self, path: Sequence[str | int]) -> str:
        """Where `path` is, for an error: "line 12, survey.priority". What is missing is looked for at its parent."""
        known = next(tuple(path[:size]) for size in range(len(path), -1, -1) if tuple(path[:size]) in self.lines)
        return f"line {self.lines[known]}, {'.'.join(map(str, path))}".rstrip(", ")


class NotStrictYaml(ValueError):
    """The text is no YAML, or says one thing twice. `problems` has them all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """Safe, and with the words of YAML 1.2: `no` is text, 18:00 is text, 2026-04-06 is text, there are no aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}  # noqa: RUF012 - PyYAML's own declaration

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # type: ignore[no-untyped-call]
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias; write the value out", event.start_mark)
        return super().compose_node(parent, index)


def _resolve(tag: str, pattern: str, first: str) -> None:
    import re

    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))
