"""What planners ask before they plan: does it wait for a review? The rules are the domain's; here are their facts.

Of rules that are off nothing is read.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from domain import risk
from domain.calls import WORDINGS
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.gates import GateVerdict
from domain.hours import instant_of, zone
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import PhrasesRule, Rule
from domain.risk import Ask, Outward, Volumes, is_reviewable
from services.risky_words import says_money_or_apology
from store import distress, volumes, wordings
from store.database import Database
from store.ledger.enqueue import About, enqueue
from store.ledger.facts import gates_of, may_be_out
from store.ledger.rows import customers, entitlements
from templates.library import TemplateProblem

_WEEK = timedelta(weeks=1)
_FORGET_AT_ONCE = 500


class Risks:
    """The rules for one run or one transaction, and what it has read for them. Not for several threads."""

    def __init__(self, policy: Policy, *, now: datetime) -> None:
        rules = policy.reviews.rules
        self._policy, self._now = policy, now
        self._asks: dict[tuple[str, Outward], Ask | None] = {}
        self._rooms: dict[str, Mapping[Rule, int]] = {}
        self.is_any = any(True for _ in rules)
        """False: nothing ever waits."""
        self.is_of_tiers = rules.vip is not None
        self.is_of_many = rules.many_customers is not None or rules.unusual_volume is not None
        """Some rule counts what is planned."""
        self.distress_since = None if rules.hardship is None else now - timedelta(days=rules.hardship.days)
        """Who told of distress since then is in hardship; None: nobody is."""

    def ask(self, what: str, one: Outward) -> Ask | None:
        """What one action waits for; None: it may go."""
        if not self.is_any:
            return None
        if (what, one) not in self._asks:
            self._asks[what, one] = risk.assess(what, one, self._policy.reviews)
        return self._asks[what, one]

    def with_rules(self, what: str, own: Ask | None, rules: Iterable[Rule]) -> Ask | None:
        """What it waits for when these rules apply beside its own."""
        return risk.stricter(own, risk.ask(what, tuple(rules), self._policy.reviews))

    def in_hardship(self, connection: Connection, customer_ids: Collection[int]) -> frozenset[int]:
        """Those of these customers who told of distress within the policy's days: one query for all."""
        since = self.distress_since
        return frozenset() if since is None else distress.told_since(connection, customer_ids, since)

    def says_money_or_apology(self, connection: Connection, payload: Payload) -> bool:
        """True when a wording of what is sent does, in any language: those of one message say the same."""
        rule = self._policy.reviews.rules.money_or_apology
        if rule is None:
            return False
        hashes = {*payload.params.get(WORDINGS, {}).values(), payload.template_hash} - {None}
        return any(_says(connection, content_hash, rule, self._policy) for content_hash in sorted(hashes))

    def room(self, connection: Connection, what: str) -> Mapping[Rule, int]:
        """How many more may be planned for a purpose until a rule about many applies; read once."""
        if what not in self._rooms:
            self._rooms[what] = risk.room(self.volumes(connection, what), self._policy.reviews)
        return self._rooms[what]

    def note(self, connection: Connection, planned: Mapping[str, int]) -> None:
        """So many reviewable actions are being planned for each purpose, in this transaction."""
        if self.is_of_many:
            volumes.note(connection, planned, now=self._now)

    def forget(self, database: Database) -> None:
        """Forget what was planned so long ago that no rule looks at it; a little at a time."""
        rule = self._policy.reviews.rules.unusual_volume
        before = self._now - (1 + (rule.weeks if rule else 1)) * _WEEK
        with database.read() as connection:
            if not volumes.is_any_before(connection, before):
                return
        with database.write("forget-volumes") as connection:
            volumes.forget(connection, before=before, most=_FORGET_AT_ONCE)

    def volumes(self, connection: Connection, what: str) -> Volumes:
        """How many of a purpose were planned before, as the rules about many count."""
        many = self._policy.reviews.rules.many_customers
        lately = 0
        if many is not None:
            lately = volumes.since(connection, what, self._now - timedelta(minutes=many.within_minutes))
        this_hour = volumes.since(connection, what, self._now)
        return Volumes(lately, this_hour, self._usual(connection, what))

    def _usual(self, connection: Connection, what: str) -> float | None:
        """The average of this hour of this weekday, on the wall clocks of the policy's zone.

        Nobody knows what is usual of a purpose that was first planned for fewer than so many weeks ago: then None, and
        nothing is unusual. Later a week in which nothing was planned in this hour counts as none.
        """
        rule = self._policy.reviews.rules.unusual_volume
        if rule is None:
            return None
        began = volumes.first(connection, what)
        if began is None or began > self._now - rule.weeks * _WEEK:
            return None
        place = zone(self._policy.default_time_zone)
        local = self._now.astimezone(place)
        hours = {
            volumes.hour_of(instant_of(local.date() - weeks * _WEEK, local.time().replace(minute=0), place))
            for weeks in range(1, rule.weeks + 1)
        }
        return volumes.within(connection, what, sorted(hours)) / rule.weeks


