"""What a step's action carries: the same for every customer who gets that step by the same words."""

from collections.abc import Iterable, Mapping
from datetime import time
from functools import lru_cache
from typing import Any

from domain.calls import WORDINGS
from domain.hours import ContactWindow
from domain.journeys import Journey, Step
from domain.planning import Payload

STEP_SCHEMA = "journey-step/1"

_WINDOW = "window"


def step_payload(journey: Journey, step: Step, wordings: Mapping[str, str]) -> Payload:
    """What a step says; `wordings` is the hash of its approved words by language, none for what a colleague is asked.

    As of a call about an ending, which of them is used follows from the customer's language when it is sent, and who
    they are is added then: so the payload, and its hash, is made once for all.
    """
    params: dict[str, Any] = {
        "journey": journey.name,
        "version": journey.version,
        "step": step.id,
        "purpose": journey.purpose.value,
        "confidentiality": step.confidentiality.value,
        "links": dict(journey.links),
    }
    if step.ask is not None:
        params["ask"] = step.ask
    else:
        params[WORDINGS] = dict(wordings)
    if journey.window is not None:
        params[_WINDOW] = [f"{journey.window.starts:%H:%M}", f"{journey.window.ends:%H:%M}"]
    return Payload(STEP_SCHEMA, params, step.message)


def step_wordings(approved: Mapping[tuple[str, str], str], step: Step, languages: Iterable[str]) -> dict[str, str]:
    """Of the approved wordings, by (template, language), those of a step, by language."""
    if step.message is None:
        return {}
    return {
        language: approved[step.message, language] for language in languages if (step.message, language) in approved
    }


def window_of(params: Mapping[str, Any]) -> ContactWindow | None:
    """The journey's hours, for customers who stated none. Raises ValueError for what no step has written."""
    hours = params.get(_WINDOW)
    return None if hours is None else _window(*hours)


@lru_cache(maxsize=64)
def _window(starts: str, ends: str) -> ContactWindow:
    return ContactWindow(time.fromisoformat(starts), time.fromisoformat(ends))
