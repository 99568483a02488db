"""Endings over all calendars: each on its own, once, and however often and seldom somebody looks."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from endings_world import EndingsWorld
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ledger_world import POLICY, check_audit, empty, hasten

from domain.actions import Capability, State
from domain.contact import ContactWindow, hours_hold
from domain.customers import Tier
from domain.endings import Calendars, ends_due, horizon_reached
from domain.entitlements import EntitlementKind, occurrence_after, occurrence_of
from services.ending_plans import EndingPlans
from services.risks import Risks
from store.database import Database
from store.detection import Alike

ZONES = (
    "Europe/Warsaw",
    "Europe/Prague",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # had no 30 December 2011
    "Africa/Casablanca",  # summer time but for Ramadan
    "Pacific/Kiritimati",  # UTC+14
    "Etc/GMT+12",  # UTC-12
    "America/New_York",
)
KINDS = tuple(EntitlementKind)
zones = st.sampled_from(ZONES)
days = st.dates(date(2011, 11, 1), date(2027, 12, 31))
seconds = st.integers(0, 16 * 366 * 86_400)
instants = seconds.map(lambda passed: datetime(2011, 11, 1, tzinfo=UTC) + timedelta(seconds=passed))
APIA = {"place": "Pacific/Apia", "kind": EntitlementKind.SUBSCRIPTION, "ends_on": date(2012, 1, 2)}


@given(place=zones, kind=st.sampled_from(KINDS), ends_on=days, began=instants, hours=st.integers(0, 24))
@example(**APIA, began=datetime(2011, 12, 29, 0, tzinfo=UTC), hours=0)
def test_horizons_follow_the_ending_s_own_calendar_and_only_come_nearer(
    place: str, kind: EntitlementKind, ends_on: date, began: datetime, hours: int
) -> None:
    """P26. Looked at each hour for three days: what a clock on the wall there would say, whatever it leaps over."""
    reached = []
    began = datetime.combine(ends_on, time(), UTC) - timedelta(days=began.toordinal() % 50) + timedelta(hours=hours)
    for hour in range(72):
        now = began + timedelta(hours=hour)
        today = now.astimezone(ZoneInfo(place)).date()
        assert Calendars(now, "Europe/Warsaw").today(place) == today
        horizon = horizon_reached(kind, ends_on, today, POLICY)
        left = (ends_on - today).days
        if horizon is not None:
            first, last = ends_due(kind, POLICY, now)
            assert first <= ends_on <= last, "the window holds all that is due anywhere"
            assert left <= horizon
            assert not [days for days in POLICY.expiry.kinds[kind].horizons if left <= days < horizon]
        elif left >= 0:
            assert left > POLICY.expiry.kinds[kind].horizons[0]
        reached.append(1000 if horizon is None and left >= 0 else -1 if horizon is None else horizon)
    assert all(later <= earlier for earlier, later in pairwise(reached))


@given(
    place=zones,
    now=instants,
    starts=st.times(),
    length=st.integers(1, 23 * 60),
    ends_in=st.integers(0, 30),
    is_stated=st.booleans(),
)
@example("Europe/Warsaw", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), time(8, 30), 60, 3, True)
@example("Pacific/Apia", datetime(2011, 12, 30, 9, tzinfo=UTC), time(16), 180, 3, True)
def test_a_call_is_due_at_the_first_moment_of_its_window_and_before_the_end(
    place: str, now: datetime, starts: time, length: int, ends_in: int, is_stated: bool
) -> None:
    """Looked at minute by minute: nothing earlier would have done, and arming would let it go then."""
    starts = starts.replace(second=0, microsecond=0)
    ends = (datetime.combine(date(2026, 1, 1), starts) + timedelta(minutes=length)).time()
    calendars = Calendars(now, POLICY.default_time_zone)
    ends_on = calendars.today(place) + timedelta(days=ends_in)
    stated = (f"{starts:%H:%M}", f"{ends:%H:%M}") if is_stated else (None, None)
    alike = Alike(
        ends_on=ends_on, time_zone=place, version=1, gate_id=1, at_risk_minor=900, tier=Tier.CORE, has_agent=False,
        has_phone=True, is_locked=False, is_erased=False, has_task=False, task_horizon=None, consents=True,
        in_hardship=False, phone=None, latest_on=None, lives_in=place, window_start=stated[0], window_end=stated[1],
        endings=1, sum_at_risk_minor=10_000, last_id=1, ids="1",
    )  # fmt: skip
    plans = EndingPlans(
        EntitlementKind.SUBSCRIPTION, POLICY, calendars, {"en": "0" * 64}, Risks(POLICY, now=calendars.now)
    )
    plan = plans.choose(alike)
    assert plan is not None
    window = ContactWindow(starts, ends) if is_stated else POLICY.expiry.calls.windows[Tier.CORE]
    over = calendars.end_of(ends_on, place)

    def is_held(at: datetime) -> bool:
        hold = hours_hold(POLICY.expiry.calls.basis, Capability.VOICE, window, POLICY.contact.quiet, place, at)
        return hold is not None

    if plan.what == "task":
        left = int((over - now).total_seconds() // 60)
        assert all(is_held(now + timedelta(minutes=ahead)) for ahead in range(0, left, 7))
        return
    assert plan.what == "call/1"
    assert now <= plan.due_at < over == plan.not_after
    assert not is_held(plan.due_at)
    waits = int((plan.due_at - now).total_seconds() // 60)
    assert all(is_held(now + timedelta(minutes=ahead)) for ahead in range(0, waits, 7))


@pytest.fixture
def database_of_all(database: Database) -> Database:
    """One for all examples: each begins by emptying it."""
    return hasten(database)


CHANGES: dict[str, dict[str, object]] = {
    "end": {},
    "cancel": {"state": "cancelled"},
    "auto": {"auto_renews": True},
    "manual": {"auto_renews": False},
}
near = st.sampled_from([-2, -1, 0, 1, 2, 3, 4, 7, 8, 13, 14, 15, 29, 30, 31, 44, 45, 46])
CHANGE = st.one_of(
    st.tuples(st.just("new"), st.sampled_from(KINDS), zones, near),
    st.tuples(st.just("alter"), st.integers(0, 9), st.sampled_from(sorted(CHANGES)), near),
    st.tuples(st.just("sent"), st.integers(0, 9)),
)
ROUNDS = st.lists(
    st.tuples(st.lists(CHANGE, min_size=1, max_size=4), st.sampled_from([0, 1, 5, 12, 24, 60])), min_size=2, max_size=5
)
"""What happens, and for how many hours nothing does; then somebody looks."""


def name_of(kind: EntitlementKind, ends_on: date, bought_on: date) -> str:
    """The name of an ending."""
    return occurrence_after(bought_on) if kind is EntitlementKind.SUPPLY else occurrence_of(ends_on)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS)
def test_looking_at_what_is_new_misses_nothing_that_looking_at_everything_finds(
    database_of_all: Database, rounds: list[tuple[list[tuple[object, ...]], int]]
) -> None:
    """Whatever is imported, changed, sent and let pass between looks; and everything that is due is planned."""
    empty(database_of_all)
    world = EndingsWorld(database_of_all)
    for changes, hours in rounds:
        world.now += timedelta(hours=hours)
        for change in changes:
            happens(world, change)
        world.look()
    stands = world.states()
    assert {one for one in due(world) if one not in {"/".join(key.split("/")[:3]) for key in stands}} == set()
    world.forget_marks()
    world.look()
    assert world.states() == stands
    check_audit(database_of_all)


def happens(world: EndingsWorld, change: tuple[object, ...]) -> None:
    """One change of the world."""
    refs = [(row.ref, EntitlementKind(row.kind)) for row in world.rows("entitlements")]
    match change:
        case ("new", EntitlementKind() as kind, str(place), int(ahead)):
            ends_on = world.now.date() + timedelta(days=ahead)
            named = {"occurrence": name_of(kind, ends_on, world.now.date())}
            world.entitlement(f"E-{len(refs)}", kind=kind, time_zone=place, ends_on=ends_on, **named)
        case ("alter", int(which), str(how), int(ahead)) if refs:
            ref, kind = refs[which % len(refs)]
            ends_on = world.now.date() + timedelta(days=ahead)
            moved = {"ends_on": ends_on, "occurrence": name_of(kind, ends_on, world.now.date())}
            world.alter(ref, **(CHANGES[how] or moved))
        case ("sent", int(which)):
            ready = sorted(key for key, state in world.states().items() if state == "ready" and key.endswith("/task"))
            if ready:
                world.force(ready[which % len(ready)], State.DONE)


def due(world: EndingsWorld) -> set[str]:
    """The beginnings of the keys of all that is due, by the plainest reading of the rules."""
    found = set()
    for row in world.rows("entitlements"):
        left = (row.ends_on - world.now.astimezone(ZoneInfo(row.time_zone)).date()).days
        earliest = POLICY.expiry.kinds[EntitlementKind(row.kind)].horizons[0]
        is_over = left < (-60 if row.kind == "supply" else 0)
        if row.state == "active" and not row.auto_renews and left <= earliest and not is_over:
            found.add(f"expiry/{row.ref}/{row.occurrence}")
    return found
