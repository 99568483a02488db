"""What is planned about each ending: policy is asked once for those that are alike, and answers with a thin action."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from itertools import product
from typing import Any, NamedTuple

from domain.actions import Basis, Capability, Kind
from domain.calls import call_payload
from domain.channels import Channel
from domain.contact import ContactWindow, hours_hold
from domain.customers import Tier
from domain.ending_tasks import NOTE_SCHEMA, TASK_SCHEMA
from domain.endings import Calendars, horizon_reached, last_day
from domain.entitlements import EntitlementKind
from domain.expiry import Route, Situation, objections, pressing, route, value_thresholds
from domain.gates import GateVerdict
from domain.planning import Payload
from domain.policy import Policy
from domain.review_rules import Rule
from domain.risk import Outward, call_purpose, is_reviewable
from services.risks import Risks
from store.detection import Alike
from store.ledger.endings import Thin

_NO_BOUND = 2**63 - 1


class _Call(NamedTuple):
    """They are called, if an hour is left for it before it ends."""

    why: str
    instead: Thin


class EndingPlans:
    """The plans of one run, for endings of one kind. What it was asked before it answers from memory."""

    def __init__(
        self,
        kind: EntitlementKind,
        policy: Policy,
        calendars: Calendars,
        wordings: Mapping[str, str],
        risks: Risks,
        *,
        says_money: bool = False,
    ) -> None:
        """`wordings` are the approved words of a call, by language; `says_money`: of money, or an apology."""
        self.kind = kind
        self.purpose = call_purpose(kind)
        """What its calls are for, as reviews call it."""
        self.amounts = value_thresholds(policy)
        """Between two of them any value at risk decides the same."""
        self._risks, self._says_money = risks, says_money
        self._crowded: dict[tuple[Thin, tuple[Rule, ...]], Thin] = {}
        self._wordings = wordings
        self._policy = policy
        self._calendars = calendars
        self._calls_anybody = policy.expiry.calls.basis is not Basis.PROACTIVE
        self._horizons: dict[tuple[date, str], int | None] = {}
        self._plans: dict[tuple[Any, ...], Thin | _Call] = {}
        self._calls: dict[tuple[Any, ...], Thin] = {}
        self._times: dict[tuple[object, ...], tuple[datetime, datetime] | None] = {}

    def called(self) -> tuple[list[str], int, int]:
        """Who may be called if number, consent and lock allow it: of which tiers, from and below how much at risk.

        For others none of the three decides: something else speaks against a call, and is the reason that is given.
        """
        found = [
            (tier, amount)
            for tier, amount in product(Tier, self.amounts)
            if not objections(Channel.VOICE, self._all_well(tier, amount), self._policy)
        ]
        amounts = {amount for _, amount in found}
        above = (amount for amount in self.amounts if amount > max(amounts, default=0))
        return sorted({tier.value for tier, _ in found}), min(amounts, default=0), next(above, _NO_BOUND)

    def _all_well(self, tier: Tier, amount: int) -> Situation:
        return Situation(
            self.kind, tier, amount, has_agent=False, has_phone=True, may_call=True, is_locked=False, is_erased=False
        )

    def choose(self, alike: Alike, *, is_suppressed: bool = False, gate: GateVerdict = GateVerdict.PASS) -> Thin | None:
        """What is planned about each; None when they have reached no horizon that nothing was planned for yet."""
        horizon = self._horizon(alike)
        if horizon is None or (alike.task_horizon is not None and horizon >= alike.task_horizon):
            return None
        decides: tuple[Any, ...] = horizon, alike.at_risk_minor
        if not alike.has_task:
            has_phone = alike.has_phone and not is_suppressed
            may_call = self._calls_anybody or bool(alike.consents)
            decides += (alike.tier, alike.has_agent, has_phone, may_call, alike.is_locked, alike.is_erased)
        plan = self._plans.get(decides)
        if plan is None:
            plan = self._plans[decides] = self._note(*decides) if alike.has_task else self._decide(*decides)
        if isinstance(plan, Thin):
            return plan
        times = self._call_times(alike)
        if times is None:
            return plan.instead
        in_hardship = bool(alike.in_hardship)
        asked = decides, times, in_hardship, gate
        call = self._calls.get(asked)
        if call is None:
            planned = self._call(horizon, alike.at_risk_minor, plan.why, *times)
            one = Outward(planned.kind, planned.basis, Tier(alike.tier), in_hardship, self._says_money, gate)
            call = self._calls[asked] = replace(planned, ask=self._risks.ask(self.purpose, one))
        return call

    def is_counted(self, thin: Thin) -> bool:
        """True for a call, of which there may be too many at once."""
        return not thin.is_skipped and is_reviewable(thin.kind, thin.basis)

    def crowded(self, thin: Thin, rules: Iterable[Rule]) -> Thin:
        """The same, for which these rules apply beside its own."""
        made = thin, tuple(rules)
        if made not in self._crowded:
            ask = self._risks.with_rules(self.purpose, thin.ask, made[1])
            self._crowded[made] = replace(thin, ask=ask)
        return self._crowded[made]

    def _horizon(self, alike: Alike) -> int | None:
        """The horizon they have reached on their own calendar."""
        cell = alike.ends_on, alike.time_zone
        if cell not in self._horizons:
            today = self._calendars.today(alike.time_zone)
            self._horizons[cell] = horizon_reached(self.kind, alike.ends_on, today, self._policy)
        return self._horizons[cell]

    def _decide(self, horizon: int, at_risk: int, tier: str, *who: bool) -> "Thin | _Call":
        situation = Situation(self.kind, Tier(tier), at_risk, *who)
        decided = route(situation, self._policy)
        if decided.channel is not Channel.VOICE:
            return self._task(horizon, at_risk, decided)
        against = objections(Channel.PERSON, situation, self._policy)
        why = "no hour is left for a call before it ends" if self._wordings else "no wording of a call is approved yet"
        instead = Route(None, f"{why}; {against[0]}") if against else Route(Channel.PERSON, why)
        task = self._task(horizon, at_risk, instead)
        return _Call(decided.why, task) if self._wordings else task

    def _task(self, horizon: int, at_risk: int, decided: Route) -> Thin:
        is_skipped = decided.channel is None
        return Thin(
            what="task",
            kind=Kind.TASK,
            basis=Basis.INTERNAL,
            capability=Capability.CRM,
            payload=Payload(TASK_SCHEMA, pressing(at_risk, horizon, self.kind, self._policy) | {"why": decided.why}),
            due_at=self._calendars.now,
            reason=decided.why if is_skipped else None,
            is_skipped=is_skipped,
        )

    def _note(self, horizon: int, at_risk: int) -> Thin:
        return Thin(
            what=f"task/{horizon}",
            kind=Kind.TASK_NOTE,
            basis=Basis.INTERNAL,
            capability=Capability.CRM,
            payload=Payload(NOTE_SCHEMA, pressing(at_risk, horizon, self.kind, self._policy)),
            due_at=self._calendars.now,
            is_after_task=True,
        )

    def _call(self, horizon: int, at_risk: int, why: str, due_at: datetime, not_after: datetime) -> Thin:
        calls = self._policy.expiry.calls
        return Thin(
            what="call/1",
            kind=Kind.CALL,
            basis=calls.basis,
            capability=Capability.VOICE,
            payload=call_payload(pressing(at_risk, horizon, self.kind, self._policy) | {"why": why}, self._wordings),
            due_at=due_at,
            not_after=not_after,
            purpose=calls.purpose,
        )

    def _call_times(self, alike: Alike) -> tuple[datetime, datetime] | None:
        """From when and until when to call: inside the hours they stated, else their tier's; None: it ends before."""
        day = last_day(self.kind, alike.ends_on, alike.latest_on, self._policy)
        asked = (day, alike.time_zone, alike.lives_in, alike.window_start, alike.window_end, alike.tier)
        if asked not in self._times:
            now, not_after = self._calendars.now, self._calendars.end_of(day, alike.time_zone)
            hold = hours_hold(
                self._policy.expiry.calls.basis,
                Capability.VOICE,
                self._window(alike),
                self._policy.contact.quiet,
                self._calendars.place(alike.lives_in).key,
                now,
            )
            due_at = hold.until if hold else now
            self._times[asked] = (due_at, not_after) if due_at < not_after else None
        return self._times[asked]

    def _window(self, alike: Alike) -> ContactWindow:
        if alike.window_start and alike.window_end:
            return ContactWindow(time.fromisoformat(alike.window_start), time.fromisoformat(alike.window_end))
        return self._policy.expiry.calls.windows[Tier(alike.tier)]
