"""What people do on the pages of reviews: approve, reject, leave out, change, let go on, cancel the rest.

Each is a POST with the token of the page it came from and the hash of what that page showed. Nothing but the word
`approve`, sent once, approves. Whatever is missing, doubled or unknown does nothing, and the answer says what.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Row

from domain.actions import Capability
from domain.review_rules import Way
from domain.reviews import Decision, Reason, Stand, Voter
from gateway.pages.forms import Form
from gateway.pages.rendering import elsewhere, page
from gateway.pages.reviews import review_page
from gateway.pages.visitors import Seeing, Sent, Visitor
from services import review_edits, reviews
from services.review_edits import MESSAGE, SHARED, NotEditable, changed, editable, other_words, with_changes
from services.review_reading import summary
from services.review_saying import Unsaid, Words, words_instead, words_of
from services.review_showing import read_row, text_differences
from services.reviewers import WrongCode, check_code
from services.reviews import AT_ONCE, AlreadyDecided, Changed, NoSuchReview, NotYours, ReviewProblem
from services.tries import TooManyTries
from services.wiring import Handrail
from store import review_pages, wordings

router = APIRouter(include_in_schema=False)
_log = logging.getLogger("gateway.pages")

_REFS = re.compile(r"[\s,;]+")
_LONGEST = 2_000
"""Characters of a comment."""
_NAMED = 5
"""Refs that a refusal names."""
_PARAM = "param."


class _Refused(Exception):
    """Nothing was done; its text says why, and what to do."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(words)
        self.status = status


@router.post("/reviews/{review_id:int}/decide")
async def decide(request: Request, visitor: Seeing, form: Sent, review_id: int) -> Response:
    """Yes or no to what was shown."""

    def act(handrail: Handrail, who: Voter) -> None:
        reviews.vote(
            handrail.database,
            handrail.policy,
            review_id,
            reviewer=who,
            decision=Decision(_only(form, "decision")),
            payload_hash=_only(form, "seen"),
            reason=Reason(_only(form, "reason")),
            comment=form.one("comment").strip()[:_LONGEST] or None,
            way=Way.PAGE,
            now=handrail.clock(),
        )

    def check() -> None:
        if _only(form, "decision") not in set(Decision):
            raise _Refused("Nothing was decided: the form says neither approve nor reject.")
        if _only(form, "reason") not in set(Reason):
            raise _Refused("Nothing was decided: choose a reason.")

    return await _done(request, visitor, form, review_id, check, act)


@router.post("/reviews/{review_id:int}/exclude")
async def exclude(request: Request, visitor: Seeing, form: Sent, review_id: int) -> Response:
    """Leave out those that were ticked, and those whose customers were named."""
    handrail: Handrail = request.app.state.handrail
    keys: list[str] = []

    def check() -> None:
        keys.extend(_excluded(handrail, review_id, form.each("key"), form.one("refs")))

    def act(handrail: Handrail, who: Voter) -> None:
        seen, now = _only(form, "seen"), handrail.clock()
        reviews.exclude(
            handrail.database, handrail.policy, review_id, keys, reviewer=who, payload_hash=seen, way=Way.PAGE, now=now
        )

    return await _done(request, visitor, form, review_id, check, act)


@router.post("/reviews/{review_id:int}/edit")
async def edit(request: Request, visitor: Seeing, form: Sent, review_id: int) -> Response:
    """Show what a change would say, or make it."""
    handrail: Handrail = request.app.state.handrail
    key, is_all = _only(form, "key"), form.one("all") == "yes"
    typed = {name.removeprefix(_PARAM): form.one(name) for name in form.fields if name.startswith(_PARAM)}
    row = await asyncio.to_thread(read_row, handrail, review_id, key)
    if row is None:
        words = "Nothing was changed: the review asks about no such action."
        return await review_page(request, visitor, review_id, problem=words, status=422)
    change = with_changes(row.payload, typed)
    if form.one("do") != "keep":
        return await _preview(request, visitor, form, review_id, row, typed)

    def check() -> None:
        if not change:
            raise _Refused("Nothing was changed: it says that already.")
        if is_all and not set(change) <= SHARED:
            raise _Refused("Nothing was changed: that is said to one customer alone, so change it in each action.")

    def act(handrail: Handrail, who: Voter) -> None:
        seen, now = _only(form, "seen"), handrail.clock()
        changes = {None if is_all else key: change}
        review_edits.edit(
            handrail.database,
            handrail.policy,
            review_id,
            changes,
            reviewer=who,
            payload_hash=seen,
            way=Way.PAGE,
            now=now,
        )

    return await _done(request, visitor, form, review_id, check, act)


