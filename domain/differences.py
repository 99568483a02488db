"""Critical answers against the desk's tickets, both ways: what the two do not agree on, and what to do about it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.actions import State

LATE = timedelta(minutes=5)
"""After which a ticket that is on its way counts as not there."""


class What(StrEnum):
    """How books and desk differ."""

    ANSWER_WITHOUT_CASE = "answer without case"
    CASE_WITHOUT_TICKET = "case without ticket"  # repaired: the ticket is planned
    TICKET_NOT_SENT = "ticket not at the desk yet"
    TICKET_GONE = "ticket gone from the desk"
    TICKET_TWICE = "two tickets for one case"
    TICKET_WITHOUT_CASE = "ticket without case"
    ANOTHER_TICKET = "another ticket than ours"


OF_THE_DESK = frozenset({What.TICKET_TWICE, What.TICKET_WITHOUT_CASE, What.ANOTHER_TICKET})
"""What only the desk's own list shows; without it nothing is known of them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One of them. `subject` is a ticket's key, or source/response of an answer."""

    subject: str
    what: What
    detail: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A case's ticket as our books have it; `state` None: nobody ever planned one."""

    key: str
    state: State | None
    planned_at: datetime
    external_id: str
    is_gone: bool  # the desk was asked twice and knows none


@dataclass(frozen=True, slots=True)
class Shown:
    """A ticket of ours as the desk's list has it."""

    key: str
    external_id: str


def of_books(booked: Sequence[Booked], *, now: datetime) -> Iterator[Difference]:
    """Every case has a ticket at the desk; which has not?"""
    for one in booked:
        if one.state is None:
            yield Difference(one.key, What.CASE_WITHOUT_TICKET, "it was never planned: planned now")
        elif one.state is State.DONE:
            if one.is_gone:
                yield Difference(
                    one.key, What.TICKET_GONE, f"{one.external_id} was deleted or merged there: look, and open another"
                )
        elif one.state in {State.NEEDS_HUMAN, State.FAILED}:
            yield Difference(one.key, What.TICKET_NOT_SENT, f"{one.state}: handrail actions settle {one.key}")
        elif now - one.planned_at > LATE:
            yield Difference(one.key, What.TICKET_NOT_SENT, f"{one.state} since {one.planned_at:%Y-%m-%d %H:%M} UTC")


def of_desk(booked: Mapping[str, Booked], shown: Sequence[Shown]) -> Iterator[Difference]:
    """Every ticket of ours belongs to a case, is the only one of its key, and the one our books name."""
    listed: dict[str, list[str]] = defaultdict(list)
    for ticket in shown:
        listed[ticket.key].append(ticket.external_id)
    for key, ids in listed.items():
        one = booked.get(key)
        named = ", ".join(sorted(ids))
        if one is None:
            yield Difference(key, What.TICKET_WITHOUT_CASE, f"{named}: no case of ours has this key; close it there")
        elif len(ids) > 1:
            yield Difference(key, What.TICKET_TWICE, f"{named}: merge them there, ours is {one.external_id or 'none'}")
        elif one.state is State.DONE and one.external_id and one.external_id not in ids:
            yield Difference(key, What.ANOTHER_TICKET, f"{named} is there, our books have {one.external_id}")
