"""Vendors' published OpenAPI documents, where they are at hand: what we send, and what we recorded, held to them."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

SPECS = Path(os.environ.get("HANDRAIL_TEST_SPECS") or Path(__file__).parents[3] / "shared" / "specs")


def hold(document: str, place: str, value: Any) -> None:
    """Fails when `value` is not what `place` (a path in the document, parts apart by spaces) says. Skips without it."""
    path = SPECS / document
    if not path.exists():
        pytest.skip(f"the vendor's published document is not at hand: {document} (HANDRAIL_TEST_SPECS)")
    whole = json.loads(path.read_text(encoding="utf-8"))
    schema = whole
    for part in place.split():
        schema = schema[part]
    jsonschema.validate(value, {**_nullable(schema), "components": _nullable(whole.get("components", {}))})


def _nullable(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says a second type. What is in another document is let be."""
    if isinstance(schema, list):
        return [_nullable(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if not str(schema.get("$ref", "#")).startswith("#"):
        return {}
    said = {name: _nullable(inner) for name, inner in schema.items()}
    if said.get("nullable") is True and isinstance(said.get("type"), str):
        said["type"] = [said["type"], "null"]
    return said