@router.post("/reviews/{review_id:int}/halted")
async def halted(request: Request, visitor: Seeing, form: Sent, review_id: int) -> Response:
    """Let what stopped on its way out go on, or cancel the rest of it."""
    ways: Mapping[str, Callable[..., None]] = {"go on": reviews.go_on, "give up": reviews.give_up}

    def check() -> None:
        if _only(form, "do") not in ways:
            raise _Refused("Nothing was done: the form says neither to go on nor to cancel the rest.")

    def act(handrail: Handrail, who: Voter) -> None:
        do = ways[_only(form, "do")]
        do(handrail.database, handrail.policy, review_id, reviewer=who, way=Way.PAGE, now=handrail.clock())

    return await _done(request, visitor, form, review_id, check, act, is_halted=True)


async def _done(
    request: Request,
    visitor: Visitor,
    form: Form,
    review_id: int,
    check: Callable[[], None],
    act: Callable[[Handrail, Voter], None],
    *,
    is_halted: bool = False,
) -> Response:
    """Do it, and lead back to the review; or show it as it is now, with why nothing was done.

    A one-time code is spent last of all: it is not lost for a form that is not filled in, nor for a review that
    somebody else has just decided.
    """
    handrail: Handrail = request.app.state.handrail
    try:
        await asyncio.to_thread(check)
        await asyncio.to_thread(_refuse_unlike_shown, handrail, review_id, _only(form, "seen"), is_halted)
        who = visitor.reviewer or await _by_code(request, visitor, form)
        await asyncio.to_thread(act, handrail, who)
    except _Refused as problem:
        return await _refused(request, visitor, form, review_id, str(problem), problem.status)
    except ReviewProblem as problem:
        return await _refused(request, visitor, form, review_id, _sentence(problem), _status_of(problem))
    request.app.state.review_rounds.nudge()
    return elsewhere(request, f"/reviews/{review_id}#stands")


def _refuse_unlike_shown(handrail: Handrail, review_id: int, seen: str, is_halted: bool) -> None:
    """Raises a ReviewProblem when the page that was sent does not show how things are; deciding looks again."""
    with handrail.database.read() as connection:
        row = review_pages.one(connection, review_id)
    if row is None:
        raise NoSuchReview(f"there is no review {review_id}")
    stand = Stand(row.state)
    if not is_halted and stand in {Stand.APPROVED, Stand.REJECTED} and row.decided_by and row.decided_at:
        raise AlreadyDecided(row.decided_by, row.decided_at, stand)
    if not seen or seen != row.payload_hash:
        raise Changed("it was changed after it was shown to you: look at it as it is now, and decide then")


async def _by_code(request: Request, visitor: Visitor, form: Form) -> Voter:
    """Whose one-time code the form has. Raises _Refused."""
    handrail: Handrail = request.app.state.handrail
    tries = request.app.state.operators.tries
    address, now = request.client.host if request.client else "", handrail.clock()
    code = form.line("code")
    if visitor.name is None:
        raise _Refused("Nothing was done: nobody can decide yet. `handrail reviewers add NAME` lets somebody.", 403)
    if not code:
        raise _Refused("Nothing was done: type the six digits that your phone shows for Handrail.", 403)
    try:
        tries.refuse_guessers(address, now=now)
        return await asyncio.to_thread(check_code, handrail.database, visitor.name, code, now=now)
    except TooManyTries as problem:
        words = str(problem) or "too many wrong codes from here: try again in a quarter of an hour"
        raise _Refused(f"Nothing was done: {words}.", 429) from problem
    except WrongCode as problem:
        tries.count(address, now=now)
        _log.warning("review: a wrong name or code from %s", address)
        raise _Refused(f"Nothing was done: {problem}.", 403) from problem


