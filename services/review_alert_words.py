"""What an alert about reviews says when it is sent: counts, kinds, why, by when, what happens if nobody decides.

Nobody's data and no words of customers: alerts reach channels that many people read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from domain.hours import zone
from domain.policy import Policy
from domain.review_alerts import Occasion, is_needed, may_decide
from domain.review_rules import Risk, Rule, Way
from domain.review_words import counted, rule_words, what_words
from domain.reviews import Stand
from domain.words import how_many
from integrations.ports import Alert
from store.review_alerts import Shown

NAMED = 10
"""Reviews that one alert describes; of the others only how many: a vendor would cut it, and nobody would read it."""

_TITLE = 160
"""Characters of what is asked that a summary has room for: some vendors cut it after a thousand."""


def alert(
    params: Mapping[str, Any],
    shown: Mapping[int, Shown],
    policy: Policy,
    *,
    gateway_url: str,
    links: Mapping[int, str],
) -> Alert:
    """The alert of an action's parameters (`domain.review_alerts`). What needs nobody any more is left out of it.

    `links`: the signed link by which the person may decide each review, by our ids, for those that may be.
    """
    said = _Said(params, policy, f"{gateway_url.rstrip('/')}/reviews", links)
    left = [
        (Occasion(told["occasion"]), its)
        for told in params["told"]
        if (its := shown.get(told["review"])) is not None and is_needed(told, Stand(its.row.state), its.row.halted_at)
    ]
    if not left:
        return said.nothing_left()
    return said.one(*left[0]) if len(left) == 1 else said.several(left)


@dataclass(frozen=True, slots=True)
class _Said:
    params: Mapping[str, Any]
    policy: Policy
    pages: str
    links: Mapping[int, str]

    @property
    def person(self) -> str:
        name: str = self.params["person"]
        return name

    def nothing_left(self) -> Alert:
        words = f"{self.person}: what you were to be told of is decided; there is nothing to do"
        return Alert(summary=words, severity="info", link=self.pages)

    def one(self, occasion: Occasion, its: Shown) -> Alert:
        row = its.row
        detail = {
            "review": row.id,
            "risk": row.risk,
            "why it waits": self._why(row),
            **({} if row.reviewers_needed == 1 else {"people who must say yes": row.reviewers_needed}),
            **({"said yes": ", ".join(its.said_yes)} if its.said_yes else {}),
            **({"deadline": self._when(row.deadline, with_zone=True)} if row.state == Stand.OPEN else {}),
            "if nobody decides": _UNDECIDED[occasion],
        }
        signed = self.links.get(row.id)
        return Alert(
            summary=f"{self.person}: {self._asks(occasion, its)}",
            severity=self.params["severity"],
            link=f"{self.pages}/{row.id}",
            detail=detail,
            links={} if signed is None else {"Decide without signing in": signed},
        )

    def several(self, left: Sequence[tuple[Occasion, Shown]]) -> Alert:
        waiting = [its.row for _, its in left if its.row.state == Stand.OPEN]
        over = len(left) - len(waiting)
        parts = []
        if waiting:
            first = min(row.deadline for row in waiting)
            parts.append(f"{_reviews(len(waiting))} for you, the first until {self._when(first)}")
        if over:
            parts.append(f"{over} had nobody decide in time: nothing of them was done")
        ordered = sorted(left, key=lambda one: (one[1].row.deadline, one[1].row.id))
        detail = {
            f"review {its.row.id}": f"{self._asks(occasion, its)} ({self._why(its.row)})"
            for occasion, its in ordered[:NAMED]
        }
        if len(left) > NAMED:
            detail["and"] = f"{len(left) - NAMED} more"
        signed = {
            f"Decide review {its.row.id} without signing in": self.links[its.row.id]
            for _, its in ordered[:NAMED]
            if its.row.id in self.links
        }
        detail["if nobody decides"] = _UNDECIDED[Occasion.OPENED]
        return Alert(
            summary=f"{self.person}: {'; '.join(parts)}",
            severity=self.params["severity"],
            link=self.pages,
            detail=detail,
            links=signed,
        )

    def _asks(self, occasion: Occasion, its: Shown) -> str:
        row, first, then = its.row, self.params["first"], self.params["then"]
        review, title, by = f"review {row.id}", _title(row), self._when(row.deadline)
        match occasion:
            case Occasion.OPENED:
                return f"please decide {review} by {by}: {title}"
            case Occasion.HALF:
                return f"half of the time of {review} is over, please decide by {by}: {title}"
            case Occasion.ESCALATED if then is None:
                return f"nobody has decided {review}, its time is over at {by}, and nobody else is on call: {title}"
            case Occasion.ESCALATED if self.person == first:
                return (
                    f"{review} was passed on to {then} as well: nobody has decided it, by {by} somebody must: {title}"
                )
            case Occasion.ESCALATED:
                return f"{review} comes to you: {first} was told and nobody has decided it, please do by {by}: {title}"
            case Occasion.OVER:
                return f"nobody decided {review} in time, so nothing of it was done: {title}"
            case Occasion.NEXT_YES:
                yes = " and ".join(its.said_yes) or "nobody any more"
                return f"{review} needs one more yes than that of {yes}, by {by}: {title}"
            case Occasion.HALTED:
                return f"{review} has stopped itself after {row.released} of {row.count}: {row.halted_reason}: {title}"

    def _why(self, row: Row[Any]) -> str:
        return "; ".join(rule_words(Rule(rule), self.policy.reviews) for rule in row.rules) or "by policy"

    def _when(self, at: datetime, *, with_zone: bool = False) -> str:
        """On the staff's wall clock."""
        name = self.policy.staffing.time_zone
        local = at.astimezone(zone(name))
        return f"{local:%a} {local.day} {local:%b %H:%M}{f' ({name})' if with_zone else ''}"


_IN_TIME = "nothing of it is done when its time is over, and whoever is on call is told"
_UNDECIDED: Mapping[Occasion, str] = {
    Occasion.OPENED: _IN_TIME,
    Occasion.HALF: _IN_TIME,
    Occasion.ESCALATED: _IN_TIME,
    Occasion.NEXT_YES: _IN_TIME,
    Occasion.OVER: "it stays undone; what still matters somebody does by hand, or asks for anew",
    Occasion.HALTED: "what is left of it goes on waiting, and none of it is sent",
}


def may_use_link(its: Shown, name: str, policy: Policy) -> bool:
    """Could this person decide the review by the link of an alert, as it stands?"""
    ways = policy.reviews.classes[Risk(its.row.risk)].ways
    return Way.LINK in ways and its.row.state == Stand.OPEN and may_decide(name, its.row.initiator, its.said_yes)


def _title(row: Row[Any]) -> str:
    kinds = row.content.get("kinds") if row.subject == "actions" else None
    if kinds:
        title = f"{counted(kinds)}: {what_words(row.what)}"
    elif row.subject == "actions":
        title = f"{row.count} of: {what_words(row.what)}"
    else:
        title = f"new {'words' if row.subject == 'wording' else row.subject}: {row.what}"
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"


def _reviews(count: int) -> str:
    return how_many(count, "review waits", "reviews wait")
