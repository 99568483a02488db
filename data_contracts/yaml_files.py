"""Files that people write: YAML in, one of the domain's dataclasses out, or every problem with its place."""

import dataclasses
from collections.abc import Collection, Hashable
from enum import Enum
from functools import cache
from types import GenericAlias, NoneType, UnionType
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from data_contracts import strict_yaml
from data_contracts.problems import Problem
from data_contracts.strict_yaml import Document, NotStrictYaml, Path
from domain.words import did_you_mean, nearest, one_of

Value = TypeVar("Value")


class FileProblem(ValueError):
    """A file cannot be used. Its text lists every problem, each with its line and column."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        super().__init__("\n  ".join([f"{source} cannot be used:", *map(str, problems)]))
        self.source = source
        self.problems = problems


@dataclasses.dataclass(frozen=True, slots=True)
class Read(Generic[Value]):
    """What a file says, and where it says it."""

    value: Value
    document: Document


def read(text: str, kind: type[Value], source: str, problem: type[FileProblem]) -> Read[Value]:
    """The `kind` that `text` describes, key by field; `source` names the file in errors.

    Raises `problem` with everything that is wrong: first what is no YAML, then single keys, and once each key is right
    by itself, what the dataclasses say of several together.
    """
    try:
        document = strict_yaml.parse(text)
        return Read(validate(document.value, kind), document)
    except NotStrictYaml as error:
        raise problem(source, error.problems) from None
    except ValidationError as error:
        details = error.errors(include_url=False)
        misspelt = {_meant(kind, detail) for detail in details}
        problems = [
            _problem(kind, detail, document)
            for detail in details
            if detail["type"] != "missing" or detail["loc"][1:] not in misspelt
        ]
        raise problem(source, problems) from None


def validate(value: Any, kind: type[Value]) -> Value:
    """The `kind` that a parsed document describes. Raises pydantic's ValidationError."""
    found: Value = _adapter(cast(Hashable, kind)).validate_python((value,))[0]
    return found


@cache
def _adapter(kind: Hashable) -> TypeAdapter[tuple[Any]]:
    """The tuple gives the domain's plain dataclasses, which know nothing of pydantic, a strictness about extra keys."""
    wrapped: Any = GenericAlias(tuple, (kind,))
    return TypeAdapter(wrapped, config=ConfigDict(extra="forbid"))


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
    "bool_parsing": ("is not true or false", "write true or false"),
    "bool_type": ("is not true or false", "write true or false"),
    "float_parsing": ("is not a number", "write digits only"),
    "time_parsing": ("is not a time of day", "write it as 08:00; the end of a day is 00:00"),
    "date_from_datetime_parsing": ("is not a date", "write it as 2026-12-31"),
}


_GROUPS = {"dataclass_type", "mapping_type", "dict_type"}


def _problem(root: type, detail: ErrorDetails, document: Document) -> Problem:
    kind, path = detail["type"], detail["loc"][1:]
    if kind == "unexpected_keyword_argument":
        return _no_such_key(document, path, _keys(root, path[:-1]))
    if path and path[-1] == "[key]":
        return _no_such_key(document, path[:-1], _keys(root, path[:-2]))
    if kind == "enum":
        valid = [str(word.value) for word in _type_at(root, path)]
        given = str(detail["input"])
        return Problem(document.place(path), f'is "{given}"{did_you_mean(given, valid)}', f"write {one_of(valid)}")
    if kind == "value_error":
        return Problem(document.place(path), str(detail["ctx"]["error"]), "")
    problem, fix = _IN_WORDS.get(kind, (detail["msg"], ""))
    if detail["input"] is None and kind in _GROUPS:
        problem, fix = "is empty", fix if path else "write its keys, as those of the shipped file"
    return Problem(document.place(path), problem, fix)


def _meant(root: type, detail: ErrorDetails) -> Path | None:
    """The path an unknown key was meant to be: that one is not missing as well."""
    *above, key = detail["loc"][1:] or ("",)
    meant = nearest(str(key), _keys(root, tuple(above))) if detail["type"] == "unexpected_keyword_argument" else None
    return (*above, meant) if meant else None


def _no_such_key(document: Document, path: Path, valid: Collection[str]) -> Problem:
    fix = f"keys here are {', '.join(valid)}" if valid else "take it out"
    return Problem(document.place(path), f"no such key{did_you_mean(str(path[-1]), valid)}", fix)


def _keys(root: type, path: Path) -> list[str]:
    """The keys there may be at `path`."""
    kind = _type_at(root, path)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind) if field.init]
    first = next(iter(get_args(kind)), None)
    return [str(word.value) for word in first] if isinstance(first, type) and issubclass(first, Enum) else []


def _type_at(root: type, path: Path) -> Any:
    """The declared type of what stands at `path`: a field's, a mapping's values', a list's items'."""
    kind: Any = root
    for part in path:
        if dataclasses.is_dataclass(kind):
            kind = get_type_hints(kind)[str(part)]
        else:
            kind = [argument for argument in get_args(kind) if argument is not Ellipsis][-1]
        kind = next((one for one in get_args(kind) if is_optional(kind) and one is not NoneType), kind)
    return kind


def is_optional(kind: Any) -> bool:
    """True for `X | None`."""
    return get_origin(kind) is UnionType and NoneType in get_args(kind)
