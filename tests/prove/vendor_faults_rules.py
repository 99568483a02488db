"""What each mode of fault means to a write class, and what must be true of every key that met some."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from oracle import Effects, judge
from sqlalchemy import Row

from domain.actions import Basis, Kind, State
from handrail.sandbox.modes import MODES, Meets, Mode
from integrations.retry_after import LONGEST


class Meaning(Enum):
    """What a fault leaves us knowing."""

    NOT_DONE = "surely not done"
    DONE = "surely done"
    LOST = "may have been done"
    REFUSED = "refused for good"


_SAY_429 = {mode for mode in Mode if mode.startswith("retry_after_")} | {Mode.STATUS_429}
_NOT_DONE = _SAY_429 | {Mode.STATUS_401, Mode.STATUS_403, Mode.CONFLICT_BUSY, Mode.BATCH_SOME_LIMITED}
_DONE = {Mode.SLOW, Mode.WRONG_ID, Mode.CONFLICT_EXISTS}
APPLIED = _DONE | {
    *(Mode.TIMEOUT_AFTER, Mode.RESET_AFTER, Mode.BAD_JSON, Mode.STATUS_500_AFTER, Mode.RESET_MID_ANSWER),
    *(Mode.TRUNCATED, Mode.HTML_AFTER, Mode.EMPTY, Mode.OTHER_KEY, Mode.NO_ID, Mode.LATE, Mode.CONFLICT_UNCLEAR),
    *(Mode.BATCH_SOME_FAILED_AFTER, Mode.BATCH_CUT),
}
"""Modes after which the vendor has the write, whatever it said."""

_TOLERANCE = timedelta(milliseconds=5)  # the vendor writes instants down in whole milliseconds
_IN_FLIGHT = timedelta(seconds=1)  # what was armed before a 429 was recorded may still arrive: one timeout, and more


def meaning(mode: str, write_class: str) -> Meaning:
    """What a fault of this mode leaves us knowing of one write."""
    if mode in _NOT_DONE:
        return Meaning.NOT_DONE
    if mode == Mode.BATCH_SOME_REFUSED:
        return Meaning.REFUSED
    if mode in _DONE or (mode == Mode.NO_ID and write_class == "D"):
        return Meaning.DONE
    return Meaning.LOST


def told_to_wait(mode: str, seconds: float) -> float | None:
    """The seconds that a refusal asked for, within reason; None: it did not ask."""
    if mode in {Mode.STATUS_429, Mode.RETRY_AFTER_DATE}:
        return seconds
    if mode in {Mode.RETRY_AFTER_HUGE, Mode.RETRY_AFTER_CENTURY}:
        return LONGEST
    return None


@dataclass(frozen=True)
class Met:
    """A fault that a request met."""

    at: datetime
    mode: Mode
    seconds: float
    capability: str


@dataclass
class Judgement:
    """What came of a class's keys."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    resent: int = 0
    uncertain: int = 0
    settled: int = 0
    left_to_people: int = 0
    longest_recovery: float = 0.0
    violations: list[str] = field(default_factory=list)


def _asks(met: Met) -> bool:
    return told_to_wait(met.mode, met.seconds) is not None


