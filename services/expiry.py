"""Expiry detection: what is about to end, told from what is not, and planned as thin actions. It contacts nobody."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from domain.actions import Kind
from domain.calls import call_payload, call_wordings
from domain.endings import Calendars, ends_due, horizon_reached, quiet_before
from domain.entitlements import EntitlementKind, Standing
from domain.gates import DataSet, GateVerdict
from domain.hours import require_aware
from domain.policy import Policy
from domain.review_rules import Rule
from services.crowds import MOST_HELD, Crowds
from services.ending_plans import EndingPlans
from services.risks import Risks
from store import detection as store
from store.canonical import address_hash
from store.database import Database
from store.detection import Alike, Asked, Cell, Found
from store.ledger.endings import Chosen, Planned, Thin, plan
from store.ledger.facts import gates_of
from store.pages import Aside, Pace, Written, timed
from store.wordings import approved

CHART_DAYS = 30

OVER, QUIET = "over already", "quiet for too long: the customer has probably stopped"
RENEWS, CANCELLED, RENEWED = "renews by itself", "cancelled", "renewed"

OVERLAP = timedelta(hours=1)
"""How far behind its mark a look goes back, for what changed earlier in a transaction that was committed later."""

WHOLE_OVERLAP = timedelta(days=2)
"""The same once a day, for closing: a day's look over what changed since the one before the last."""

_SQLITE_HOLD_SECONDS, _HOLD_SECONDS = 0.04, 0.1
"""How long one transaction of planning may last. SQLite's keeps every other writer waiting, urgent ones among them."""

_FIRST_PAGE, _SMALLEST_PAGE, _LARGEST_PAGE = 500, 50, 5_000
"""Endings a transaction; the page grows and shrinks with the time the last one took."""

_SQLITE_LARGEST_PAGE = 1_500
"""Of more, the pages that reading fetched would not be there any more when they are written about."""


@dataclass
class GateReport:
    """Which gates' data may be acted on."""

    usable: frozenset[int]
    warned: frozenset[int] = frozenset()
    """Those of them that passed with warnings, or because a person let them."""
    problems: list[str] = field(default_factory=list)
    """Feeds that nothing is done about, and why, in words."""


@dataclass(frozen=True)
class Look:
    """What of one kind a run looks at: the whole window, or what changed or came near since an instant."""

    kind: EntitlementKind
    since: datetime | None
    why: str
    moves_mark: bool = True


