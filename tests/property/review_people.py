"""Colleagues of a history of reviews: each word of theirs counts or is refused as `review_model` has it."""

from typing import Any

import pyotp
from review_ground import SORRY, Death, dying
from review_house import House
from review_model import Colleague, Paper, View

from domain.actions import Basis, State, is_legal
from domain.review_rules import Risk, Way
from domain.reviews import Decision, Reason, Stand, Voter
from services import review_edits
from services import reviews as service
from services.reviewers import WrongCode, check_code
from services.reviews import AlreadyDecided, Changed, ReviewProblem
from store.ledger.settle import settle


def vote(
    house: House, who: Colleague, view: View, decision: Decision, *, way: Way, code: str, dies: int | None
) -> None:
    """Somebody proves who they are, and says yes or no to what they saw."""
    typed, is_right = _code(house, who, code)
    paper, now = house.model.papers[view.paper], house.world.now
    wanted = paper.refuses(who, way, view, now, decision)
    how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": way, "reason": Reason.AS_INTENDED, "now": now}
    problem: Exception | None = None
    with dying(dies) as death:
        try:
            voter = check_code(house.database, who.name.upper(), typed, now=now)
            assert voter == Voter(who.name, who.roles)
            service.vote(house.database, house.policy, paper.id, reviewer=voter, decision=decision, **how)
        except (WrongCode, ReviewProblem) as refused:
            problem = refused
    if not is_right:
        assert death.came or isinstance(problem, WrongCode)
        house.did["code: refused"] += 1
        return
    if not death.came or death.has("check-code.committed"):
        who.misses, who.last_code = 0, typed
    _check_word(house, wanted, problem, death, "vote", paper)
    if wanted is None and (not death.came or death.has("vote.committed")):
        paper.say(who, view, decision, now)
        house.did[f"voted: {decision}"] += 1
        if paper.decided is not None:
            house.did[f"{paper.decided[0]}: {paper.risk}"] += 1


def _code(house: House, who: Colleague, kind: str) -> tuple[str, bool]:
    """One that counts, one that nobody's phone shows, or one that was used."""
    phone = pyotp.TOTP(who.secret)
    here = int(house.world.now.timestamp()) // 30
    if kind == "right" or who.misses >= 4:
        who.step = max(here, who.step + 1)
        if who.step > here + 1:  # they wait for the next one
            house.world.wait(30 * (who.step - here - 1))
        return phone.generate_otp(who.step), True
    who.misses += 1
    if kind == "spent" and who.last_code is not None:
        return who.last_code, False
    shown = {phone.generate_otp(step) for step in range(here - 5, here + 3)}
    return next(f"{number:06}" for number in range(100) if f"{number:06}" not in shown), False


def _check_word(
    house: House, wanted: type[ReviewProblem] | None, problem: Exception | None, death: Death, name: str, paper: Paper
) -> None:
    """P9, P10, P11: a word counts or does not as the rules have it, and who was too late learns of whom."""
    if death.came:
        assert wanted is None or not death.has(f"{name}.written"), "it died, and a word counted that must not"
        house.did[f"died: {name}"] += 1
        return
    assert type(problem) is (wanted or type(None)), f"{name}: {problem!r} where {wanted} was due"
    if isinstance(problem, AlreadyDecided):
        assert paper.decided == (problem.stand, problem.by, problem.at)
    if problem is not None:
        house.did[f"{name} refused: {type(problem).__name__}"] += 1


