"""Is the chain whole, and do the rows it tells of stand as it tells? Every one that does not is named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from domain.reviews import Stand
from domain.words import how_many
from store.chain import Subject, control_row, entry_hash, instant, words_hash
from store.ledger.rows import chain, chain_head, controls, review_votes, reviews
from store.reviewers import SPENT, codes_hash, recovery_codes
from store.tables import metadata

reviewers: Table = metadata.tables["reviewers"]

_PAGE = 2_000
_DECISIONS = frozenset({Stand.APPROVED, Stand.REJECTED, Stand.EXPIRED, Stand.SUPERSEDED})
_ASKED = ("subject", "what", "risk", "rules", "initiator", "reviewers_needed", "revision", "count", "deadline")


@dataclass(frozen=True, slots=True)
class Touched:
    """A row that does not say what was written down when it was changed last."""

    table: str
    id: str
    what: str

    def as_json(self) -> dict[str, str]:
        """For machines."""
        return {"table": self.table, "id": self.id, "what": self.what}


@dataclass
class ToldReview:
    """A review, its votes and its actions, as the chain tells them."""

    columns: dict[str, Any] = field(default_factory=dict)
    votes: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: str | None = None  # the hash of all its actions; None: they are just being changed
    left: dict[int, str] = field(default_factory=dict)  # what was asked about those that have left since, by id
    was_approved: bool = False


@dataclass
class Story:
    """What the chain tells, entry by entry."""

    reviews: dict[int, ToldReview] = field(default_factory=dict)
    control: Mapping[str, Any] | None = None
    reviewers: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: dict[str, tuple[str, str]] = field(default_factory=dict)  # recovery codes by hash: by whom, when

    def add(self, entry: Row[Any]) -> None:
        """The next one."""
        match Subject(entry.subject):
            case Subject.REVIEW:
                self._add_review(entry, self.reviews.setdefault(int(entry.subject_id), ToldReview()))
            case Subject.CONTROL:
                self.control = entry.detail.get("row", self.control)
            case Subject.REVIEWER:
                self._add_reviewer(entry)

    def _add_reviewer(self, entry: Row[Any]) -> None:
        told = self.reviewers.setdefault(entry.subject_id, {"roles": [], "is_removed": False})
        if entry.what == SPENT:
            self.used[entry.detail["code"]] = entry.subject_id, instant(entry.at)
            return
        if "roles" in entry.detail:
            told["roles"] = sorted(entry.detail["roles"])
        if "codes" in entry.detail and entry.detail["codes"] != told.get("codes"):
            told["codes"] = entry.detail["codes"]
            self.used = {code: its for code, its in self.used.items() if its[0] != entry.subject_id}
        told["is_removed"] = entry.what == "removed"

    def _add_review(self, entry: Row[Any], told: ToldReview) -> None:
        detail: Mapping[str, Any] = entry.detail
        if entry.what == "voted":
            told.votes[detail["vote"]] = {
                **{name: detail[name] for name in ("decision", "payload_hash", "revision", "reason", "way")},
                **{"reviewer": entry.by, "at": instant(entry.at), "comment": detail["comment"], "voided_at": None},
            }
            return
        if entry.what == "left":
            told.left |= {int(action_id): hashed for action_id, hashed in detail["actions"].items()}
            return
        told.columns |= {name: detail[name] for name in (*_ASKED, "payload_hash") if name in detail}
        for vote in detail.get("voided", ()):
            told.votes[vote]["voided_at"] = instant(entry.at)
        if "members" in detail:  # counted anew: who had left before is no part of it
            told.members, told.left = detail["members"], {}
        if entry.what in {"opened", "reopened"}:
            undecided = dict.fromkeys(("decided_by", "decided_at", "reason", "halted_at"))
            told.columns |= {"state": Stand.OPEN, **undecided}
        elif entry.what == "edited":
            told.columns["state"], told.members = Stand.COLLECTING, None
        elif entry.what == "halted":
            told.columns["halted_at"] = instant(entry.at)
        elif entry.what == "continued":
            told.columns["halted_at"] = None
        elif entry.what in _DECISIONS:
            told.was_approved |= entry.what == Stand.APPROVED
            decided = {"decided_by": entry.by, "decided_at": instant(entry.at), "reason": detail.get("reason")}
            told.columns |= {"state": entry.what, **decided}


def links(connection: Connection, story: Story) -> Iterator[Touched]:
    """What is wrong with the chain itself, from its first entry to its head; `story` is told on the way."""
    number, last = 0, ""
    while page := connection.execute(select(chain).where(chain.c.id > number).order_by(chain.c.id).limit(_PAGE)).all():
        for entry in page:
            if entry.id != number + 1:
                yield Touched("chain", str(entry.id), f"gone before it: {_entries(entry.id - number - 1)}")
            elif entry.previous != last:
                yield Touched("chain", str(entry.id), "it does not follow the entry before it, or that one was touched")
            if entry_hash(_entry(entry)) != entry.hash:
                yield Touched("chain", str(entry.id), "it does not say what it said when it was written")
            number, last = entry.id, entry.hash
            try:
                story.add(entry)
            except (KeyError, ValueError, TypeError, AttributeError) as problem:
                yield Touched("chain", str(entry.id), f"it makes no sense: {type(problem).__name__}")
    head = connection.execute(select(chain_head).where(chain_head.c.id == 1)).first()
    if head is None or (head.entries, head.hash) != (number, last):
        knows = "is gone" if head is None else f"knows {_entries(head.entries)}, and the chain has {number}"
        yield Touched("chain_head", "1", f"it {knows}: the end of the chain was cut off, or it was touched")


def rows(connection: Connection, story: Story) -> Iterator[Touched]:
    """Rows of reviews, votes, reviewers and the kill switch that are not as the chain tells."""
    yield from _controls(connection, story)
    yield from _reviewers(connection, story)
    yield from _recovery_codes(connection, story)
    found = set()
    for row in connection.execute(select(reviews).order_by(reviews.c.id)):
        found.add(row.id)
        told = story.reviews.get(row.id)
        if told is None:
            if row.state != Stand.COLLECTING or row.payload_hash:
                yield Touched("reviews", str(row.id), f"it is {row.state}, and the chain has nothing of it")
            continue
        yield from _differences("reviews", row.id, told.columns, _review(row))
    for missing in sorted(set(story.reviews) - found):
        yield Touched("reviews", str(missing), "it is gone")
    yield from _votes(connection, story)


def _entries(count: int) -> str:
    return how_many(count, "entry", "entries")


def _entry(row: Row[Any]) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in chain.c}


def _review(row: Row[Any]) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in (*_ASKED, "state", "payload_hash", "decided_by")},
        **{name: _instant(getattr(row, name)) for name in ("deadline", "decided_at", "halted_at")},
        "reason": words_hash(row.reason),
    }


def _votes(connection: Connection, story: Story) -> Iterator[Touched]:
    told = {vote: (review_id, one) for review_id, its in story.reviews.items() for vote, one in its.votes.items()}
    for row in connection.execute(select(review_votes).order_by(review_votes.c.id)):
        if row.id not in told:
            yield Touched("review_votes", str(row.id), "the chain has nothing of it")
            continue
        review_id, its = told.pop(row.id)
        stands = {
            **{name: getattr(row, name) for name in its},
            **{"at": instant(row.at), "voided_at": _instant(row.voided_at), "comment": words_hash(row.comment)},
        }
        both = {**its, "review_id": review_id}, {**stands, "review_id": row.review_id}
        yield from _differences("review_votes", row.id, *both)
    for missing in sorted(told):
        yield Touched("review_votes", str(missing), "it is gone")


def _controls(connection: Connection, story: Story) -> Iterator[Touched]:
    row = connection.execute(select(controls).where(controls.c.id == 1)).first()
    if row is None:
        yield Touched("controls", "1", "it is gone")
    elif story.control is not None:
        yield from _differences("controls", 1, story.control, control_row(row))
    elif row.stopped or row.stops:
        yield Touched("controls", "1", "it stops something, and the chain has nothing of it")


def _reviewers(connection: Connection, story: Story) -> Iterator[Touched]:
    found = set()
    for row in connection.execute(select(reviewers).order_by(reviewers.c.name)).all():
        found.add(row.name)
        if row.name not in story.reviewers:
            yield Touched("reviewers", row.name, "the chain has nothing of them")
            continue
        stands = {
            "roles": sorted(row.roles),
            "is_removed": row.removed_at is not None,
            "codes": codes_hash(connection, row.name),
        }
        yield from _differences("reviewers", row.name, story.reviewers[row.name], stands)
    for missing in sorted(set(story.reviewers) - found):
        yield Touched("reviewers", missing, "they are gone")


def _recovery_codes(connection: Connection, story: Story) -> Iterator[Touched]:
    """Those whose use is not as the chain tells; what belongs to nobody, or is missing, its owner's `codes` say."""
    kept = recovery_codes(connection)
    for code_hash, (whose, at) in sorted(story.used.items()):
        if code_hash not in kept:
            yield Touched("recovery_codes", code_hash, f"{whose} used it at {at}, and it is gone")
    for code_hash, (whose, spent_at) in sorted(kept.items()):
        stands = None if spent_at is None else (whose, instant(spent_at))
        told = story.used.get(code_hash)
        if stands != told:
            yield Touched("recovery_codes", code_hash, f"{_use(stands)}, the chain says {_use(told)}")


def _use(its: tuple[str, str] | None) -> str:
    return "nobody has used it" if its is None else f"{its[0]} used it at {its[1]}"


def _differences(table: str, its_id: object, told: Mapping[str, Any], stands: Mapping[str, Any]) -> Iterator[Touched]:
    different = [name for name, value in told.items() if stands[name] != value]
    if different:
        words = ", ".join(f"{name} is {stands[name]!r}, the chain says {told[name]!r}" for name in different)
        yield Touched(table, str(its_id), words)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
