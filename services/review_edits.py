"""A reviewer changes what a review asks: in one of its actions or in all, checked as a plan is, and asked anew.

Who changes something has not said yes by that; and whoever had said yes must look again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from domain import risk
from domain.actions import Capability
from domain.calls import CALL_SCHEMA, WORDINGS
from domain.journey_payload import STEP_SCHEMA
from domain.policy import Policy
from domain.recovery_survey import SCHEMA as SURVEY_SCHEMA
from domain.review_rules import Rule, Way
from domain.reviews import Asked, Voter, riskier
from domain.words import one_of
from services.other_words import Approved, fitting, said_by
from services.previewing import sample_params
from services.reviews import AT_ONCE, Changed, ReviewProblem, Standing, held, held_members, standing_of
from services.reviews_settling import seal
from store import review_edits, wordings
from store.canonical import payload_hash as hash_of
from store.database import Database
from store.review_edits import Edit
from templates.library import Template, TemplateProblem
from templates.renderer import Rendered, render

LINKS = "links"
MESSAGE = "message"
"""In a change: the message whose approved words are said instead, `services.other_words`."""
EDITABLE: Mapping[str, frozenset[str]] = {
    STEP_SCHEMA: frozenset({LINKS}),
    CALL_SCHEMA: frozenset(),
    SURVEY_SCHEMA: frozenset({"name", "link"}),
}
"""What a reviewer may change beside the words, by the schema of the payload: what is said. Whom it is about, why it may
be sent and how confidential it is follow from facts, which nobody edits in a review."""

SHARED = frozenset({LINKS, MESSAGE})
"""Of those what all actions of a review may be made to say alike; the others are each customer's own."""

Change = Mapping[str, Any]
"""New values, by the name of the param, or MESSAGE."""


def editable(payload: Mapping[str, Any]) -> dict[str, str]:
    """The texts that a reviewer may change, by name; a part of a param is named with it: `links.video`."""
    may, params = EDITABLE.get(payload["schema"], frozenset()), payload["params"]
    found: dict[str, str] = {}
    for name in sorted(may & set(params)):
        value = params[name]
        if isinstance(value, Mapping):
            found |= {f"{name}.{part}": str(one) for part, one in value.items()}
        else:
            found[name] = "" if value is None else str(value)
    return found