def edit(house: House, who: Colleague, view: View, key: str | None, *, is_sorry: bool, dies: int | None) -> None:
    """Somebody changes what one letter says, or all of them."""
    paper, now = house.model.papers[view.paper], house.world.now
    wanted = paper.refuses(who, Way.PAGE, view, now)
    there = house.look(paper).letters
    if wanted is None and (key not in there if key is not None else not there):
        wanted = Changed  # it has left meanwhile
    says_it = any(words == SORRY.hash for one, ((_, words), _) in there.items() if key in {None, one})
    is_sorry = is_sorry and not says_it
    change: dict[str, Any] = {"links": {"video": house.link()}}
    if is_sorry:
        change["message"] = SORRY.name
    how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": Way.PAGE, "now": now}
    voter, problem = Voter(who.name, who.roles), None
    with dying(dies) as death:
        try:
            review_edits.edit(house.database, house.policy, paper.id, {key: change}, reviewer=voter, **how)
        except ReviewProblem as refused:
            problem = refused
    _check_word(house, wanted, problem, death, "edit", paper)
    if wanted is None and (not death.came or death.has("edit.committed")):
        paper.change(is_sorry=is_sorry)
        paper.is_closed = not death.has("open-review.committed")
        if is_sorry:
            for letter in house.model.of(paper):
                letter.risk = Risk.HIGH
        house.did["edited: sorry" if is_sorry else "edited"] += 1


def exclude(house: House, who: Colleague, view: View, key: str, *, dies: int | None) -> None:
    """Somebody leaves one letter out."""
    paper, now = house.model.papers[view.paper], house.world.now
    wanted = paper.refuses(who, Way.PAGE, view, now)
    if wanted is None and key not in house.look(paper).letters:
        wanted = Changed
    how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": Way.PAGE, "now": now}
    voter, problem = Voter(who.name, who.roles), None
    with dying(dies) as death:
        try:
            service.exclude(house.database, house.policy, paper.id, [key], reviewer=voter, **how)
        except ReviewProblem as refused:
            problem = refused
    _check_word(house, wanted, problem, death, "exclude", paper)
    if wanted is None and (not death.came or death.has("exclude.committed")):
        paper.change()
        house.model.letters[key].ended = f"left out by {who.name}"
        house.did["excluded"] += 1


def after_a_halt(house: House, who: Colleague, paper: Paper, *, goes_on: bool, dies: int | None) -> None:
    """Somebody has looked at why it stopped."""
    now = house.world.now
    is_stopped = paper.is_halted and paper.decided is not None and paper.decided[0] is Stand.APPROVED
    wanted = None if paper.may(who) else service.NotYours
    wanted = wanted or (None if is_stopped else Changed)
    name, does = ("go-on", service.go_on) if goes_on else ("give-up", service.give_up)
    voter, problem = Voter(who.name, who.roles), None
    with dying(dies) as death:
        try:
            does(house.database, house.policy, paper.id, reviewer=voter, way=Way.PAGE, now=now)
        except ReviewProblem as refused:
            problem = refused
    _check_word(house, wanted, problem, death, name, paper)
    if wanted is None and (not death.came or death.has(f"{name}.committed")):
        if goes_on:
            paper.is_halted, paper.accepted = False, house.model.ever(paper)
        else:
            paper.decided = (Stand.REJECTED, who.name, now)
        house.did["halted, and goes on" if goes_on else "halted, and given up"] += 1


def decide_about_one(house: House, who: Colleague, pick: int, to: State) -> None:
    """A named person says what becomes of a letter that machines left to people."""
    left = [row for row in house.world.rows("actions") if row.state in {State.NEEDS_HUMAN, State.FAILED}]
    if not left:
        return
    row = left[pick % len(left)]
    if not is_legal(State(row.state), to, basis=Basis(row.basis)):
        return
    letter = house.model.letters[row.key]
    with house.database.write("settle") as connection:
        now = house.world.now
        settle(connection, row.key, to, house.policy.reviews, by=who.name, reason="asked them", now=now)
    letter.became = None
    if to is State.AWAITING_REVIEW:
        letter.is_again, letter.initiator, letter.risk = True, who.name, Risk.HIGH
        house.ask_again(letter)
    elif to is not State.READY:
        letter.ended = f"{to} by {who.name}"
    house.did[f"decided: {to}"] += 1
