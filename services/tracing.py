"""The story of one subject: what came in, what was planned, every move and why, and where to look further."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from domain.actions import FINAL, Capability, Kind, State
from domain.currencies import written
from domain.instants import iso
from domain.reviews import Stand
from domain.words import all_near
from integrations.operations import operation_of
from services.journey_standing import as_told
from services.places import Places
from services.reporting import case, summary
from store import journey_stories, messages, overview, review_pages
from store.database import Database
from store.wordings import content
from templates.library import Template, TemplateProblem
from templates.renderer import render

SUBJECTS = "a customer's or an entitlement's ref, an answer's id, a case such as c-1042-1, or an action's key"
"""What may be asked for."""

_MOST = 200
"""Actions of one story, the newest: more is not read by anybody."""

_CANDIDATES = 500
"""Known subjects that are compared with one nobody knows."""

_OVER = FINAL - {State.DONE}
"""Nothing more will happen, and nobody says that it did."""


def trace(database: Database, subject: str, places: Places) -> dict[str, Any] | None:
    """The story of a subject, in order. None: nobody knows it."""
    with database.read() as connection:
        rows = overview.about(connection, subject, limit=_MOST + 1)
        left_out, rows = len(rows) > _MOST, rows[-_MOST:]
        answers = overview.answers_about(connection, subject, rows)
        ending = overview.endings_about(connection, subject, rows)
        people = overview.people_about(connection, subject, rows, [*answers, *ending])
        opened = overview.cases_about(connection, rows, answers)
        wrote = messages.about(connection, subject, [row.id for row in opened], limit=_MOST)
        if not (rows or answers or people or wrote or ending):
            return None
        by_id = {row.id: row for row in people}
        moves: dict[int, list[Any]] = {row.id: [] for row in rows}
        for move in overview.moves(connection, list(moves)):
            moves[move.action_id].append(move)
        wordings = _wordings(connection, rows)
        asked = review_pages.standings(connection, {row.review_id for row in rows if row.review_id is not None})
        travelled = journey_stories.of_customers(connection, [row.id for row in people])
    return {
        "subject": subject,
        "customers": [_person(row) for row in people],
        "answers": [_answer(row) for row in answers],
        "messages": [_written(row) for row in wrote],
        "endings": [_ending(row, rows) for row in ending],
        "journeys": [as_told(one, by_id) for one in travelled],
        "cases": [case(row) for row in opened],
        "actions": [_action(row, moves[row.id], wordings, asked.get(row.review_id), places) for row in rows],
        "older_left_out": left_out,
    }


def nearest_known(database: Database, subject: str) -> list[str]:
    """The subjects most like one that nobody knows, the nearest first."""
    with database.read() as connection:
        return all_near(subject, overview.subjects_like(connection, subject, limit=_CANDIDATES))


def _person(row: Any) -> dict[str, Any]:
    return {
        "ref": row.ref,
        "tier": row.tier,
        "language": row.language,
        "agent": row.dedicated_agent,
        "no_automatic_contact": row.tact_lock,
        "erased": row.erased_at is not None,
    }


def _answer(row: Any) -> dict[str, Any]:
    return {
        "response": f"{row.source}/{row.response_id}",
        "customer": row.ref,
        "survey": row.kind,
        "score": row.score,
        "words": row.comment,
        "distress": row.distress,
        "answered_at": iso(row.answered_at),
        "received_at": iso(row.received_at),
        "outcome": row.outcome,
    }


def _written(row: Any) -> dict[str, Any]:
    return {
        "message": f"{row.source}/{row.message_id}",
        "customer": row.ref,
        "topic": row.topic,
        "words": row.words,
        "distress": row.distress,
        "received_at": iso(row.received_at),
        "outcome": row.outcome,
    }


def _ending(row: Any, action_rows: Sequence[Any]) -> dict[str, Any]:
    """What ends, as it stands, and the keys of what was planned about it."""
    return {
        "entitlement": row.ref,
        "customer": row.customer_ref,
        "kind": row.kind,
        "product": row.product,
        "state": row.state,
        "ends_on": row.ends_on.isoformat(),
        "renewed_from": row.renewed_from and row.renewed_from.isoformat(),
        "renews_by_itself": row.auto_renews,
        "worth": None if row.value_minor is None else written(row.value_minor, row.currency),
        "gate": row.gate_id,
        "actions": [action.key for action in action_rows if action.entitlement_id == row.id],
    }


def _action(
    row: Any, moves: list[Any], wordings: Mapping[str, Template], asked: Any | None, places: Places
) -> dict[str, Any]:
    capability = Capability(row.capability)
    configured = places.serves(capability, row.integration)
    lost = None
    if configured is not None:
        lost = configured.write_class(operation_of(Kind(row.kind), capability)).words
    return {
        **summary(row),
        "in_words": State(row.state).words,
        "integration": row.integration,
        "if_an_answer_is_lost": lost,
        "review": None if asked is None else _review(asked),
        "vendor_id": row.external_id,
        "vendor_page": places.page_of(row),
        "message": _message(row, capability, wordings),
        "never_sent": row.state in _OVER and row.attempts == 0,
        "moves": [
            {
                "at": iso(move.at),
                "from": move.before,
                "to": move.after,
                "in_words": " → ".join(State(at).words for at in (move.before, move.after) if at),
                "why": move.reason,
                "by": move.by,
                "run": places.run(move.by),
            }
            for move in moves
        ],
    }


def _review(row: Any) -> dict[str, Any]:
    """The review that an action waits for, or waited for: who decided it, and when."""
    stand = Stand(row.state)
    if stand in {Stand.COLLECTING, Stand.OPEN}:
        words = f"waits for review {row.id}"
    elif row.decided_by is None:
        words = f"waited for review {row.id}: {stand}"
    else:
        words = f"waited for review {row.id}: {stand} by {row.decided_by}"
    return {
        "review": row.id,
        "state": stand.value,
        "in_words": words + (f" ({row.reason})" if row.reason else ""),
        "decided_by": row.decided_by,
        "decided_at": iso(row.decided_at),
    }


def _wordings(connection: Connection, rows: Sequence[Any]) -> dict[str, Template]:
    hashes = {row.payload.get("template_hash") for row in rows} - {None}
    found = {wanted: content(connection, wanted) for wanted in hashes}
    return {wanted: Template.from_content(it) for wanted, it in found.items() if it is not None}


def _message(row: Any, capability: Capability, wordings: Mapping[str, Template]) -> dict[str, Any] | None:
    """The words as they are sent, rendered as sending renders them; None where there are none, or no more."""
    template = wordings.get(row.payload.get("template_hash") or "")
    if template is None:
        return None
    try:
        words = render(template, capability, row.payload["params"])
    except TemplateProblem:  # blanked by an erasure, say
        return None
    return {
        "template": template.name,
        "language": template.language,
        "subject": words.subject,
        "text": words.text,
    }
