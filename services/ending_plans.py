"""What is planned about each ending: policy is asked once for those that are alike, and answers with a thin action."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
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
from store.detection import Ending
from store.ledger.endings import Chosen, Thin


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
        self._risks, self._says_money = risks, says_money
        self._crowded: dict[tuple[Thin, tuple[Rule, ...]], Thin] = {}
        self._wordings = wordings
        self._policy = policy
        self._calendars = calendars
        self._thresholds = value_thresholds(policy)
        self._rules = policy.expiry.kinds[kind]
        self._calls_anybody = policy.expiry.calls.basis is not Basis.PROACTIVE
        self._horizons: dict[tuple[date, str], int | None] = {}
        self._plans: dict[tuple[Any, ...], Thin | _Call] = {}
        self._calls: dict[tuple[Any, ...], Thin] = {}
        self._times: dict[tuple[object, ...], tuple[datetime, datetime] | None] = {}

    def horizon(self, ending: Ending) -> int | None:
        """The horizon it has reached on its own calendar."""
        cell = ending.ends_on, ending.time_zone
        if cell not in self._horizons:
            today = self._calendars.today(ending.time_zone)
            self._horizons[cell] = horizon_reached(self.kind, ending.ends_on, today, self._policy)
        return self._horizons[cell]

    def may_be_called(self, ending: Ending) -> bool:
        """True when policy has the voicebot call such customers; then it matters whether the number is suppressed."""
        return ending.phone is not None and ending.tier in self._rules.call

    def choose(
        self,
        ending: Ending,
        *,
        is_suppressed: bool,
        consents: bool,
        in_hardship: bool = False,
        gate: GateVerdict = GateVerdict.PASS,
    ) -> tuple[Thin, Chosen] | None:
        """What is planned about one ending; None when it has reached no horizon that nothing was planned for yet."""
        horizon = self.horizon(ending)
        if horizon is None or (ending.task_horizon is not None and horizon >= ending.task_horizon):
            return None
        at_risk = self._thresholds[bisect_right(self._thresholds, ending.at_risk_minor) - 1]
        chosen = Chosen(ending.id, ending.version, ending.task_id)
        decides: tuple[Any, ...]
        if ending.task_id is not None:
            decides = (horizon, at_risk)
        else:
            has_phone = ending.phone is not None and not is_suppressed
            may_call = self._calls_anybody or consents
            who = (ending.tier, ending.has_agent, has_phone, may_call, ending.is_locked, ending.is_erased)
            decides = (horizon, at_risk, *who)
        plan = self._plans.get(decides)
        if plan is None:
            plan = self._plans[decides] = self._decide(*decides) if ending.task_id is None else self._note(*decides)
        if isinstance(plan, Thin):
            return plan, chosen
        times = self._call_times(ending)
        if times is None:
            return plan.instead, chosen
        alike = decides, times, in_hardship, gate
        call = self._calls.get(alike)
        if call is None:
            planned = self._call(horizon, at_risk, plan.why, *times)
            one = Outward(planned.kind, planned.basis, Tier(ending.tier), in_hardship, self._says_money, gate)
            call = self._calls[alike] = replace(planned, ask=self._risks.ask(self.purpose, one))
        return call, chosen

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

    def _call_times(self, ending: Ending) -> tuple[datetime, datetime] | None:
        """From when and until when to call: inside the hours they stated, else their tier's; None: it ends before."""
        day = last_day(self.kind, ending.ends_on, ending.latest_on, self._policy)
        asked = (day, ending.time_zone, ending.lives_in, ending.window_start, ending.window_end, ending.tier)
        if asked not in self._times:
            now, not_after = self._calendars.now, self._calendars.end_of(day, ending.time_zone)
            hold = hours_hold(
                self._policy.expiry.calls.basis,
                Capability.VOICE,
                self._window(ending),
                self._policy.contact.quiet,
                self._calendars.place(ending.lives_in).key,
                now,
            )
            due_at = hold.until if hold else now
            self._times[asked] = (due_at, not_after) if due_at < not_after else None
        return self._times[asked]

    def _window(self, ending: Ending) -> ContactWindow:
        if ending.window_start and ending.window_end:
            return ContactWindow(time.fromisoformat(ending.window_start), time.fromisoformat(ending.window_end))
        return self._policy.expiry.calls.windows[Tier(ending.tier)]
