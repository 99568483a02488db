"""Something kept in quarantine, taken into the books as if it had only now come in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts.events import StandardEvent
from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from domain.actions import Capability
from integrations.ports import Announced, Noted, SurveyIntake
from services import events
from services.import_files import read_row
from services.imports import SURVEYS, Fate, Taken, from_layout, take_survey
from services.intake import NO_CUSTOMER
from services.replaying_rows import batch_row
from services.surveys import Given, UnknownCustomer, accept_answer, judge_answer
from services.triage import INBOX, accept_message, read_message
from services.wiring import Handrail
from store import fetches, inbox

_OLD_IMPORT = Problem(
    "",
    "this row was kept by an older version, without the names of its columns",
    "correct it in its file and import that again, then discard this one",
)


class Verdict(StrEnum):
    """What a replay came to."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # it was in the books already: nothing changed
    REFUSED = "refused"  # it still breaks its contract
    DECIDED = "decided"  # somebody else decided meanwhile


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one row; `urgent` are the capabilities with actions that must leave at once."""

    id: int
    verdict: Verdict
    outcome: str
    subject: str | None = None
    problems: Sequence[Problem] = ()
    urgent: frozenset[Capability] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """For a table or a machine."""
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "outcome": self.outcome,
            "subject": self.subject,
            "problems": [problem.as_json() for problem in self.problems],
        }


Taking = Callable[[Connection], Taken]
"""Takes it into the books. Raises ContractBroken or UnknownCustomer before it has written anything."""


def taking_of(handrail: Handrail, row: Row[Any], body: bytes, now: datetime) -> tuple[Taking | None, Sequence[Problem]]:
    """How the bytes go into the books, read before the transaction; or what is wrong with them."""
    run = f"quarantine/{row.id}"
    try:
        if row.source.startswith(INBOX):
            return _message(handrail, row.source.removeprefix(INBOX), body, now, run), ()
        if row.layout is None:
            return _webhook(handrail, row, body, now, run), ()
        read = read_row(body, from_layout(row.layout))
    except (ContractBroken, NotStrictJson) as broken:
        return None, broken.problems
    if (cells := read.cells) is None:
        return None, read.problems
    if row.layout["contract"] == SURVEYS:
        return lambda connection: take_survey(handrail.policy, connection, cells, now, run), ()
    return batch_row(handrail.policy, row, body, cells, now), ()


def _webhook(handrail: Handrail, row: Row[Any], body: bytes, now: datetime, run: str) -> Taking:
    """Raises NotStrictJson and ContractBroken."""
    intakes: Mapping[str, SurveyIntake] = handrail.roster.intakes
    source: str = row.source
    if source not in intakes:
        gone = Problem("", f'no survey source "{source}" is configured any more', "configure it again, or discard this")
        raise ContractBroken([_OLD_IMPORT if source == "import" else gone])
    event = intakes[source].read(body)
    if isinstance(event, Noted):
        raise ContractBroken([Problem("event_type", f"{event.event}: {event.why}", "nothing to do: discard this")])
    if isinstance(event, Announced):
        return _announcing(row, event.response, body, now)
    if isinstance(event, StandardEvent):
        return _happened(handrail, row, event, now, run)
    answer = event.as_answer(source, now)
    # Late as an import may be: who is thanked for an answer given long ago only learns that nobody had looked.
    given = Given(judge_answer(answer, handrail.policy), event.customer.as_customer(), is_import=True)

    def take(connection: Connection) -> Taken:
        accepted = accept_answer(connection, given, handrail.policy, run=run, now=now)
        fate = Fate.ACCEPTED if accepted.is_new else Fate.KNOWN
        return Taken(fate, f"survey/{source}/{answer.response_id}", accepted.outcome, accepted.urgent)

    return take


def _happened(handrail: Handrail, row: Row[Any], event: events.Event, now: datetime, run: str) -> Taking:
    """An event goes through the gate of its source's events today: its contract was its check, and is so again."""

    def take(connection: Connection) -> Taken:
        told = [(row.source, event)]
        [fate] = events.take_events(connection, told, handrail.policy, handrail.journeys, run=run, now=now)
        if isinstance(fate, ContractBroken):
            raise fate
        for part in fate.refused:
            problems = [problem.as_json() for problem in part.problems]
            inbox.keep(connection, row.source, row.origin, part.body, problems, inbox_id=row.inbox_id, now=now)
        return Taken(Fate.ACCEPTED if fate.is_news else Fate.KNOWN, fate.subject, fate.outcome)

    return take


def _message(handrail: Handrail, source: str, body: bytes, now: datetime, run: str) -> Taking:
    """A web form's JSON or a raw mail, whichever it looks like. Raises NotStrictJson and ContractBroken."""
    read = read_message(handrail, source, body, now, is_mail=not body.lstrip().startswith(b"{"))

    def take(connection: Connection) -> Taken:
        accepted = accept_message(connection, read, handrail.policy, handrail.journeys, run=run, now=now)
        fate = Fate.ACCEPTED if accepted.is_new else Fate.KNOWN
        subject = f"message/{source}/{read.message.message_id}"
        return Taken(fate, subject, accepted.outcome, accepted.urgent)

    return take


def _announcing(row: Row[Any], response: str, body: bytes, now: datetime) -> Taking:
    """Its vendor only told of an answer: it is fetched, once more if it was fetched before."""

    def take(connection: Connection) -> Taken:
        fetches.announce(connection, row.source, response, body, inbox_id=row.inbox_id, now=now)
        return Taken(Fate.ACCEPTED, f"survey/{row.source}/{response}", "to be fetched", frozenset())

    return take


def taken(connection: Connection, row_id: int, taking: Taking | None, problems: Sequence[Problem]) -> Replayed:
    """Take it in, or say what is wrong with it."""
    if taking is not None:
        try:
            taken = taking(connection)
        except ContractBroken as broken:  # before anything was written
            problems = broken.problems
        except UnknownCustomer:
            problems = [NO_CUSTOMER]
        else:
            verdict = Verdict.ACCEPTED if taken.fate is Fate.ACCEPTED else Verdict.KNOWN
            return Replayed(row_id, verdict, taken.outcome, taken.subject, urgent=taken.urgent)
    words = "; ".join(map(str, problems))
    return Replayed(row_id, Verdict.REFUSED, f"still breaks its contract: {words}", problems=problems)
