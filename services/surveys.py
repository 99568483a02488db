"""What survey answers do to our books: customers, answers, cases and planned actions in one transaction."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from data_contracts.problems import ContractBroken, Problem
from domain.actions import Capability
from domain.customers import Customer
from domain.distress import Category, Distress, find_distress
from domain.escalation import calls_for_case
from domain.policy import Policy
from domain.surveys import Judgement, SurveyAnswer, judge
from services.arrivals import OnFile, on_file
from services.escalating import Escalation, escalate, tell_of_change
from services.rounds import in_rounds
from store import customers, surveys

OTHER_CUSTOMER = Problem(
    "data.customer.ref",
    "another customer gave this answer (response_id)",
    "send each answer under an id of its own, and always with the customer who gave it",
)


class UnknownCustomer(Exception):
    """Nobody has this ref, and the event gives no address to create them with."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and what its score and its words mean."""

    answer: SurveyAnswer
    judgement: Judgement
    distress: Distress | None

    @property
    def category(self) -> Category | None:
        """What kind of distress its words tell of."""
        return None if self.distress is None else self.distress.category

    @property
    def id(self) -> tuple[str, str]:
        """What an answer is known by: its source, and its id there."""
        return self.answer.source, self.answer.response_id


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it comes in. `told` is what the event says of the customer; what is on file wins."""

    judged: Judged
    told: Customer
    is_import: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of an answer: `urgent` are the capabilities with actions that must leave at once."""

    response_id: int
    urgent: frozenset[Capability]
    outcome: str
    is_new: bool = True  # False: this answer was known, and nothing is planned


Fate = Accepted | UnknownCustomer | ContractBroken
"""What became of an answer; the two errors for one that was refused before anything was written."""


def judge_answer(answer: SurveyAnswer, policy: Policy) -> Judged:
    """What an answer means. Pure, and not for a transaction: 256 kB written to be slow to read take a second."""
    return Judged(
        answer,
        judge(answer.kind, answer.score, policy.survey.thresholds[answer.kind]),
        find_distress(answer.comment, policy.distress),
    )


def accept_answer(connection: Connection, given: Given, policy: Policy, *, run: str, now: datetime) -> Accepted:
    """Record an answer and plan what it calls for. The same (source, response) again plans nothing twice.

    Raises UnknownCustomer, and ContractBroken for an answer that somebody else gave; either before anything is written.
    """
    (fate,) = accept_answers(connection, [given], policy, run=run, now=now)
    if isinstance(fate, Exception):
        raise fate
    return fate


def accept_answers(
    connection: Connection, given: Sequence[Given], policy: Policy, *, run: str, now: datetime
) -> list[Fate]:
    """As `accept_answer`, for many, set by set; their fates, in order.

    Answers of one customer follow one another: the second joins the case that the first opened.
    """

    def accept(together: list[Given]) -> list[Fate]:
        fates: dict[int, Fate] = {}
        while left := {place: it for place, it in enumerate(together) if place not in fates}:
            # What another process inserted at this very moment is seen the next time.
            fates |= _accept(connection, left, policy, run=run, now=now)
        return [fates[place] for place in range(len(together))]

    return in_rounds(given, _subjects, accept)


def _subjects(given: Given) -> frozenset[Hashable]:
    return frozenset({("customer", given.told.ref), ("answer", *given.judged.id)})


def _accept(
    connection: Connection, given: Mapping[int, Given], policy: Policy, *, run: str, now: datetime
) -> dict[int, Fate]:
    """The fates of answers that have no subject in common; one that lost a race with another process has none yet."""
    found = customers.all_locked(connection, [it.told.ref for it in given.values()])
    given = {place: _wordless(it, found) for place, it in given.items()}
    standing = surveys.standing(connection, [it.judged.id for it in given.values()])
    fates: dict[int, Fate] = {}
    for place, it in given.items():
        if it.judged.id in standing and standing[it.judged.id].customer_ref != it.told.ref:
            fates[place] = ContractBroken([OTHER_CUSTOMER])
        elif it.told.ref not in found and not it.told.is_reachable:
            fates[place] = UnknownCustomer(it.told.ref)
    going = {place: it for place, it in given.items() if place not in fates}
    people = on_file(connection, [it.told for it in going.values()], found, now)
    made = surveys.save(
        connection,
        [
            surveys.NewAnswer(it.judged.answer, people[it.told.ref][0], it.judged.judgement, it.judged.category)
            for it in going.values()
            if it.judged.id not in standing and it.told.ref in people
        ],
    )
    news: dict[int, int] = {}  # which answers say something new, and our ids of them
    for place, it in going.items():
        if it.judged.id in made:
            news[place] = made[it.judged.id]
        elif (there := standing.get(it.judged.id)) is not None:
            changed = surveys.revise(connection, there.id, it.judged.answer, it.judged.judgement, it.judged.category)
            if changed and there.case_id is None:
                news[place] = there.id
            elif changed and it.judged.answer.comment not in {None, there.words}:
                escalated = tell_of_change(
                    connection, it.judged.answer, there, people[it.told.ref][0], it.judged.category, run=run, now=now
                )
                fates[place] = Accepted(there.id, urgent=escalated.urgent, outcome=escalated.outcome)
            else:
                fates[place] = Accepted(there.id, urgent=frozenset(), outcome="known already", is_new=False)
    called = {place: response_id for place, response_id in news.items() if _calls(given[place].judged)}
    quiet = {place: response_id for place, response_id in news.items() if place not in called}
    escalations = [_escalation(given[place], response_id, people) for place, response_id in called.items()]
    done = escalate(connection, escalations, policy, run=run, now=now)
    for (place, response_id), one in zip(called.items(), done, strict=True):
        fates[place] = Accepted(response_id, urgent=one.urgent, outcome=one.outcome)
    recorded = {
        place: Accepted(
            response_id,
            urgent=frozenset(),
            outcome=f"recorded: {given[place].judged.judgement.sentiment}, nothing to do",
        )
        for place, response_id in quiet.items()
    }
    surveys.conclude(connection, [(one.response_id, one.outcome, None) for one in recorded.values()])
    return fates | recorded


def _wordless(it: Given, found: OnFile) -> Given:
    """Of somebody who was erased their score counts, and their words are not kept: nobody would read them."""
    known = found.get(it.told.ref)
    if known is None or not known[1].erased:
        return it
    return replace(it, judged=replace(it.judged, answer=replace(it.judged.answer, comment=None), distress=None))


def _escalation(it: Given, response_id: int, people: OnFile) -> Escalation:
    customer_id, customer = people[it.told.ref]
    return Escalation(
        it.judged.answer,
        it.judged.distress,
        it.judged.judgement.is_critical,
        customer_id,
        customer,
        response_id,
        it.is_import,
    )


def _calls(judged: Judged) -> bool:
    return calls_for_case(judged.judgement, judged.distress)
