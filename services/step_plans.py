"""What becomes of each enrolment whose step is due or over: the domain decides, here it is told as moves of the ledger.

What is the same for many (a step's action, where one goes from there) is made once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from domain.actions import Basis, Capability, key
from domain.channels import Channel
from domain.customers import Tier
from domain.journey_payload import step_payload, step_wordings
from domain.journey_steps import (
    CAPABILITY_OF,
    KIND_OF,
    SkipStep,
    Traveller,
    basis_of,
    decide,
    due_on_arrival,
    following,
    pointless_at,
    wait_over_at,
)
from domain.journeys import Anchor, Behaviour, Condition, Journey, Step
from domain.planning import Payload
from domain.policy import Policy
from domain.review_rules import Rule
from domain.risk import Ask, Outward, is_reviewable, step_purpose
from services.risks import Risks
from store.alike import Alike, Anyone, Stand
from store.customers import as_customer
from store.drip import Enrolled
from store.ledger.steps import Advance, Going, Landed, StepAction
from store.types import Instant

NO_ENDING = "there is no ending to count from"

SENSELESS = (ArithmeticError, LookupError, TypeError, ValueError)
"""What a row that makes no sense may raise wherever it is looked at."""

_NAMED = Stand._fields.index("step") + 1
_JUST_NOW = timedelta(minutes=1)
"""Who is due no longer ago is neither late nor too late: policy and journeys count those in minutes and hours."""


@dataclass
class PageFacts:
    """What decides about the enrolments of a page beside their own rows, by customer."""

    consents: dict[tuple[int, str], dict[Channel, bool | None]] = field(default_factory=dict)  # and by purpose
    suppressed: dict[int, set[Capability]] = field(default_factory=dict)
    endings: dict[int, tuple[date, str]] = field(default_factory=dict)
    behaviour: Mapping[int, Behaviour] = field(default_factory=dict)
    in_hardship: frozenset[int] = frozenset()


class Planned(NamedTuple):
    """What becomes of one enrolment whose step is due, or of many who are alike and go on in the same way."""

    advance: Advance
    goings: Sequence[Going]
    channel: Channel | None  # over which its step is done
    skipped: str | None  # why it is not
    onward: Enrolled | None  # as the one stands then, if it waits for another step


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be read before a step can be decided on, or where one goes from it."""

    capabilities: frozenset[Capability]  # whose address may be suppressed
    purpose: str | None  # of the consents it rests on; None: on none
    behaviour: bool
    may_hurry: bool  # what they did may end the wait of the step after it
    ending: bool
    is_counted_down: bool  # its own wait is


