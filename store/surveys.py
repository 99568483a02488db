"""Survey responses: each customer's answer once per (source, response)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from domain.surveys import Judgement, SurveyAnswer, SurveyKind
from store.ledger.rows import customers
from store.once import insert_listed, insert_once, insert_rows
from store.tables import metadata
from store.types import among

survey_responses: Table = metadata.tables["survey_responses"]

_SAVE = insert_once(survey_responses, "source", "response_id").returning(
    survey_responses.c.id, survey_responses.c.source, survey_responses.c.response_id
)
_SAVE_LISTED = insert_listed(
    *(survey_responses, "source", "response_id"),
    columns=(
        *("source", "response_id", "customer_id", "kind", "score", "comment", "language", "answered_at"),
        *("received_at", "sentiment", "is_critical", "distress", "outcome"),
    ),
    returning=("id", "source", "response_id"),
)
_STANDING = (
    select(
        survey_responses.c.id,
        survey_responses.c.source,
        survey_responses.c.response_id,
        survey_responses.c.case_id,
        survey_responses.c.comment,
        customers.c.ref,
    )
    .join(customers, customers.c.id == survey_responses.c.customer_id)
    .where(  # not pairs: SQLite looks through the whole table for them
        among(survey_responses.c.source, "sources"),
        among(survey_responses.c.response_id, "responses"),
    )
)
_CONCLUDE = (
    update(survey_responses)
    .where(survey_responses.c.id == bindparam("row_id"))
    .values(outcome=bindparam("outcome"), case_id=bindparam("case_id"))
)


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer to be stored: whose it is, and what it means."""

    answer: SurveyAnswer
    customer_id: int
    judgement: Judgement
    distress: str | None


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """What is there of an answer that comes again: our id, its case, and whose it is."""

    id: int
    case_id: int | None
    customer_ref: str
    words: str | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with our ids and what was made of it."""

    id: int
    customer_id: int
    case_id: int | None
    distress: str | None
    answer: SurveyAnswer


def save(connection: Connection, answers: Sequence[NewAnswer]) -> dict[tuple[str, str], int]:
    """Insert answers; the ids of those that were not there yet, by (source, response). The others stay as they are."""
    rows = [_row(new) for new in answers]
    if not rows:
        return {}
    return {(row.source, row.response_id): row.id for row in insert_rows(connection, _SAVE, _SAVE_LISTED, rows)}


def standing(connection: Connection, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StandingAnswer]:
    """Those of the wanted (source, response) that are there, with the ref of the customer who gave each."""
    asked = {"sources": sorted({one for one, _ in wanted}), "responses": sorted({one for _, one in wanted})}
    found = {(row.source, row.response_id): row for row in connection.execute(_STANDING, asked)}
    return {
        one: StandingAnswer(found[one].id, found[one].case_id, found[one].ref, found[one].comment)
        for one in wanted
        if one in found
    }


def conclude(connection: Connection, outcomes: Sequence[tuple[int, str, int | None]]) -> None:
    """Write down what was done about answers: each one's id, the outcome in words, and its case."""
    told = [{"row_id": row_id, "outcome": outcome, "case_id": case_id} for row_id, outcome, case_id in outcomes]
    if told:
        connection.execute(_CONCLUDE, told)


def revise(
    connection: Connection, response_id: int, answer: SurveyAnswer, judgement: Judgement, distress: str | None
) -> bool:
    """The same answer came again with other content: keep the newer words and score. True when something changed.

    No words are no news: deliveries overtake one another, and the score comes first where the words come later.
    """
    words = {} if answer.comment is None else {"comment": answer.comment, "distress": distress}
    said_otherwise = survey_responses.c.score != answer.score
    if words:
        said_otherwise |= survey_responses.c.comment.is_distinct_from(answer.comment)
    changed = connection.execute(
        update(survey_responses)
        .where(survey_responses.c.id == response_id, said_otherwise)
        .values(
            score=answer.score,
            sentiment=judgement.sentiment,
            is_critical=judgement.is_critical,
            **words,
        )
    )
    return changed.rowcount == 1


def stored(connection: Connection, response_id: int) -> StoredAnswer:
    """An answer by our id."""
    return as_stored(connection.execute(select(survey_responses).where(survey_responses.c.id == response_id)).one())


def _row(new: NewAnswer) -> dict[str, object]:
    answer = new.answer
    return {
        "source": answer.source,
        "response_id": answer.response_id,
        "customer_id": new.customer_id,
        "kind": answer.kind,
        "score": answer.score,
        "comment": answer.comment,
        "language": answer.language,
        "answered_at": answer.answered_at,
        "received_at": answer.received_at,
        "sentiment": new.judgement.sentiment,
        "is_critical": new.judgement.is_critical,
        "distress": new.distress,
        "outcome": "recorded",
    }


def as_stored(row: Row[tuple[object, ...]]) -> StoredAnswer:
    """The row as an answer."""
    return StoredAnswer(
        id=row.id,
        customer_id=row.customer_id,
        case_id=row.case_id,
        distress=row.distress,
        answer=SurveyAnswer(
            source=row.source,
            response_id=row.response_id,
            kind=SurveyKind(row.kind),
            score=row.score,
            comment=row.comment,
            language=row.language,
            answered_at=row.answered_at,
            received_at=row.received_at,
        ),
    )


def received_since(connection: Connection, since: datetime) -> list[StoredAnswer]:
    """Answers that opened or joined a case since `since`, oldest first."""
    rows = connection.execute(
        select(survey_responses)
        .where(survey_responses.c.received_at >= since, survey_responses.c.case_id.is_not(None))
        .order_by(survey_responses.c.received_at)
    )
    return [as_stored(row) for row in rows]


def of_case(connection: Connection, case_id: int) -> list[StoredAnswer]:
    """The answers of a case, oldest first."""
    rows = connection.execute(
        select(survey_responses).where(survey_responses.c.case_id == case_id).order_by(survey_responses.c.id)
    )
    return [as_stored(row) for row in rows]
