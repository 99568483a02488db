"""The policy file: YAML in, a consistent `Policy` out, or every problem with its line."""

import dataclasses
from collections.abc import Collection
from enum import Enum
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from data_contracts import strict_yaml
from data_contracts.problems import Problem
from data_contracts.strict_yaml import Document, NotStrictYaml, Path
from domain.policy import Policy
from domain.words import did_you_mean, nearest, one_of


class PolicyProblem(ValueError):
    """The policy cannot be used. Its text lists every problem, each with its line."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        super().__init__("\n  ".join([f"{source} cannot be used:", *map(str, problems)]))
        self.source = source
        self.problems = problems


class _File(BaseModel):
    """Gives the domain's plain dataclasses, which know nothing of pydantic, their strictness about extra keys."""

    model_config = ConfigDict(extra="forbid")

    policy: Policy


def load_policy(text: str, source: str) -> Policy:
    """The policy in `text`; `source` names the file in errors.

    Raises `PolicyProblem` with every problem found: first those of the YAML, then those of single keys, and once each
    key is right by itself, those that lie between keys.
    """
    try:
        document = strict_yaml.parse(text)
        return _File.model_validate({"policy": document.value}).policy
    except NotStrictYaml as error:
        raise PolicyProblem(source, error.problems) from None
    except ValidationError as error:
        details = error.errors(include_url=False)
        misspelt = {_meant(detail) for detail in details}
        problems = [
            _problem(detail, document)
            for detail in details
            if detail["type"] != "missing" or detail["loc"][1:] not in misspelt
        ]
        raise PolicyProblem(source, problems) from None


_IN_WORDS = {
    "missing": ("is missing", "add it"),
    "dataclass_type": ("is not a group of keys", "indent its keys below it"),
    "mapping_type": ("is not a group of keys", "indent its keys below it"),
    "dict_type": ("is not a group of keys", "indent its keys below it"),
    "tuple_type": ("is not a list", 'write it as ["…", "…"]'),
    "frozen_set_type": ("is not a list", 'write it as ["…", "…"]'),
    "string_type": ("is not text", "put it in quotes"),
    "int_parsing": ("is not a whole number", "write digits only"),
    "int_type": ("is not a whole number", "write digits only"),
    "int_from_float": ("is not a whole number", "write digits only"),
    "float_parsing": ("is not a number", "write digits only"),
    "time_parsing": ("is not a time of day", "write it as 08:00; the end of a day is 00:00"),
    "date_from_datetime_parsing": ("is not a date", "write it as 2026-12-31"),
}


def _problem(detail: ErrorDetails, document: Document) -> Problem:
    kind, path = detail["type"], detail["loc"][1:]
    if kind == "unexpected_keyword_argument":
        return _no_such_key(document, path, _keys(path[:-1]))
    if path and path[-1] == "[key]":
        return _no_such_key(document, path[:-1], _keys(path[:-2]))
    if kind == "enum":
        valid = [str(word.value) for word in _type_at(path)]
        given = str(detail["input"])
        return Problem(document.place(path), f'is "{given}"{did_you_mean(given, valid)}', f"write {one_of(valid)}")
    if kind == "value_error":
        return Problem(document.place(path), str(detail["ctx"]["error"]), "")
    problem, fix = _IN_WORDS.get(kind, (detail["msg"], ""))
    return Problem(document.place(path), problem, fix)


def _meant(detail: ErrorDetails) -> Path | None:
    """The path an unknown key was meant to be: that one is not missing as well."""
    *above, key = detail["loc"][1:] or ("",)
    meant = nearest(str(key), _keys(tuple(above))) if detail["type"] == "unexpected_keyword_argument" else None
    return (*above, meant) if meant else None


def _no_such_key(document: Document, path: Path, valid: Collection[str]) -> Problem:
    fix = f"keys here are {', '.join(valid)}" if valid else "take it out"
    return Problem(document.place(path), f"no such key{did_you_mean(str(path[-1]), valid)}", fix)


def _keys(path: Path) -> list[str]:
    """The keys there may be at `path`."""
    kind = _type_at(path)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind) if field.init]
    first = next(iter(get_args(kind)), None)
    return [str(word.value) for word in first] if isinstance(first, type) and issubclass(first, Enum) else []


def _type_at(path: Path) -> Any:
    """The declared type of what stands at `path`: a field's, a mapping's values', a list's items'."""
    kind: Any = Policy
    for part in path:
        if dataclasses.is_dataclass(kind):
            kind = get_type_hints(kind)[str(part)]
        else:
            inner = [argument for argument in get_args(kind) if argument is not Ellipsis]
            kind = inner[-1]
    return kind