class Judge:
    """Holds the vendor's record and its log of faults against what was due and what Handrail admits."""

    def __init__(
        self,
        effects: Effects,
        log: Iterable[Mapping[str, Any]],
        *,
        write_class: str,
        max_attempts: int,
        heard: Mapping[str, int],
        business: Callable[[datetime], datetime],
    ) -> None:
        self._effects = effects
        self._class = write_class
        self._max_attempts = max_attempts
        self._business = business
        self.met: dict[str, list[Met]] = defaultdict(list)
        for entry in log:
            if MODES[Mode(entry["mode"])].meets is Meets.SEARCHES:
                continue  # nothing was asked to be done
            fault = Met(datetime.fromisoformat(entry["at"]), Mode(entry["mode"]), entry["seconds"], entry["capability"])
            for key in entry["keys"]:
                self.met[key].append(fault)
        asked = {key: sum(met.mode in _SAY_429 for met in mets) for key, mets in self.met.items()}
        self.unheard = {key for key, times in asked.items() if heard.get(key, 0) < times}
        """Keys with a refusal that came after our timeout: to us it was a lost answer, and it told us nothing."""
        self._asked = sum(bool(times) for times in asked.values())

    def judged(self, rows: Sequence[Row[Any]], due: Iterable[str]) -> Judgement:
        """Every rule for every key."""
        wanted = list(due)
        told = {row.key: row for row in rows}
        by_people = [row.key for row in rows if row.state in {State.NEEDS_HUMAN, State.FAILED}]
        verdict = judge(self._effects, wanted, seen_by_people=by_people, resends={row.key: row.resends for row in rows})
        result = Judgement(verdict.lost, verdict.doubled, len(verdict.resent), left_to_people=len(by_people))
        for key in wanted:
            lost = [met for met in self.met[key] if meaning(met.mode, self._class) is Meaning.LOST]
            result.uncertain += bool(lost)
            result.settled += bool(lost) and told[key].state == State.DONE
            result.longest_recovery = max(result.longest_recovery, self._recovery(key))
            words = [*self._ends(told[key]), *self._repeats(told[key], lost), *self._waits(key)]
            result.violations += [f"{key} ({[str(met.mode) for met in self.met[key]]}): {word}" for word in words]
        return result

    def _ends(self, row: Row[Any]) -> Iterable[str]:
        """Where it may end: nothing applied is called failed; what is safe to repeat is repeated until it is done."""
        made, mets = self._effects.count(row.key), self.met[row.key]
        if row.state == State.FAILED and made:
            yield f"called failed, and the vendor has it: {row.reason}"
        if row.state == State.DONE or row.attempts >= self._max_attempts:
            return
        if any(meaning(met.mode, self._class) is Meaning.REFUSED for met in mets):
            return
        if self._class in {"A", "B"}:
            yield f"left to people after {row.attempts} attempts, though it is safe to repeat: {row.reason}"
        elif all(meaning(met.mode, self._class) is not Meaning.LOST for met in mets) and "lost" not in row.reason:
            yield f"left to people, though nothing was unclear: {row.reason}"

    def _repeats(self, row: Row[Any], lost: Sequence[Met]) -> Iterable[str]:
        """What may not be repeated once it may have gone out, and how often anything may be tried (P17)."""
        made, mets = self._effects.count(row.key), self.met[row.key]
        may_resend = row.kind == Kind.ACKNOWLEDGEMENT if self._class == "D" else row.basis == Basis.INTERNAL
        if made > (2 if self._class == "D" and may_resend and row.resends else 1):
            yield f"applied {made} times"
        if len(mets) > self._max_attempts or row.attempts > self._max_attempts:
            yield f"tried {max(len(mets), row.attempts)} times"
        if self._class in {"A", "B"} or not lost:
            return
        after = mets[mets.index(lost[0]) + 1 :]
        if not may_resend and (after or made > (lost[0].mode in APPLIED)):
            yield "sent again though it may have gone out"
        if self._class == "C" and lost[0].mode in APPLIED and after:
            yield "sent again though a search would have found it"
        if len(lost) > 2:
            yield "sent again after its one resend"

    def deaf(self) -> Iterable[str]:
        """A busy machine may miss some refusals; whoever misses most of them is not listening."""
        if len(self.unheard) > max(2, self._asked / 2):
            yield f"of {self._asked} keys that were told to wait {len(self.unheard)} did not hear it: {self.unheard}"

    def _waits(self, key: str) -> Iterable[str]:
        """No sooner again than a refusal asked, by business time (P19)."""
        if key in self.unheard:
            return
        mets, made = self.met[key], self._effects.made.get(key, [])
        for met in mets:
            told = told_to_wait(met.mode, met.seconds)
            later = [each for each in (*(met.at for met in mets), *made) if each > met.at]
            if told is None or not later:
                continue
            waited = self._business(min(later)) - self._business(met.at)
            if waited < timedelta(seconds=told) - _TOLERANCE:
                yield f"told to wait {told:g} s and came after {waited.total_seconds():g} s"

    def _recovery(self, key: str) -> float:
        """Business seconds from the last fault it met to its effect, without what it was told to wait."""
        made = self._effects.made.get(key, [])
        before = [met for met in self.met[key] if made and met.at <= made[-1]]
        if not before or before[-1].mode in APPLIED:
            return 0.0
        waited = self._business(made[-1]) - self._business(before[-1].at)
        return max(0.0, waited.total_seconds() - (told_to_wait(before[-1].mode, before[-1].seconds) or 0))

    def rushed(self) -> Iterable[str]:
        """Requests to a vendor that had asked, through any of its refusals, to be left alone (P19)."""
        arrivals: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        refusals: dict[str, list[Met]] = defaultdict(list)
        capability_of = {key: mets[0].capability for key, mets in self.met.items() if mets}
        for key, mets in self.met.items():
            for met in mets:
                arrivals[met.capability].append((met.at, key))
                if _asks(met) and key not in self.unheard:
                    refusals[met.capability].append(met)
        for key, capability in capability_of.items():
            arrivals[capability] += [(at, key) for at in self._effects.made.get(key, [])]
        for capability, refused in refusals.items():
            came = sorted((self._business(at), key) for at, key in arrivals[capability])
            for met in refused:
                begins = self._business(met.at) + _IN_FLIGHT
                ends = self._business(met.at) + timedelta(seconds=told_to_wait(met.mode, met.seconds) or 0) - _TOLERANCE
                early = next((key for at, key in came if begins < at < ends), None)
                if early is not None:
                    yield f"{capability}: {early} came while the vendor had asked for quiet ({met.mode})"
                    break
