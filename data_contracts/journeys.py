"""Journeys as people write them: YAML in, `domain.journeys.Journey` out, or every problem with its line and column."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from data_contracts.strict_yaml import Document
from data_contracts.yaml_files import FileProblem, read, validate
from domain.journeys import Journey


class JourneyProblem(FileProblem):
    """A journey cannot be used. Its text lists every problem, each with its line and column."""


@dataclass(frozen=True, slots=True)
class JourneyFile:
    """One version of a journey as its file says it."""

    source: str  # the file, as errors name it
    journey: Journey
    document: Document

    @property
    def content(self) -> dict[str, Any]:
        """What is published: the file without its comments, as JSON."""
        return dict(self.document.value)

    @property
    def hash(self) -> str:
        """The content's name: SHA-256, hex, of its canonical JSON (RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self.content)).hexdigest()


def read_journey(text: str, source: str) -> JourneyFile:
    """The journey in `text`; `source` names the file in errors. Raises `JourneyProblem`.

    What can only be told with the wordings and the policy at hand is told by `templates.journey_checks`.
    """
    found = read(text, Journey, source, JourneyProblem)
    return JourneyFile(source, found.value, found.document)


def stored_journey(content: Mapping[str, Any]) -> Journey:
    """The journey whose `JourneyFile.content` was kept. Raises pydantic's ValidationError for anything else."""
    return validate(dict(content), Journey)