class StepPlans:
    """The plans of one run. `journey_of` may raise LookupError or ValueError for a version nobody can read."""

    def __init__(
        self,
        policy: Policy,
        journey_of: Callable[[str], Journey],
        wordings: Mapping[tuple[str, str], str],
        risks: Risks,
        *,
        says_money: Callable[[Payload], bool],
        now: datetime | None,
    ) -> None:
        """`wordings` are the approved ones, by (template, language); `says_money`: of money, or an apology.

        `now` None: time is virtual, and each is decided on when it is due.
        """
        self._policy, self._journey_of, self._wordings, self._now = policy, journey_of, wordings, now
        self.just_now = now - _JUST_NOW if now is not None else None
        """Who was due before is late, and asked about by themselves."""
        self._risks, self._says_money = risks, says_money
        self._purposes: dict[Advance, str | None] = {}
        self._crowded: dict[tuple[Advance, tuple[Rule, ...]], Advance] = {}
        self._advances: dict[tuple[Any, ...], Advance] = {}
        self._payloads: dict[tuple[str, str], Payload] = {}
        self._alike: dict[str, tuple[Advance, Channel] | None] = {}
        self._stands: dict[tuple[str, str], _Stand] = {}
        self._met: set[tuple[Any, ...]] = set()
        self.stands: list[Stand] = []
        """Those that were met; more come at the end."""

    def needs(self, row: Enrolled) -> Needs:
        """What its step is decided by. Raises LookupError for a version or a step that is not there."""
        return self._stand(row).needs

    def plan(self, row: Enrolled, facts: PageFacts, *, steps_before: int) -> Planned | None:
        """What becomes of one whose step is due; None: nothing yet, though it is near.

        `steps_before` is how many steps they have gone in this run. Raises LookupError and ValueError for a row that
        makes no sense.
        """
        stand = self._stand(row)
        journey, step = stand.journey, stand.step
        if steps_before > len(journey.steps):
            raise ValueError(f"journey {journey.name} version {journey.version} goes in a circle at step {step.id}")
        traveller = self._traveller(row, journey, facts)
        if step.branch:
            return None if row.due_at > self._at(row) else self._part(row, journey, step, traveller)
        over_at = self._counted_anew(row, step, traveller)
        if over_at is None:
            return self._skip(row, journey, step, traveller, NO_ENDING)
        if over_at > row.due_at:
            return self._wait(row, over_at)
        action_key = f"{stand.key_begins}/{row.key_part}/{row.number}/{stand.key_ends}"
        decided = decide(journey, step, traveller, self._policy, due_at=row.due_at, now=self._at(row), key=action_key)
        if isinstance(decided, SkipStep):
            return self._skip(row, journey, step, traveller, decided.reason)
        going = _going(row, at=decided.due_at, reason=decided.reason)
        return Planned(self._sent(row, stand, decided.channel, facts), (going,), decided.channel, None, None)

    def meet(self, stands: Iterable[Stand]) -> bool:
        """Look at steps that nobody stood at before in this run; True when any of them is new to it."""
        new = [one for one in stands if one[:_NAMED] not in self._met]
        for one in new:
            self._met.add(one[:_NAMED])
            try:
                stand = self._stand(one)
            except SENSELESS:  # which is told of each who stands there
                self.stands.append(one._replace(is_alone=True))
                continue
            needs = stand.needs
            is_alone = needs.is_counted_down or bool(stand.step.branch)
            self.stands.append(one._replace(purpose=needs.purpose, is_steered=needs.behaviour, is_alone=is_alone))
        return bool(new)

    def decide_alike(self, alike: Alike) -> tuple[Advance, Channel] | None:
        """How the step of all of these is done, each at its time; None: that has to be asked of each.

        Hours and time zones begin and end on whole minutes, so the minute does for the instant.
        """
        if alike.key is None:
            return None
        if alike.key not in self._alike:
            one = alike.anyone()
            try:
                planned = self.plan(one.row, _facts_of(one), steps_before=0)
            except SENSELESS:  # which is told of each
                planned = None
            self._alike[alike.key] = _at_its_time(planned, one.row)
        return self._alike[alike.key]

    def purpose_of(self, advance: Advance) -> str | None:
        """What a step is for, as reviews call it; None: nothing is done that a rule may delay."""
        if advance not in self._purposes:
            action = advance.action
            is_counted = action is not None and not action.is_skipped and is_reviewable(action.kind, action.basis)
            self._purposes[advance] = step_purpose(advance.journey, advance.step) if is_counted else None
        return self._purposes[advance]

    def crowded(self, advance: Advance, rules: Iterable[Rule]) -> Advance:
        """The same, for which these rules apply beside its own."""
        made = advance, tuple(rules)
        if made not in self._crowded:
            own = advance.action.ask if advance.action is not None else None
            ask = self._risks.with_rules(step_purpose(advance.journey, advance.step), own, made[1])
            self._crowded[made] = _asking(advance, ask)
        return self._crowded[made]

    def _sent(self, row: Enrolled, stand: "_Stand", channel: Channel, facts: PageFacts) -> Advance:
        is_vip = self._risks.is_of_tiers and row.person.tier == Tier.VIP
        made = row.journey_hash, row.step, channel, is_vip, row.customer_id in facts.in_hardship
        advance = self._advances.get(made)
        if advance is None:
            advance = self._act(row, stand.journey, stand.step, channel, is_skipped=False)
            ends = pointless_at(stand.step, row.due_at)
            advance = replace(advance, worth=ends - row.due_at if ends is not None else None)
            advance = self._advances[made] = _asking(advance, self._ask(advance, *made[-2:]))
        return advance

    def _ask(self, advance: Advance, is_vip: bool, in_hardship: bool) -> Ask | None:
        action = advance.action
        if action is None:
            return None
        tier = Tier.VIP if is_vip else None
        one = Outward(action.kind, action.basis, tier, in_hardship, self._says_money(action.payload))
        return self._risks.ask(step_purpose(advance.journey, advance.step), one)

    def land(self, row: Enrolled, facts: PageFacts) -> Landed:
        """Where one goes on whose action is over; `row.due_at` is since when. Raises as `plan` does."""
        if row.action_id is None:
            raise ValueError(f"enrolment {row.id} is not in the air")
        stand = self._stand(row)
        traveller = self._traveller(row, stand.journey, facts)
        next_step, due_at = self._onward(row, stand.journey, stand.step, traveller)
        return Landed(row.id, row.action_id, row.due_at, next_step, due_at)

    def set_aside(self, row: Enrolled, why: str, *, until: datetime) -> Planned:
        """One whose row makes no sense: it waits, with the reason, and nobody with it."""
        advance = self._stay(row)
        return Planned(advance, (_going(row, next_due_at=until, reason=why),), None, None, None)

    def _traveller(self, row: Enrolled, journey: Journey, facts: PageFacts) -> Traveller:
        next_ending, ending_zone = facts.endings.get(row.customer_id, (None, None))
        return Traveller(
            customer=as_customer(row.person),
            entered_at=row.entered_at,
            previous_at=row.previous_at,
            next_ending=next_ending,
            ending_zone=ending_zone,
            suppressed=facts.suppressed.get(row.customer_id, frozenset()),
            consents=facts.consents.get((row.customer_id, journey.purpose), {}),
            behaviour=facts.behaviour.get(row.customer_id, {}),
        )

    def _counted_anew(self, row: Enrolled, step: Step, traveller: Traveller) -> datetime | None:
        """When its wait is over as things stand: an ending that it counts down to may have been moved meanwhile."""
        after = step.after
        if after.of is not Anchor.ENDING:
            return row.due_at
        over_at = wait_over_at(step, traveller, default_time_zone=self._policy.default_time_zone)
        is_before = min(after.days, after.hours, after.minutes) < 0
        if over_at is None:
            return None if is_before or row.due_at == row.previous_at else row.due_at
        return max(over_at, row.due_at) if is_before else row.due_at

    def _onward(
        self, row: Enrolled, journey: Journey, step: Step, traveller: Traveller
    ) -> tuple[str | None, datetime | None]:
        """The step after one that was over at `row.due_at`, and when its wait is."""
        later = following(journey, step, traveller, now=self._at(row))
        if later is None:
            return None, None
        there = replace(traveller, previous_at=row.due_at)
        zone = self._policy.default_time_zone
        return later.id, max(due_on_arrival(later, there, default_time_zone=zone, now=self._at(row)), row.due_at)

    def _part(self, row: Enrolled, journey: Journey, step: Step, traveller: Traveller) -> Planned:
        next_step, due_at = self._onward(row, journey, step, traveller)
        made = row.journey_hash, step.id, "part", next_step
        advance = self._advances.get(made)
        if advance is None:
            advance = self._advances[made] = Advance(row.journey, row.journey_hash, step.id, None, True, next_step)
        going = _going(row, next_due_at=due_at)
        return Planned(advance, (going,), None, None, _onward_row(row, next_step, due_at))

    def _skip(self, row: Enrolled, journey: Journey, step: Step, traveller: Traveller, why: str) -> Planned:
        next_step, due_at = self._onward(row, journey, step, traveller)
        made = row.journey_hash, step.id, "skip", next_step
        advance = self._advances.get(made)
        if advance is None:
            channel = step.by[0] if step.by else Channel.PERSON
            advance = self._act(row, journey, step, channel, is_skipped=True, next_step=next_step)
            self._advances[made] = advance
        going = _going(row, at=row.due_at, next_due_at=due_at, reason=why)
        return Planned(advance, (going,), None, why, _onward_row(row, next_step, due_at))

    def _wait(self, row: Enrolled, until: datetime) -> Planned:
        going = _going(row, next_due_at=until)
        return Planned(self._stay(row), (going,), None, None, row._replace(due_at=until))

    def _stay(self, row: Enrolled) -> Advance:
        made = row.journey_hash, row.step, "stay"
        advance = self._advances.get(made)
        if advance is None:
            advance = self._advances[made] = Advance(row.journey, row.journey_hash, row.step, None, False, row.step)
        return advance

    def _act(
        self,
        row: Enrolled,
        journey: Journey,
        step: Step,
        channel: Channel,
        *,
        is_skipped: bool,
        next_step: str | None = None,
    ) -> Advance:
        payload = self._payloads.get((row.journey_hash, step.id))
        if payload is None:
            wordings = step_wordings(self._wordings, step, self._policy.languages)
            if step.message is not None and not wordings:
                raise LookupError(f"no wording of {step.message} is approved yet")
            payload = self._payloads[row.journey_hash, step.id] = step_payload(journey, step, wordings)
        basis = basis_of(step, channel)
        purpose = journey.purpose if basis is Basis.PROACTIVE else None
        action = StepAction(KIND_OF[channel], basis, CAPABILITY_OF[channel], purpose, payload, is_skipped)
        return Advance(row.journey, row.journey_hash, step.id, action, is_skipped, next_step if is_skipped else step.id)

    def _stand(self, row: Enrolled | Stand) -> "_Stand":
        at = row.journey_hash, row.step
        known = self._stands.get(at)
        if known is None:
            journey = self._journey_of(row.journey_hash)
            step = journey.step(row.step)
            parts = key("journey", row.journey), key(step.id)
            known = self._stands[at] = _Stand(journey, step, _needs(journey, step), *parts)
        return known

    def _at(self, row: Enrolled) -> datetime:
        """When one is decided on."""
        return self._now or row.due_at