def with_changes(payload: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed into those texts, and the message that was chosen; nothing for what stays or may not change."""
    now = editable(payload)
    change: dict[str, Any] = {MESSAGE: typed[MESSAGE]} if typed.get(MESSAGE) else {}
    for name, text in typed.items():
        if name not in now or text == now[name]:
            continue
        param, dot, part = name.partition(".")
        change[param] = {**change.get(param, payload["params"][param]), part: text} if dot else text
    return change


class NotEditable(ReviewProblem):
    """It cannot be changed like that; it says what is wrong with it."""


def other_words(connection: Connection, payload: Mapping[str, Any], channel: Capability) -> list[str]:
    """The messages whose approved words a reviewer may choose instead of what it says."""
    is_editable = payload["schema"] in EDITABLE
    return fitting(connection, payload, channel, wordings.approved(connection)) if is_editable else []


def changed(
    connection: Connection, payload: Mapping[str, Any], channel: Capability, change: Change, approved: Approved
) -> dict[str, Any]:
    """The payload as a change makes it. Raises NotEditable for words that do not fit; nothing is rendered."""
    params = {name: value for name, value in change.items() if name != MESSAGE}
    made = {**payload, "params": {**payload["params"], **params}}
    if MESSAGE not in change:
        return made
    wanted = change[MESSAGE]
    fit = fitting(connection, payload, channel, approved)
    if wanted not in fit:
        others = f"choose {one_of(fit)}" if fit else "there are no others"
        raise NotEditable(f"{MESSAGE}: {wanted!s:.40} has no approved words that could be said here: {others}")
    return said_by(made, wanted, approved)


def edit(
    database: Database,
    policy: Policy,
    review_id: int,
    changes: Mapping[str | None, Change],
    *,
    reviewer: Voter,
    payload_hash: str,
    way: Way,
    now: datetime,
) -> Standing:
    """Change params of actions, by key, or (None) of all; the review as it is asked then, in its new class if any.

    The new words are rendered, by every channel and language they go out in, and looked at by the rules: a change that
    makes them riskier raises the class. Raises a ReviewProblem when the word does not count, NotEditable among them.
    """
    with database.write("edit") as connection:
        row, asked = held(connection, policy, review_id, reviewer, payload_hash, Way(way), now)
        if row.subject != "actions":
            raise NotEditable(f"a review of a {row.subject} is changed by publishing another version of it")
        edits, said = _edits(connection, policy, review_id, changes)
        review_edits.begin(connection, row, edits, by=reviewer.name, now=now, **_raised(row, asked, said, policy))
    seal(database, policy, review_id, now=now)
    with database.read() as connection:
        return standing_of(connection, policy, review_id)


def _edits(
    connection: Connection, policy: Policy, review_id: int, changes: Mapping[str | None, Change]
) -> tuple[list[Edit], list[Rendered]]:
    """What becomes of which payload, and all that is said then."""
    if not changes or (None in changes and len(changes) > 1):
        raise NotEditable("name what is to be changed: in some of its actions, or in all of them")
    checked = _Checked(connection, policy)
    edits = []
    if None in changes:
        different = review_edits.payloads(connection, review_id, limit=AT_ONCE + 1)
        if not different:
            raise Changed("nothing waits in it any more: look at it as it is now")
        if len(different) > AT_ONCE:
            raise NotEditable(
                f"its actions say more than {AT_ONCE} different things: change them one by one, or reject"
            )
        examples = review_edits.payloads_of(connection, [one.example for one in different])
        for one in different:
            made = checked.changed(examples[one.example], Capability(one.capability), changes[None])
            edits.append(Edit(one.payload_hash, hash_of(made), made))
    else:
        keys = [key for key in changes if key is not None]
        for row in held_members(connection, review_id, keys):
            made = checked.changed(row.payload, Capability(row.capability), changes[row.key])
            edits.append(Edit(row.payload_hash, hash_of(made), made, (row.id,)))
    if all(one.was == one.becomes for one in edits):
        raise NotEditable("it says that already: nothing would change")
    return [one for one in edits if one.was != one.becomes], checked.said


def _raised(row: Row[Any], asked: Asked, said: Sequence[Rendered], policy: Policy) -> dict[str, Any]:
    """What else of the review changes when the new words make it riskier; it never becomes less risky by them."""
    rule = policy.reviews.rules.money_or_apology
    is_money = rule is not None and any(rule.found.find(f"{one.subject}\n{one.text}") for one in said)
    if not is_money or Rule.MONEY_OR_APOLOGY.value in row.rules:
        return {}
    anew = risk.ask(row.what, [*(Rule(rule) for rule in row.rules), Rule.MONEY_OR_APOLOGY], policy.reviews)
    found = riskier(asked.risk, None if anew is None else anew.risk)
    needed = max(asked.reviewers_needed, policy.reviews.classes[found].reviewers)
    rules = [*row.rules, Rule.MONEY_OR_APOLOGY.value]
    return {"rules": rules, "risk": found.value, "reviewers_needed": needed}


class _Checked:
    """Changes that make sense, and what is said by them."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection, self._policy = connection, policy
        self._approved = wordings.approved(connection)
        self._templates: dict[str, Template] = {}
        self.said: list[Rendered] = []

    def changed(self, payload: Mapping[str, Any], channel: Capability, change: Change) -> dict[str, Any]:
        """The payload with the change, rendered once. Raises NotEditable."""
        made = changed(self._connection, payload, channel, _values(payload, change), self._approved)
        try:
            self.said += self._rendered(made, channel)
            hash_of(made)
        except (TemplateProblem, TypeError, KeyError) as problem:
            raise NotEditable(f"it cannot be said like that: {problem}") from problem
        return made

    def _rendered(self, payload: Mapping[str, Any], channel: Capability) -> list[Rendered]:
        params = payload["params"]
        if payload["template_hash"] is not None:
            return [render(self._template(payload["template_hash"]), channel, params)]
        made = []
        for wanted in params[WORDINGS].values():
            template = self._template(wanted)
            sample = sample_params(template, self._policy, params.get(LINKS, {}))
            made.append(render(template, channel, {**sample, LINKS: params.get(LINKS, sample[LINKS])}))
        return made

    def _template(self, wanted: str) -> Template:
        if wanted not in self._templates:
            found = wordings.content(self._connection, wanted)
            if found is None:
                raise NotEditable(f"the wording {wanted:.12} is not published here: run `handrail db upgrade`")
            self._templates[wanted] = Template.from_content(found)
        return self._templates[wanted]


def _values(payload: Mapping[str, Any], change: Change) -> Change:
    """A change of what may be changed. Raises NotEditable."""
    known = EDITABLE.get(payload["schema"])
    may = frozenset() if known is None else (known & set(payload["params"])) | {MESSAGE}
    for name, value in change.items():
        if name not in may:
            instead = f"change {one_of(sorted(may))}" if may else "reject it, and plan it anew"
            raise NotEditable(f'"{name}" is not for a review to change: {instead}')
        if name != MESSAGE:
            _check_alike(name, payload["params"][name], value)
    if not change:
        raise NotEditable("say what is to be changed")
    return change


def _check_alike(name: str, was: Any, value: Any) -> None:
    """A value of the same shape: a link stays a link."""
    if isinstance(was, Mapping):
        if not isinstance(value, Mapping) or set(value) != set(was):
            raise NotEditable(f"{name}: give a value for each of {', '.join(sorted(was))}")
        for part, one in value.items():
            _check_alike(f"{name}.{part}", was[part], one)
        return
    if not isinstance(value, str) or not value.strip() or len(value) > 2_000:
        raise NotEditable(f"{name}: write some words")
    if isinstance(was, str) and was.startswith("https://") and not value.startswith("https://"):
        raise NotEditable(f"{name}: a link begins with https://")