def _excluded(handrail: Handrail, review_id: int, keys: Collection[str], refs: str) -> list[str]:
    """The keys of all that is to be left out. Raises _Refused when one of them is not in the review."""
    named = [ref for ref in _REFS.split(refs) if ref]
    if not keys and not named:
        raise _Refused("Nobody was left out: tick somebody, or name customers by their refs.")
    if len(keys) + len(named) > AT_ONCE:
        raise _Refused(f"Nobody was left out: name at most {AT_ONCE} at a time.")
    with handrail.database.read() as connection:
        known = review_pages.keys_among(connection, review_id, keys)
        of_customers = review_pages.keys_of_customers(connection, review_id, named)
    strangers = [key for key in keys if key not in known] + [ref for ref in named if ref not in of_customers]
    if strangers:
        told = ", ".join(one[:100] for one in strangers[:_NAMED])
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        raise _Refused(f"Nobody was left out: {told}{more} is not in this review.")
    return sorted(known.union(*of_customers.values()))


async def _preview(
    request: Request, visitor: Visitor, form: Form, review_id: int, row: Row[Any], typed: Mapping[str, str]
) -> Response:
    """What one action would say with a change, against what it says now; nothing is kept."""
    handrail: Handrail = request.app.state.handrail
    review = await asyncio.to_thread(summary, handrail.database, handrail.policy, review_id)
    change, now = with_changes(row.payload, typed), editable(row.payload)
    before = (await words_of(handrail, [row]))[row.id]
    instead, then = await asyncio.to_thread(_changed, handrail, row, change)
    after = Unsaid(then) if isinstance(then, str) else await words_instead(handrail, row, then)
    facts: dict[str, Any] = {
        "review": review,
        "action": row,
        "seen": _only(form, "seen"),
        "is_all": form.one("all") == "yes",
        "editable": now | {name: typed[name] for name in now if name in typed},
        "instead": instead,
        "message": change.get(MESSAGE, ""),
        "change": change,
        "then": after,
        "differing": text_differences(before, after) if isinstance(before, Words) and isinstance(after, Words) else [],
        "reviewer": visitor.reviewer,
    }
    return page(request, "review-edit.html", visitor, **facts)


def _changed(
    handrail: Handrail, row: Row[Any], change: review_edits.Change
) -> tuple[Sequence[str], dict[str, Any] | str]:
    """The messages it could be said by, and the payload with the change; or why it cannot be changed like that."""
    with handrail.database.read() as connection:
        channel = Capability(row.capability)
        instead = other_words(connection, row.payload, channel)
        try:
            return instead, changed(connection, row.payload, channel, change, wordings.approved(connection))
        except NotEditable as problem:
            return instead, str(problem)


async def _refused(
    request: Request, visitor: Visitor, form: Form, review_id: int, problem: str, status: int
) -> Response:
    typed = {name: form.line(name) for name in ("reason", "comment")} | {"refs": form.one("refs")}
    return await review_page(request, visitor, review_id, problem=problem, typed=typed, status=status)


def _only(form: Form, name: str) -> str:
    """The field's text when it was sent exactly once, as it is; else empty: whoever sends two words says neither."""
    said = form.fields.get(name, ())
    return said[0] if len(said) == 1 else ""


def _sentence(problem: ReviewProblem) -> str:
    words = str(problem)
    return f"Nothing was done: {words}."


def _status_of(problem: ReviewProblem) -> int:
    if isinstance(problem, NoSuchReview):
        return 404
    return 403 if isinstance(problem, NotYours) else 409
