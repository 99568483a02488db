"""An approved review is let go in stages, stopped by what goes wrong, crash by crash and sweeper beside sweeper."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest
from ledger_world import NOON, POLICY, Capability, State, check_audit, later
from review_world import EWA, GUEST, Reviews, an_ask
from sqlalchemy import func, select

from domain.contact import FrequencyCap
from domain.message_events import MessageNews
from domain.review_rules import CanaryRules, Way
from domain.reviews import Stand
from services import reviews as service
from services.canary import release
from services.reviews import Changed, NotYours
from store.crash_points import watch
from store.database import Database
from store.ledger.rows import Result, actions
from store.message_events import News, keep

STEPS = (3, 5)
RULES = CanaryRules(STEPS, 15, 0.05, 0.01, 0.1, 0.05)
MAIL = Capability.MAIL


@pytest.fixture
def world(database: Database) -> Reviews:
    world = Reviews(database)
    reviews = replace(POLICY.reviews, canary=RULES)
    contact = replace(POLICY.contact, cap=FrequencyCap(contacts=99, days=7))
    world.policy = replace(POLICY, reviews=reviews, contact=contact)
    return world


def approved(world: Reviews, number: int) -> int:
    review = world.asked(number)
    world.vote(review)
    return review


def waiting(world: Reviews) -> int:
    return list(world.states().values()).count(State.AWAITING_REVIEW)


def send(world: Reviews, state: State = State.DONE, *, now: datetime | None = None, limit: int = 100) -> list[str]:
    """Send what is due; all of it ends so."""
    sent = world.take(MAIL, now=now or world.now, limit=limit)
    check = 60.0 if state is State.UNCERTAIN else None
    world.record(
        *(Result(one.id, one.fence, state, external_id=one.key, check_in_seconds=check) for one in sent),
        integration="mail via fake",
        now=now,
    )
    return [one.key for one in sent]


def bounce(world: Reviews, *keys: str, what: MessageNews = MessageNews.BOUNCED) -> None:
    with world.database.write() as connection:
        keep(connection, [News(world.row(key).id, what, NOON, "sendgrid", None) for key in keys])


def test_few_go_at_once(world: Reviews) -> None:
    review = approved(world, 3)
    assert f"review {review}: 3 let go" in world.settle()
    assert world.review_row(review).finished_at == NOON


def test_three_then_five_then_the_rest(world: Reviews) -> None:
    review = approved(world, 20)
    world.settle()
    assert (waiting(world), world.review_row(review).released) == (17, 3)
    assert send(world) == ["m-1", "m-2", "m-3"]
    world.settle(later(minutes=14))
    assert waiting(world) == 17
    world.settle(later(minutes=15))
    assert (waiting(world), world.review_row(review).stage) == (12, 2)
    assert len(send(world, now=later(minutes=15))) == 5
    world.settle(later(minutes=30))
    assert (waiting(world), world.review_row(review).released) == (0, 20)
    assert world.review_row(review).finished_at is None, "it is watched until all of it is over"
    assert len(send(world, now=later(minutes=30))) == 12
    world.settle(later(minutes=31))
    assert world.review_row(review).finished_at == later(minutes=31)
    assert world.chained(review) == ["opened", "voted", "approved"]
    check_audit(world.database)


def test_those_due_first_go_first(world: Reviews) -> None:
    review = world.asked(6)
    for place in (4, 5, 6):
        world.change(f"m-{place}", due_at=NOON)
    for place in (1, 2, 3):
        world.change(f"m-{place}", due_at=later(days=2))
    world.vote(review)
    world.settle()
    assert send(world) == ["m-4", "m-5", "m-6"]


def test_what_waits_for_its_hour_tells_nothing_and_the_minutes_begin_when_half_is_over(world: Reviews) -> None:
    review = approved(world, 20)
    world.settle()
    world.settle(later(hours=5))
    assert waiting(world) == 17, "none of the three is out yet"
    send(world, limit=1, now=later(hours=5))
    world.settle(later(hours=6))
    send(world, limit=1, now=later(hours=6))
    world.settle(later(hours=6, minutes=14))
    assert waiting(world) == 17
    world.settle(later(hours=6, minutes=15))
    assert (waiting(world), world.review_row(review).stage) == (12, 2)


@pytest.mark.parametrize(
    ("goes_wrong", "says"),
    [
        (lambda world: (send(world), bounce(world, "m-1", "m-2")), "2 of 3 bounced"),
        (lambda world: (send(world), bounce(world, "m-1", "m-2", what=MessageNews.COMPLAINED)), "2 of 3 complained"),
        (lambda world: send(world, State.FAILED), "3 of 3 refused"),
        (lambda world: send(world, State.UNCERTAIN), "3 of 3 uncertain"),
    ],
    ids=["bounces", "complaints", "failures", "lost answers"],
)
def test_it_stops_by_itself(world: Reviews, goes_wrong: Callable[[Reviews], object], says: str) -> None:
    review = approved(world, 20)
    world.settle()
    goes_wrong(world)
    (told,) = world.settle(later(minutes=1))
    row = world.review_row(review)
    assert says in told
    assert row.halted_reason.startswith(says)
    assert (row.halted_at, row.state) == (later(minutes=1), Stand.APPROVED)
    assert world.chained(review)[-1] == "halted"
    for minutes in (16, 60, 600):
        assert world.settle(later(minutes=minutes)) == []
    assert waiting(world) == 17


def test_one_bounce_of_three_stops_nothing(world: Reviews) -> None:
    approved(world, 20)
    world.settle()
    send(world)
    bounce(world, "m-1")
    world.settle(later(minutes=15))
    assert waiting(world) == 12


def test_a_halt_while_the_rest_goes_out_holds_what_was_let_go(world: Reviews) -> None:
    review = approved(world, 20)
    for minutes in (0, 15, 30):
        world.settle(later(minutes=minutes))
        send(world, now=later(minutes=minutes), limit=5)
    assert waiting(world) == 0
    bounce(world, "m-1", "m-2")
    world.settle(later(minutes=31))
    assert world.review_row(review).halted_at == later(minutes=31)
    assert send(world, now=later(minutes=31)) == []
    held = [row for row in world.rows("actions") if row.state == State.READY]
    assert len(held) == 7
    assert {row.reason for row in held} == {f"review {review} stopped by itself: 2 of 13 bounced; the policy allows 5%"}
    service.go_on(world.database, world.policy, review, reviewer=EWA, way=Way.PAGE, now=later(minutes=40))
    assert len(send(world, now=later(minutes=40))) == 7
    world.settle(later(minutes=41))
    assert world.review_row(review).finished_at == later(minutes=41)


def test_who_says_go_on_has_looked(world: Reviews) -> None:
    review = approved(world, 20)
    world.settle()
    send(world)
    bounce(world, "m-1", "m-2")
    world.settle(later(minutes=1))
    with pytest.raises(NotYours):
        service.go_on(world.database, world.policy, review, reviewer=GUEST, way=Way.PAGE, now=later(minutes=2))
    service.go_on(world.database, world.policy, review, reviewer=EWA, way=Way.PAGE, now=later(minutes=20))
    with pytest.raises(Changed):
        service.go_on(world.database, world.policy, review, reviewer=EWA, way=Way.PAGE, now=later(minutes=20))
    world.settle(later(minutes=20))
    assert (waiting(world), world.review_row(review).halted_at) == (12, None)
    send(world, now=later(minutes=20))
    bounce(world, "m-4", "m-5")
    world.settle(later(minutes=21))
    assert world.review_row(review).halted_reason.startswith("2 of 5 bounced"), "what is new counts, by itself"
    assert world.chained(review)[3:] == ["halted", "continued", "halted"]


def test_an_answer_found_after_go_on_does_not_excuse_another_that_is_lost(world: Reviews) -> None:
    review = approved(world, 20)
    world.settle()
    lost = send(world, State.UNCERTAIN)
    world.settle(later(minutes=1))
    service.go_on(world.database, world.policy, review, reviewer=EWA, way=Way.PAGE, now=later(minutes=2))
    for key in lost:
        world.change(key, state=State.DONE)
    for minute in (20, 21):
        world.settle(later(minutes=minute))
    assert len(send(world, State.UNCERTAIN, now=later(minutes=22), limit=2)) == 2
    world.settle(later(minutes=23))
    assert world.review_row(review).halted_reason.startswith("2 of 2 uncertain")


def test_who_gives_up_ends_the_rest(world: Reviews) -> None:
    review = approved(world, 20)
    world.settle()
    send(world)
    bounce(world, "m-1", "m-2")
    world.settle(later(minutes=1))
    service.give_up(world.database, world.policy, review, reviewer=EWA, way=Way.PAGE, now=later(minutes=2))
    world.settle(later(minutes=2))
    assert sorted(world.states().values()) == [State.CANCELLED] * 17 + [State.DONE] * 3
    assert world.review_row(review).finished_at == later(minutes=2)
    check_audit(world.database)


def test_a_released_row_that_was_changed_is_not_armed(world: Reviews) -> None:
    """P9: what was approved is a payload, not a key."""
    approved(world, 3)
    world.settle()
    world.change("m-2", payload_hash="another")
    assert send(world) == ["m-1", "m-3"]
    assert (world.row("m-2").state, world.row("m-2").reason) == (State.PLANNED, "not approved as it stands")


def test_what_is_pointless_by_its_turn_expires(world: Reviews) -> None:
    approved(world, 20)
    world.change("m-20", not_after=later(minutes=29))
    for minutes in (0, 15, 30):
        world.settle(later(minutes=minutes))
        send(world, now=later(minutes=minutes))
    assert world.state("m-20") is State.EXPIRED


@pytest.mark.parametrize("place", ["release.decided", "release.begun", "release.let-go"])
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_killed_anywhere_it_lets_go_no_more_than_its_stage(world: Reviews, place: str, stage: int) -> None:
    review = approved(world, 20)
    for before in range(stage):
        world.settle(later(minutes=15 * before))
        send(world, now=later(minutes=15 * before))
    now = later(minutes=15 * stage)
    allowed = (3, 8, 20)[stage]

    def dies(at: str) -> None:
        if at == place:
            raise KeyboardInterrupt

    watch(dies)
    for _ in range(3):
        with suppress(KeyboardInterrupt):
            list(release(world.database, world.policy, review, run="t", now=now))
        assert 20 - waiting(world) <= allowed
    watch(None)
    world.settle(now)
    assert 20 - waiting(world) == allowed
    assert world.review_row(review).released == allowed
    check_audit(world.database)


def test_many_sweepers_at_once_let_go_as_one(world: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lets two go at a time."""

    class Two:
        size = 2

        def __init__(self, *_: object, **__: object) -> None: ...
        def took(self, *_: object) -> None: ...

    monkeypatch.setattr("services.canary.Pace", Two)
    review = approved(world, 20)
    for minutes, allowed in ((0, 3), (15, 8), (30, 20)):
        now = later(minutes=minutes)

        def sweep(number: int, at: datetime = now) -> list[str]:
            return list(release(world.database, world.policy, review, run=f"s{number}", now=at))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sweep, range(8)))
        assert (20 - waiting(world), world.review_row(review).released) == (allowed, allowed)
        send(world, now=now)
    check_audit(world.database)


def test_stopped_by_the_kill_switch_the_canary_waits(world: Reviews) -> None:
    approved(world, 20)
    world.settle()
    world.stop()
    assert send(world) == []
    world.settle(later(hours=5))
    assert waiting(world) == 17


def test_two_reviews_go_side_by_side(world: Reviews) -> None:
    first = world.asked(6)
    second = world.asked(6, an_ask(what="expiry/subscription/call"), first=11)
    for review in (first, second):
        world.vote(review)
    world.settle()
    with world.database.read() as connection:
        went = select(actions.c.review_id, func.count()).where(actions.c.state == State.READY)
        assert dict(connection.execute(went.group_by(actions.c.review_id)).all()) == {first: 3, second: 3}
