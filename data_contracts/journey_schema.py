"""The JSON Schema of a journey's file, for editors: they complete its keys and say what each means."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from domain.journeys import Journey

SCHEMA_URI = "https://json-schema.org/draft/2020-12/schema"

_MEANING: Mapping[str, Mapping[str, str]] = {
    "Journey": {
        "name": "As the file is called, without .yaml.",
        "version": "Begin with 1; raise it by one with each change. Who began a version finishes it.",
        "about": "For whom and what, in English; colleagues read it.",
        "purpose": "The consent that the proactive steps rest on.",
        "enters": "Who enters, and how often.",
        "steps": "In the order in which they follow each other, unless `then` or `branch` say otherwise.",
        "goal": "What the journey is for. Whoever reaches it leaves at once, in mid-delay as well.",
        "at_goal": "The id of the step that is done when the goal is reached.",
        "exits": "Whoever does one of these leaves at once, and hears nothing more from this journey.",
        "window": "The hours for customers who stated none, on their own clock.",
        "links": "What the messages point to: {{ links.NAME }} in their words.",
    },
    "Entry": {
        "on": "The event that lets a customer in.",
        "named": "Only if the event has this name; left out, whatever its name.",
        "first_only": "Only the first such event of a customer's life: no second device, no replay.",
        "again_after_days": "With first_only: false, days since they last left; left out, never again.",
        "when": "Who enters; left out, everybody.",
    },
    "Step": {
        "id": "Lower-case letters, digits and hyphens. Kept for ever: keys and reports name it.",
        "after": "How long it waits; left out, it follows the step before at once.",
        "message": "The words: a directory in templates/messages.",
        "ask": "What a colleague is asked to do, in English. It becomes a task in the CRM.",
        "branch": "Parts the ways when the wait is over: the first whose condition holds is taken.",
        "by": "The channels, the best first. A customer's preferred channel comes first if it is among them.",
        "basis": "service: they asked for it by what they did. proactive: we write of our own accord, with consent.",
        "confidentiality": "How much the message tells; a channel of the policy carries so much at most.",
        "when": "Who gets it; for everybody else it is skipped.",
        "skip_when": "Skipped when this holds: the customer has done it already.",
        "sooner_on": "This event ends the wait at once.",
        "pointless_after_hours": "Hours since it was due after which it is skipped instead.",
        "then": "The id of the step that follows, or end; left out, the next in the file.",
    },
    "After": {
        "of": "What is counted from: entry, previous (when the step before was over), or ending (of what they have).",
        "days": "Days of the customer's own calendar. Below 0 only with of: ending.",
        "hours": "Hours of the clock.",
        "minutes": "Minutes of the clock.",
        "at": "A time on the customer's clock, on the day the wait ends: 10:00.",
    },
    "Branch": {"to": "The id of a step, or end.", "when": "Of whom; left out, of everybody who is left."},
    "Seen": {
        "event": "What they did, or what became of a message.",
        "named": "Which: a feature, a goal, or a message as journey/step. Left out, whatever its name.",
        "times": "At least so often.",
        "within_days": "The last time no longer ago than this.",
    },
    "Condition": {
        "seen": "They have done this.",
        "tier": "Their tier is one of these.",
        "language": "Their language is one of these.",
        "all": "Each of these holds.",
        "any": "At least one of these holds.",
        "none": "None of these holds.",
    },
    "ContactWindow": {"starts": "From this time on: 09:00.", "ends": "Until this time: 19:00."},
}

_TIME_OF_DAY = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"}


def journey_schema() -> dict[str, Any]:
    """The schema (draft 2020-12); what it refuses, `read_journey` refuses."""
    made = TypeAdapter(Journey).json_schema()
    definitions = {name: _explained(name, body) for name, body in made.pop("$defs").items()}
    return {"$schema": SCHEMA_URI, "$id": "journey.schema.json", **_explained("Journey", made), "$defs": definitions}


def schema_text() -> str:
    """The schema as templates/journeys/journey.schema.json holds it."""
    return json.dumps(journey_schema(), indent=2, ensure_ascii=False) + "\n"


def _explained(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One definition, closed against keys it does not have, each key with its meaning."""
    body = {key: value for key, value in body.items() if key != "title"}
    if "properties" not in body:
        return body
    properties = {
        key: {"description": _MEANING[name][key], **_plain(value)} for key, value in body["properties"].items()
    }
    return {**body, "properties": properties, "additionalProperties": False}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """A key's own schema as an editor shows it best: without null for what may be left out."""
    kept = {key: part for key, part in value.items() if key not in {"title", "default", "anyOf"}}
    for one in value.get("anyOf", ()):
        kept |= {} if one == {"type": "null"} else one
    if value.get("default") not in (None, []):
        kept["default"] = value["default"]
    if kept.pop("format", None) == "time":
        kept |= _TIME_OF_DAY
    return kept
