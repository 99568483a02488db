"""Pydantic's errors in words for the person who can put them right."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from data_contracts.fields import in_words
from data_contracts.problems import Problem
from domain.words import nearest


def problems_of(
    error: ValidationError, model: type[BaseModel], columns: Mapping[str, str] | None = None
) -> list[Problem]:
    """Every problem, in the order of the fields. `columns` renames dotted paths to the columns they were read from."""
    return [_problem(detail, model, columns or {}) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, model: type[BaseModel], columns: Mapping[str, str]) -> Problem:
    path = ".".join(str(part) for part in detail["loc"])
    fields = list(_fields(model, detail["loc"]))
    fix = f"send {fields[-1].description}" if fields else ""
    problem = detail["msg"]
    if detail["type"] == "missing":
        problem = "is missing"
        fix += _misspelt(str(detail["loc"][-1]), detail["input"], model if len(fields) < 2 else _model(fields[-2]))
    elif detail["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        problem = f"is {in_words(detail['input'])}, not an object"
    elif detail["type"] == "contract":
        problem, fix = detail["ctx"]["problem"], detail["ctx"]["fix"] or fix
    return Problem(path=columns.get(path, path), problem=problem, fix=fix)


def _fields(model: type[BaseModel] | None, loc: tuple[int | str, ...]) -> Iterator[FieldInfo]:
    for part in loc:
        field = model.model_fields.get(str(part)) if model else None
        if field is None:
            return
        yield field
        model = _model(field)


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _misspelt(missing: str, given: Any, model: type[BaseModel] | None) -> str:
    """A hint when the object has an unknown key that looks like the missing one."""
    if not isinstance(given, Mapping) or model is None:
        return ""
    unknown = [str(key) for key in given if key not in model.model_fields]
    written = nearest(missing, unknown)
    return f' (was it sent as "{written}"?)' if written else ""