class _Stand(NamedTuple):
    """Where enrolments stand: one step of one version. Its key's parts are quoted as `journey_key` quotes them."""

    journey: Journey
    step: Step
    needs: Needs
    key_begins: str
    key_ends: str


def _going(
    row: Enrolled, *, at: datetime | None = None, next_due_at: datetime | None = None, reason: str | None = None
) -> Going:
    was_due = Instant.microseconds(row.due_at)
    return Going(row.id, was_due, row.customer_id, row.version, row.action_id, at, next_due_at, reason)


def _facts_of(one: Anyone) -> PageFacts:
    who = one.row.customer_id
    facts = PageFacts(in_hardship=frozenset([who] if one.in_hardship else ()))
    if one.purpose is not None:
        facts.consents = {(who, one.purpose): one.consents}
    return facts


def _at_its_time(planned: Planned | None, row: Enrolled) -> tuple[Advance, Channel] | None:
    """How it is done, if it is done as nearly all are: when it is due, and nothing is to be said about that."""
    if planned is None or planned.channel is None:
        return None
    (going,) = planned.goings
    return (planned.advance, planned.channel) if (going.at, going.reason) == (row.due_at, None) else None


def _asking(advance: Advance, ask: Ask | None) -> Advance:
    """The same step of those whose action waits for a review."""
    if ask is None or advance.action is None:
        return advance
    return replace(advance, action=replace(advance.action, ask=ask))


def _onward_row(row: Enrolled, next_step: str | None, due_at: datetime | None) -> Enrolled | None:
    if next_step is None or due_at is None:
        return None
    return row._replace(step=next_step, due_at=due_at, previous_at=row.due_at)


def _needs(journey: Journey, step: Step) -> Needs:
    conditions = [step.when, *(branch.when for branch in step.branch)]
    conditions += [step.skip_when] if step.skip_when is not None else []
    bases = {basis_of(step, channel) for channel in step.by}
    return Needs(
        capabilities=frozenset(CAPABILITY_OF[channel] for channel in step.by if channel is not Channel.PERSON),
        purpose=journey.purpose if Basis.PROACTIVE in bases else None,
        behaviour=any(map(_reads_behaviour, conditions)),
        may_hurry=any(each.sooner_on is not None for each in journey.steps),
        ending=any(each.after.of is Anchor.ENDING for each in journey.steps),
        is_counted_down=step.after.of is Anchor.ENDING,
    )


def _reads_behaviour(condition: Condition) -> bool:
    return condition.seen is not None or any(map(_reads_behaviour, (*condition.all, *condition.any, *condition.none)))