@dataclass
class Detection:
    """What stands in the window at one instant."""

    at: datetime
    looks: list[Look]
    closes_since: datetime
    """What changed after it may have made something needless that was planned."""
    found: dict[str, dict[int, int]] = field(default_factory=dict)
    """How many endings have reached each horizon, by kind."""
    at_risk_minor: dict[str, int] = field(default_factory=dict)
    """What they put at risk, in minor units of the policy's currency, by kind."""
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many are not to be planned, by kind and reason."""
    per_day: dict[date, Counter[str]] = field(default_factory=dict)
    """Endings of the next days, by kind."""
    cells: dict[EntitlementKind, dict[date, dict[str, int]]] = field(default_factory=dict)
    """Days and zones with endings to look at, and the horizon each has reached."""


@dataclass
class Planning:
    """What a run planned."""

    planned: Counter[str] = field(default_factory=Counter)
    """How many actions, by what they are: `task`, `call`, `note`."""
    skipped: Counter[str] = field(default_factory=Counter)
    """How many endings nothing is done about, by reason."""
    held: Counter[str] = field(default_factory=Counter)
    """How many wait because of their gate, by kind."""
    reviewed: int = 0
    """How many calls wait for a review."""
    at_risk_minor: int = 0
    """What the endings put at risk about which something was planned."""
    pages: int = 0
    longest_hold_seconds: float = 0.0


def look_at_gates(database: Database, policy: Policy, *, now: datetime) -> GateReport:
    """Which gates let data through whose feed is not stale; a feed that is gone stale, or never passed, is named."""
    with database.read() as connection:
        feeds = store.feeds(connection)
        gates = gates_of(connection, set(feeds))
    passed = [gate for gate in gates.values() if gate.verdict.lets_through]
    usable = {gate.id for gate in passed if not gate.is_stale(policy.gates, now=now)}
    stale = {(gate.data_set, feeds[gate.id]): gate.last_passed_at for gate in passed if gate.id not in usable}
    problems = [
        f"{data_set} of {feed}: nothing was accepted since {at:%Y-%m-%d %H:%M} UTC; nothing is planned on it"
        for (data_set, feed), at in sorted(stale.items())
        if data_set is not DataSet.CUSTOMERS
    ]
    if not passed:
        problems.append("no batch of entitlements has passed a gate yet: nothing is planned")
    warned = {gate.id for gate in passed if gate.id in usable and gate.verdict is GateVerdict.WARNINGS}
    return GateReport(frozenset(usable), frozenset(warned), problems)


def detect(database: Database, policy: Policy, *, now: datetime) -> Detection:
    """Count what is about to end and what is left out, and say what has to be looked at. A naive time is refused."""
    now = require_aware(now)
    calendars = Calendars(now, policy.default_time_zone)
    with database.read() as connection:
        marks = store.read_marks(connection)
        looks = [_look(kind, marks.get(kind), calendars) for kind in EntitlementKind]
        detection = Detection(now, looks, _closes_since(looks, marks, now))
        for look in looks:
            _count(connection, look, detection, policy, calendars)
        detection.looks = [_wider(connection, look, detection, now) for look in looks]
    return detection


def _look(kind: EntitlementKind, mark: Any, calendars: Calendars) -> Look:
    now, place = calendars.now, calendars.place(None)
    if mark is None:
        return Look(kind, None, "nobody has looked yet")
    if now < mark.looked_at:
        return Look(kind, None, "an earlier time than the last look's", moves_mark=False)
    if now.astimezone(place).date() > mark.whole_at.astimezone(place).date():
        return Look(kind, None, "the day's look over the whole window")
    return Look(kind, mark.looked_at, "what is new since the last look")


def _closes_since(looks: Sequence[Look], marks: Mapping[str, Any], now: datetime) -> datetime:
    """The earliest mark less the overlap, which is longer where the whole window is looked at; never: from ever on."""
    return min(
        (
            min(mark.looked_at, now) - (WHOLE_OVERLAP if look.since is None else OVERLAP)
            for look in looks
            if (mark := marks.get(look.kind)) is not None
        ),
        default=datetime.fromtimestamp(0, UTC),
    )


def _wider(connection: Connection, look: Look, detection: Detection, now: datetime) -> Look:
    """Where more has changed than the window holds, looking over the window is less work."""
    if look.since is None:
        return look
    window = sum(detection.found[look.kind].values())
    changed = store.changed_count(connection, look.since - OVERLAP, most=window + _LARGEST_PAGE)
    if changed < window + _LARGEST_PAGE:
        return look
    return Look(look.kind, None, "more has changed than the window holds", look.moves_mark)


def _count(connection: Connection, look: Look, detection: Detection, policy: Policy, calendars: Calendars) -> None:
    kind, horizons = look.kind, policy.expiry.kinds[look.kind].horizons
    first, last = ends_due(kind, policy, calendars.now)
    quiet = quiet_before(kind, policy, calendars.now)

    def counted(state: Standing, first: date, last: date, *, auto_renews: bool) -> list[Cell]:
        return store.census(
            connection, kind, state, auto_renews=auto_renews, first=first, last=last, quiet_before=quiet
        )

    found, left_out = Counter(dict.fromkeys(horizons, 0)), Counter[str]()
    cells = detection.cells.setdefault(kind, {})
    charted = max(last, calendars.now.date() + timedelta(days=CHART_DAYS + 1))
    for cell in counted(Standing.ACTIVE, first - timedelta(days=horizons[0]), charted, auto_renews=False):
        today = calendars.today(cell.time_zone)
        horizon = horizon_reached(kind, cell.ends_on, today, policy)
        if 0 <= (cell.ends_on - today).days < CHART_DAYS:
            detection.per_day.setdefault(cell.ends_on, Counter())[kind] += cell.endings
        if cell.is_quiet:
            left_out[QUIET] += cell.endings
        elif horizon is not None:
            found[horizon] += cell.endings
            cells.setdefault(cell.ends_on, {})[cell.time_zone] = horizon
            detection.at_risk_minor[kind] = detection.at_risk_minor.get(kind, 0) + cell.at_risk_minor
        elif cell.ends_on < today:
            left_out[OVER] += cell.endings

    def is_near(day: date, time_zone: str) -> bool:
        return 0 <= (day - calendars.today(time_zone)).days <= horizons[0]

    for reason, state, auto_renews in (
        (RENEWS, Standing.ACTIVE, True),
        (CANCELLED, Standing.CANCELLED, False),
        (CANCELLED, Standing.CANCELLED, True),
    ):
        those = counted(state, first, last, auto_renews=auto_renews)
        left_out[reason] += sum(cell.endings for cell in those if is_near(cell.ends_on, cell.time_zone))
    left_out[RENEWED] = sum(
        count for day, place, count in store.renewed(connection, kind, first=first, last=last) if is_near(day, place)
    )
    detection.found[kind] = dict(found)
    detection.left_out[kind] = {reason: count for reason, count in left_out.items() if count}


def plan_endings(
    database: Database,
    policy: Policy,
    detection: Detection,
    gates: GateReport,
    *,
    run: str,
    dry_run: bool = False,
) -> Planning:
    """Plan what is new, page by page; `dry_run` decides the same and writes nothing.

    Run again, or beside itself, or after dying anywhere, it plans nothing twice: keys are facts of the endings.
    """
    planning = Planning()
    hold, largest = (
        (_SQLITE_HOLD_SECONDS, _SQLITE_LARGEST_PAGE) if database.is_sqlite else (_HOLD_SECONDS, _LARGEST_PAGE)
    )
    pace = Pace(hold, first=_FIRST_PAGE, smallest=_SMALLEST_PAGE, largest=largest)
    with database.in_pages() as write, Aside(database) as aside:
        for look in detection.looks if gates.usable else ():
            _Run(
                database, write, aside, policy, detection, gates, planning, look, pace, run=run, dry_run=dry_run
            ).plan()
    return planning


class _Run:
    """The planning of one kind."""

    def __init__(
        self,
        database: Database,
        write: Callable[[str], AbstractContextManager[Connection]],
        aside: Aside,
        policy: Policy,
        detection: Detection,
        gates: GateReport,
        planning: Planning,
        look: Look,
        pace: Pace,
        *,
        run: str,
        dry_run: bool,
    ) -> None:
        self._database, self._policy, self._look, self._pace = database, policy, look, pace
        self._write_page, self._aside = write, aside
        self._detection, self._gates, self._planning = detection, gates, planning
        self._run, self._dry_run = run, dry_run
        self._risks = Risks(policy, now=detection.at)
        with database.read() as connection:
            wordings = call_wordings(approved(connection), policy.languages)
            says_money = self._risks.says_money_or_apology(connection, call_payload({}, wordings))
            self._with_numbers = store.is_any_number_suppressed(connection)
        calendars = Calendars(detection.at, policy.default_time_zone)
        self._plans = EndingPlans(look.kind, policy, calendars, wordings, self._risks, says_money=says_money)
        self._crowds: Crowds[tuple[Thin, Chosen]] | None = None
        if self._risks.is_of_many:
            self._crowds = Crowds(self._room, policy.reviews.rules.risk_of, most=MOST_HELD, size_of=_size)

    def plan(self) -> None:
        """Page after page; then the mark, unless some wait for their gate: they must be seen again."""
        held_before = self._planning.held[self._look.kind]
        for page in self._pages():
            chosen = self._choose(page)
            self._write(chosen if self._crowds is None else self._without_held(chosen, self._crowds))
        for _, rules, those in self._crowds.rest() if self._crowds is not None else ():
            self._in_pages(those, rules)
        self._aside.finish()  # the mark says that all of it was planned
        if self._dry_run or not self._look.moves_mark or self._planning.held[self._look.kind] > held_before:
            return
        now, is_whole = self._detection.at, self._look.since is None
        with self._database.write("mark-endings") as connection:
            store.set_mark(connection, self._look.kind, looked_at=now, whole_at=now if is_whole else None)

    def _pages(self) -> Iterator[list[Alike]]:
        """What is read, in pages that one transaction can write."""
        page: list[Alike] = []
        room = self._pace.size
        for look, begin in self._reads():
            after: tuple[Any, ...] | None = begin
            while after is not None:
                with self._database.read_ahead() as connection:
                    alike, after = look(connection, after=after, limit=room)
                page += alike
                room -= sum(one.endings for one in alike)
                if not room:
                    yield page
                    page, room = [], self._pace.size
        if page:
            yield page

    def _reads(self) -> Iterator[tuple[Callable[..., Found], tuple[Any, ...]]]:
        """How what has to be looked at is read, page by page, and where each reading begins."""
        kind, at = self._look.kind, self._detection.at
        asked = Asked(
            kind,
            quiet_before(kind, self._policy, at),
            self._plans.amounts,
            *self._plans.called(),
            self._policy.expiry.calls.purpose,
            self._risks.distress_since,
            self._with_numbers,
        )
        days = dict(self._days())
        for first, last, nearest in _spans(days):
            yield partial(store.unplanned_in, asked=asked, last=last, nearest=nearest), (first, "", 0)
        if self._look.since is None:
            return
        first, last = ends_due(kind, self._policy, at)
        nearest = self._policy.expiry.kinds[kind].horizons[-1]

        def changed(connection: Connection, *, after: tuple[Any, ...], limit: int) -> Found:
            found = store.unplanned_since(connection, asked, first, last, nearest=nearest, after=after, limit=limit)
            # Nobody is to be planned about twice in a page.
            return found._replace(alike=[one for one in found.alike if one.ends_on not in days])

        yield changed, (self._look.since - OVERLAP, 0)

    def _days(self) -> Iterator[tuple[date, int]]:
        """The days to look at, with the horizon each has reached: all of the window, or those that came nearer."""
        kind, since = self._look.kind, self._look.since
        then = None if since is None else Calendars(since, self._policy.default_time_zone)
        for day, zones in sorted(self._detection.cells[kind].items()):
            if then is None or any(
                horizon_reached(kind, day, then.today(place), self._policy) != horizon
                for place, horizon in zones.items()
            ):
                yield day, min(zones.values())

    def _choose(self, page: Sequence[Alike]) -> dict[Thin, list[Chosen]]:
        """What is planned about each of a page, those alike together."""
        suppressed = self._suppressed(page)
        chosen: dict[Thin, list[Chosen]] = {}
        for alike in page:
            thin = self._plans.choose(
                alike,
                is_suppressed=alike.phone in suppressed,
                gate=GateVerdict.WARNINGS if alike.gate_id in self._gates.warned else GateVerdict.PASS,
            )
            if thin is None:
                continue
            if alike.gate_id not in self._gates.usable:
                self._planning.held[self._look.kind] += alike.endings
                continue
            chosen.setdefault(thin, []).append(Chosen(alike.version, alike.ids, alike.endings))
            if not thin.is_skipped:
                self._planning.at_risk_minor += alike.sum_at_risk_minor
        return chosen

    def _suppressed(self, page: Sequence[Alike]) -> set[str]:
        """The telephone numbers of a page that must not be called."""
        hashes = {alike.phone: address_hash(alike.phone) for alike in page if alike.phone is not None}
        if not hashes:
            return set()
        with self._database.read_ahead() as connection:
            suppressed = store.suppressed_numbers(connection, sorted(set(hashes.values())))
        return {phone for phone, hashed in hashes.items() if hashed in suppressed}

    def _without_held(
        self, chosen: Mapping[Thin, Sequence[Chosen]], crowds: Crowds[tuple[Thin, Chosen]]
    ) -> dict[Thin, Sequence[Chosen]]:
        """Those that may be written now; calls that may be some of too many wait until that is known."""
        free: dict[Thin, Sequence[Chosen]] = {
            thin: rows for thin, rows in chosen.items() if not self._plans.is_counted(thin)
        }
        calls = [(thin, row) for thin, rows in chosen.items() if thin not in free for row in rows]
        if calls:
            rules, now_free = crowds.take(self._plans.purpose, calls)
            if len(now_free) > len(calls):
                self._in_pages(now_free, rules)
            else:
                free |= self._asked(now_free, rules)
        return free

    def _in_pages(self, calls: Iterable[tuple[Thin, Chosen]], rules: tuple[Rule, ...]) -> None:
        for page in self._pace.pages(calls, _size):
            self._write(self._asked(page, rules))

    def _asked(self, calls: Iterable[tuple[Thin, Chosen]], rules: tuple[Rule, ...]) -> dict[Thin, Sequence[Chosen]]:
        """Those alike together, as they are planned when these rules apply beside their own."""
        chosen: dict[Thin, list[Chosen]] = {}
        for thin, those in calls:
            chosen.setdefault(thin, []).append(those)
        return {self._plans.crowded(thin, rules) if rules else thin: those for thin, those in chosen.items()}

    def _room(self, purpose: str) -> Mapping[Rule, int]:
        with self._database.read() as connection:
            return self._risks.room(connection, purpose)

    def _write(self, chosen: Mapping[Thin, Sequence[Chosen]]) -> None:
        if self._dry_run:
            for thin, those in chosen.items():
                self._tell(Planned(thin.kind, thin.reason, thin.ask is not None), sum(one.endings for one in those))
            return
        if not chosen:
            return
        endings = sum(one.endings for those in chosen.values() for one in those)

        def tell(written: Written[Mapping[Planned, int]]) -> None:
            for one, count in written.made.items():
                self._tell(one, count)
            self._planning.pages += 1
            self._planning.longest_hold_seconds = max(self._planning.longest_hold_seconds, written.held_seconds)
            self._pace.took(endings, written.seconds)  # the disk's part of it is the same for any page

        # No ending comes up twice in a run, so the next page is read and decided the same before this one is written.
        self._aside.do(partial(timed, self._write_page, "plan-endings", partial(self._planned, chosen)), tell)

    def _planned(self, chosen: Mapping[Thin, Sequence[Chosen]], connection: Connection) -> Mapping[Planned, int]:
        made = plan(connection, chosen, run=self._run, now=self._detection.at)
        calls = sum(count for one, count in made.items() if one.kind is Kind.CALL and one.skipped is None)
        self._risks.note(connection, {self._plans.purpose: calls})
        return made

    def _tell(self, one: Planned, count: int) -> None:
        if one.skipped is None:
            self._planning.planned[one.kind] += count
            self._planning.reviewed += count if one.waits else 0
        else:
            self._planning.skipped[one.skipped] += count


def _spans(days: Mapping[date, int]) -> Iterator[tuple[date, date, int]]:
    """Days in a row that have reached one horizon: the first, the last, and that horizon."""
    apart = groupby(enumerate(sorted(days)), lambda one: (days[one[1]], one[1] - timedelta(one[0])))
    for (nearest, _), those in apart:
        span = [day for _, day in those]
        yield span[0], span[-1], nearest


def _size(call: tuple[Thin, Chosen]) -> int:
    return call[1].endings
