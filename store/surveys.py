"""Survey responses: each customer's answer once per (source, response)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from domain.surveys import Judgement, SurveyAnswer, SurveyKind
from store.once import insert_once
from store.tables import metadata

survey_responses: Table = metadata.tables["survey_responses"]

_SAVE = insert_once(survey_responses, "source", "response_id").returning(survey_responses.c.id)
_CONCLUDE = (
    update(survey_responses)
    .where(survey_responses.c.id == bindparam("row_id"))
    .values(outcome=bindparam("outcome"), case_id=bindparam("case_id"))
)
_OF_CUSTOMER = (
    select(survey_responses)
    .where(survey_responses.c.customer_id == bindparam("customer_id"))
    .order_by(survey_responses.c.received_at.desc(), survey_responses.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with our ids and what was made of it."""

    id: int
    customer_id: int
    case_id: int | None
    distress: str | None
    answer: SurveyAnswer


def save(
    connection: Connection, answer: SurveyAnswer, customer_id: int, judgement: Judgement, distress: str | None
) -> tuple[int, bool]:
    """Insert an answer; its id, and False when it was there already (then nothing is changed)."""
    row = {
        "source": answer.source,
        "response_id": answer.response_id,
        "customer_id": customer_id,
        "kind": answer.kind,
        "score": answer.score,
        "comment": answer.comment,
        "language": answer.language,
        "answered_at": answer.answered_at,
        "received_at": answer.received_at,
        "sentiment": judgement.sentiment,
        "is_critical": judgement.is_critical,
        "distress": distress,
        "outcome": "recorded",
    }
    made = connection.execute(_SAVE, row).scalar()
    if made is not None:
        return made, True
    known = connection.execute(
        select(survey_responses.c.id).where(
            survey_responses.c.source == answer.source, survey_responses.c.response_id == answer.response_id
        )
    ).scalar_one()
    return known, False


def conclude(connection: Connection, response_id: int, outcome: str, *, case_id: int | None) -> None:
    """Write down what was done about an answer, in words."""
    connection.execute(_CONCLUDE, {"row_id": response_id, "outcome": outcome, "case_id": case_id})


def revise(
    connection: Connection, response_id: int, answer: SurveyAnswer, judgement: Judgement, distress: str | None
) -> bool:
    """The same answer came again with other content: keep the newer words and score. True when something changed."""
    changed = connection.execute(
        update(survey_responses)
        .where(
            survey_responses.c.id == response_id,
            (survey_responses.c.score != answer.score) | (survey_responses.c.comment.is_distinct_from(answer.comment)),
        )
        .values(
            score=answer.score,
            comment=answer.comment,
            sentiment=judgement.sentiment,
            is_critical=judgement.is_critical,
            distress=distress,
        )
    )
    return changed.rowcount == 1


def stored(connection: Connection, response_id: int) -> StoredAnswer:
    """An answer by our id."""
    return _stored(connection.execute(select(survey_responses).where(survey_responses.c.id == response_id)).one())


def of_customer(connection: Connection, customer_id: int, *, limit: int = 50) -> list[StoredAnswer]:
    """A customer's answers, newest first."""
    rows = connection.execute(_OF_CUSTOMER, {"customer_id": customer_id, "most": limit})
    return [_stored(row) for row in rows]


def _stored(row: Row[tuple[object, ...]]) -> StoredAnswer:
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
    return [_stored(row) for row in rows]