_SAID: dict[str, tuple[PhrasesRule, bool]] = {}
"""What was read of published wordings, by hash, and by which rule: a wording never changes, and reading it costs."""


def _says(connection: Connection, content_hash: str, rule: PhrasesRule, policy: Policy) -> bool:
    known = _SAID.get(content_hash)
    if known is None or known[0] is not rule:
        try:
            says = bool(says_money_or_apology(wordings.content(connection, content_hash) or {}, policy))
        except TemplateProblem:  # what nobody can read is never sent
            says = False
        known = _SAID[content_hash] = rule, says
    return known[1]


def asked_anew(
    connection: Connection, action_id: int, planned: PlannedAction, about: About, policy: Policy, *, now: datetime
) -> PlannedAction:
    """A plan made anew with what it waits for by today's facts: it may be out already, and is not counted again."""
    risks = Risks(policy, now=now)
    is_out = _is_looked_at(planned, risks) and bool(may_be_out(connection, [action_id]))
    return _asked(connection, planned, about, risks, may_be_out=is_out, is_new=False)


def enqueue_asked(
    connection: Connection, planned: PlannedAction, about: About, policy: Policy, *, run: str, now: datetime
) -> bool:
    """`enqueue` one plan that a review may have to wait for, and count it; False when it was there already."""
    risks = Risks(policy, now=now)
    made = enqueue(connection, [_asked(connection, planned, about, risks)], about, run=run, now=now)
    if made and _is_looked_at(planned, risks):
        risks.note(connection, {_purpose(connection, planned, about): 1})
    return bool(made)


def _is_looked_at(planned: PlannedAction, risks: Risks) -> bool:
    return risks.is_any and planned.skip is None and is_reviewable(planned.kind, planned.basis)


def _asked(
    connection: Connection,
    planned: PlannedAction,
    about: About,
    risks: Risks,
    *,
    may_be_out: bool = False,
    is_new: bool = True,
) -> PlannedAction:
    if not _is_looked_at(planned, risks):
        return planned
    what = _purpose(connection, planned, about)
    rooms = risks.room(connection, what) if is_new and risks.is_of_many else {}
    one = Outward(
        planned.kind,
        planned.basis,
        tier=_tier(connection, about),
        says_money_or_apology=risks.says_money_or_apology(connection, planned.payload),
        in_hardship=bool(about.customer_id and risks.in_hardship(connection, [about.customer_id])),
        gate=_verdict(connection, about),
        may_be_out=may_be_out,
        is_many=rooms.get(Rule.MANY_CUSTOMERS, 1) < 1,
        is_unusual=rooms.get(Rule.UNUSUAL_VOLUME, 1) < 1,
    )
    return replace(planned, ask=risks.ask(what, one))


def _tier(connection: Connection, about: About) -> Tier | None:
    found = connection.execute(select(customers.c.tier).where(customers.c.id == about.customer_id)).scalar()
    return None if found is None else Tier(found)


def _verdict(connection: Connection, about: About) -> GateVerdict | None:
    if about.gate_id is None:
        return None
    found = gates_of(connection, {about.gate_id}).get(about.gate_id)
    return None if found is None else found.verdict


def _purpose(connection: Connection, planned: PlannedAction, about: About) -> str:
    """As `domain.risk` names what steps, calls and recovery surveys are for."""
    params: Mapping[str, Any] = planned.payload.params
    if about.enrolment_id is not None:
        return risk.step_purpose(params["journey"], params["step"])
    if about.entitlement_id is None:
        return risk.RECOVERY_SURVEYS
    kind = select(entitlements.c.kind).where(entitlements.c.id == about.entitlement_id)
    return risk.call_purpose(EntitlementKind(connection.execute(kind).scalar_one()))
