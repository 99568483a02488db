"""Closing: what was planned about endings that need it no more is taken back, or closed where it may have gone out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.endings import Calendars, horizon_reached
from domain.entitlements import EntitlementKind
from domain.policy import Policy
from services.expiry import Detection
from store import detection as store
from store.database import Database
from store.ledger import closing
from store.ledger.closing import Needless, Place

_PAGE = 200


@dataclass
class Closing:
    """What a run took back or had closed, by reason."""

    taken_back: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)
    """Tasks that were taken back or closed and whose ending is near all the same: a person sees to it."""


def close_needless(
    database: Database, policy: Policy, detection: Detection, *, run: str, dry_run: bool = False
) -> Closing:
    """Take back what is unsent, have closed what may be at the CRM; what was closed before is left alone.

    An ending has one task and no second one: where it goes on after all (cancelled, then not cancelled), that is told.
    """
    done = Closing()
    with database.read() as connection:
        if not store.has_actions(connection):
            return done
    for page in _pages(database, detection.closes_since):
        for is_unsent, reason, those in _alike(page):
            if dry_run:
                count = len(those)
            else:
                with database.write("close-endings") as connection:
                    if is_unsent:
                        ids = [one.id for one in those]
                        count = closing.take_back(connection, ids, reason=reason, run=run, now=detection.at)
                    else:
                        count = closing.close(connection, those, reason=reason, run=run, now=detection.at)
            (done.taken_back if is_unsent else done.closed)[reason] += count
    calendars = Calendars(detection.at, policy.default_time_zone)
    with database.read() as connection:
        found = closing.again(connection, detection.closes_since, limit=_PAGE)
    for one in found:
        kind, today = EntitlementKind(one.kind), calendars.today(one.time_zone)
        if horizon_reached(kind, one.ends_on, today, policy) is not None:
            done.again.append(one.task_key)
    return done


def _pages(database: Database, since: datetime) -> Iterator[list[Needless]]:
    place, full = Place(since, 0, 0), True
    while full:
        with database.read() as connection:
            page, place = closing.changed(connection, place, limit=_PAGE)
        yield page
        full = len(page) == _PAGE
    last, full = 0, True
    while full:
        with database.read() as connection:
            page = closing.erased(connection, since, last, limit=_PAGE)
        yield page
        full, last = len(page) == _PAGE, page[-1].id if page else last


def _alike(page: Sequence[Needless]) -> Iterator[tuple[bool, str, list[Needless]]]:
    groups: dict[tuple[bool, str], list[Needless]] = defaultdict(list)
    for one in page:
        groups[one.is_unsent, one.reason].append(one)
    for (is_unsent, reason), those in groups.items():
        yield is_unsent, reason, those
