"""A reviewer changes what a review asks: checked as a plan is, asked anew, and nobody's yes outlives it."""

from dataclasses import replace
from typing import Any

import pytest
from ledger_world import NOON, POLICY, Capability, State, a_message, check_audit
from review_world import EWA, GUEST, JAN, OLA, Reviews, an_ask

from domain.actions import Basis, Kind
from domain.planning import Payload, PlannedAction
from domain.review_rules import PhrasesRule, Risk, Way
from domain.reviews import Stand, Voter
from services import review_edits, reviews_settling
from services.auditing import verify_chain
from services.review_edits import Change, NotEditable
from services.reviews import Changed, NotYours, Standing
from store import crash_points, wordings
from store.canonical import payload_hash
from store.database import Database
from store.ledger.enqueue import About, replan, send_back_to_planning
from templates.library import Template

PARTS = {
    "mail.subject.txt": "Your guide",
    "mail.txt": "Hello {{ name }},\nhere it is: {{ links.video }}\n{{ human.phone }}",
    "mail.html": "<p>Hello {{ name }}, <a href='{{ links.video }}'>here</a></p>",
}
SORRY = {**PARTS, "mail.txt": PARTS["mail.txt"] + "\nWe apologise."}
LINKS = {"video": "https://example.com/old"}
NEW = {"video": "https://example.com/new"}


@pytest.fixture
def world(database: Database) -> Reviews:
    rules = replace(POLICY.reviews.rules, money_or_apology=PhrasesRule(Risk.HIGH, {"en": ("apologi*",)}))
    return Reviews(database, replace(POLICY, reviews=replace(POLICY.reviews, rules=rules)))


def published(
    world: Reviews, parts: dict[str, str] = PARTS, *, message: str = "guide", approved_by: str | None = "t"
) -> str:
    """The hash of the English words of a message, approved unless told."""
    template = Template(message, "en", parts)
    with world.database.write() as connection:
        about = {"name": message, "language": "en", "content": template.to_content(), "approved_by": approved_by}
        wordings.publish(connection, content_hash=template.hash, now=world.now, **about)
    world.wait(1)
    return template.hash


def asked(world: Reviews, number: int = 3, risk: Risk = Risk.LOW) -> int:
    """So many customers' step of a journey waits; the review."""
    params = {"journey": "onboarding", "step": "guide", "links": LINKS, "wordings": {"en": published(world)}}
    for place in range(1, number + 1):
        plan = PlannedAction(
            key=f"m-{place}",
            kind=Kind.MESSAGE,
            basis=Basis.SERVICE,
            capability=Capability.MAIL,
            payload=Payload("journey-step/1", params, "guide"),
            due_at=NOON,
            ask=an_ask(risk),
        )
        world.put(plan, customer_id=world.customer(f"C-{place}"))
    world.settle()
    return int(world.row("m-1").review_id)


def edit(world: Reviews, review: int, changes: dict[str | None, Change], who: Voter = EWA, **how: Any) -> Standing:
    seen = how.pop("payload_hash", world.review_row(review).payload_hash)
    return review_edits.edit(
        world.database, world.policy, review, changes, reviewer=who, payload_hash=seen, way=Way.PAGE, now=world.now
    )


def test_one_is_changed_and_the_others_stay(world: Reviews) -> None:
    review = asked(world)
    before = world.review_row(review)
    standing = edit(world, review, {"m-2": {"links": NEW}})
    assert (standing.stand, standing.revision, standing.approvals) == (Stand.OPEN, 2, 0)
    assert [world.row(f"m-{place}").payload["params"]["links"] for place in (1, 2, 3)] == [LINKS, NEW, LINKS]
    row = world.row("m-2")
    assert row.payload_hash == row.reviewed_hash == payload_hash(row.payload)
    after = world.review_row(review)
    assert after.payload_hash == standing.payload_hash != before.payload_hash
    assert (after.deadline, after.count, "pending" in after.content) == (before.deadline, 3, False)
    assert world.chained(review) == ["opened", "edited", "reopened"]


def test_all_are_changed_and_go_out_as_approved_then(world: Reviews) -> None:
    review = asked(world, reviews_settling._CHUNK + 2)
    edit(world, review, {None: {"links": NEW}})
    assert {row.payload["params"]["links"]["video"] for row in world.rows("actions")} == {NEW["video"]}
    world.vote(review)
    world.settle()
    armed = world.take(Capability.MAIL, limit=500)
    assert {one.payload["params"]["links"]["video"] for one in armed} == {NEW["video"]}
    assert len(armed) == world.policy.reviews.canary.steps[0]
    check_audit(world.database)


def test_a_change_voids_what_was_said_and_is_no_yes(world: Reviews) -> None:
    review = asked(world, risk=Risk.HIGH)
    world.vote(review, JAN)
    seen = world.review_row(review).payload_hash
    edit(world, review, {"m-1": {"links": NEW}}, OLA)
    with pytest.raises(Changed):
        world.vote(review, EWA, payload_hash=seen)
    assert world.vote(review, OLA).approvals == 1
    assert world.vote(review, JAN).stand is Stand.APPROVED
    assert [(vote.reviewer, vote.voided_at is None) for vote in world.rows("review_votes")] == [
        ("Jan Nowak", False), ("Ola Maj", True), ("Jan Nowak", True),
    ]  # fmt: skip


def test_riskier_words_raise_the_class(world: Reviews) -> None:
    review = asked(world)
    published(world, SORRY)
    edit(world, review, {None: {"message": "guide"}})
    row = world.review_row(review)
    assert (row.risk, row.reviewers_needed, row.rules) == ("high", 2, ["vip", "money_or_apology"])
    assert world.vote(review, EWA).stand is Stand.OPEN
    assert world.vote(review, OLA).stand is Stand.APPROVED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purpose": "offers"}, '"purpose" is not for a review to change: change links or message'),
        ({"links": {"film": "https://example.com"}}, "give a value for each of video"),
        ({"links": {"video": "javascript:alert(1)"}}, "a link begins with https://"),
        ({"links": {"video": " "}}, "write some words"),
        ({"links": {"video": 3}}, "write some words"),
        ({"wordings": {"en": "0" * 64}}, '"wordings" is not for a review to change: change links or message'),
        ({"message": "guide"}, "there are no others"),
        ({"message": 3}, "there are no others"),
        ({"links": LINKS}, "it says that already"),
        ({}, "say what is to be changed"),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(world: Reviews, change: Change, words: str) -> None:
    review = asked(world)
    before = world.review_row(review), world.rows("actions")
    for changes in ({None: change}, {"m-1": change}):
        with pytest.raises(NotEditable, match=words):
            edit(world, review, changes)  # type: ignore[arg-type]
    assert (world.review_row(review), world.rows("actions")) == before


def test_words_that_want_more_than_there_is_are_refused(world: Reviews) -> None:
    review = asked(world)
    published(world, {**PARTS, "mail.txt": "{{ links.podcast }}"})
    with pytest.raises(NotEditable, match=r"it cannot be said like that.*podcast"):
        edit(world, review, {None: {"message": "guide"}})


VIP = {**PARTS, "mail.txt": "Dear {{ name }},\nyours alone: {{ links.video }}\n{{ human.phone }}"}


def test_one_is_told_in_other_approved_words_and_asked_anew(world: Reviews) -> None:
    """A customer of the highest tier, or one in hardship, gets words that are meant for them."""
    review = asked(world, risk=Risk.HIGH)
    world.vote(review, JAN)
    before = world.row("m-2")
    its = published(world, VIP, message="guide-vip")
    standing = edit(world, review, {"m-2": {"message": "guide-vip"}}, OLA)
    assert (standing.stand, standing.revision, standing.approvals) == (Stand.OPEN, 2, 0)
    row = world.row("m-2")
    assert (row.payload["template"], row.payload["params"]["wordings"]) == ("guide-vip", {"en": its})
    assert row.payload_hash == row.reviewed_hash == payload_hash(row.payload) != before.payload_hash
    assert {world.row(f"m-{place}").payload["template"] for place in (1, 3)} == {"guide"}
    assert world.chained(review)[-2:] == ["edited", "reopened"]
    for who in (OLA, JAN):
        world.vote(review, who)
    world.settle()
    said = {one.key: one.payload["template"] for one in world.take(Capability.MAIL)}
    assert said == {"m-1": "guide", "m-2": "guide-vip", "m-3": "guide"}
    assert verify_chain(world.database).touched == ()


def test_all_are_told_in_other_words_with_another_link(world: Reviews) -> None:
    review = asked(world)
    published(world, VIP, message="guide-vip")
    edit(world, review, {None: {"message": "guide-vip", "links": NEW}})
    said = [row.payload for row in world.rows("actions")]
    assert {(one["template"], one["params"]["links"]["video"]) for one in said} == {("guide-vip", NEW["video"])}


def test_other_words_that_are_riskier_raise_the_class(world: Reviews) -> None:
    review = asked(world)
    published(world, SORRY, message="guide-sorry")
    edit(world, review, {"m-1": {"message": "guide-sorry"}})
    assert world.review_row(review).rules == ["vip", "money_or_apology"]


@pytest.mark.parametrize(
    ("parts", "approved_by"),
    [
        (VIP, None),
        ({"sms.txt": "{{ links.video }} {{ human.phone }}"}, "t"),
        ({**VIP, "mail.txt": "{{ links.video }} {{ agent }} {{ human.phone }}"}, "t"),
        ({**VIP, "mail.txt": "{{ human.phone }}", "mail.html": "<p>Hello</p>"}, "t"),
    ],
    ids=["not approved", "another channel", "more than is known", "less than is to be said"],
)
def test_words_that_do_not_fit_are_not_chosen(world: Reviews, parts: dict[str, str], approved_by: str | None) -> None:
    review = asked(world)
    published(world, parts, message="other", approved_by=approved_by)
    with pytest.raises(
        NotEditable, match="message: other has no approved words that could be said here: there are no others"
    ):
        edit(world, review, {"m-1": {"message": "other"}})
    published(world, VIP, message="guide-vip")
    with pytest.raises(NotEditable, match="choose guide-vip"):
        edit(world, review, {None: {"message": "other"}})
    assert world.review_row(review).revision == 1


def test_who_may_not_decide_may_not_change(world: Reviews) -> None:
    review = asked(world)
    with pytest.raises(NotYours):
        edit(world, review, {None: {"links": NEW}}, GUEST)
    with pytest.raises(Changed):
        edit(world, review, {None: {"links": NEW}}, payload_hash="an older one")
    with pytest.raises(Changed, match="m-9 does not wait"):
        edit(world, review, {"m-9": {"links": NEW}})
    assert world.state("m-1") is State.AWAITING_REVIEW


@pytest.mark.parametrize("place", ["edit.written", "edit.committed", "apply-edit.written", "apply-edit.committed",
                                   "seal.counted", "open-review.written", "open-review.committed"])  # fmt: skip
def test_who_dies_while_changing_leaves_all_or_nothing(world: Reviews, place: str) -> None:
    review = asked(world, 3)

    def die(reached: str) -> None:
        if reached == place:
            raise SystemExit

    crash_points.watch(die)
    try:
        with pytest.raises(SystemExit):
            edit(world, review, {None: {"links": NEW}})
    finally:
        crash_points.watch(None)
    if place != "open-review.committed" and place != "edit.written":
        with pytest.raises(Changed):
            world.vote(review)
    world.settle()
    links = {row.payload["params"]["links"]["video"] for row in world.rows("actions")}
    assert links == {LINKS["video"] if place == "edit.written" else NEW["video"]}
    assert world.vote(review).stand is Stand.APPROVED


def test_what_left_before_a_change_is_no_part_of_what_is_asked_after_it(world: Reviews) -> None:
    review = asked(world)
    row = world.row("m-2")
    with world.database.write() as connection:
        send_back_to_planning(connection, ["m-2"], reason="renewed", by="planner", now=world.now)
        anew = replace(a_message("m-2"), payload=Payload(row.payload["schema"], row.payload["params"], "guide"))
        assert replan(connection, row.id, anew, About(row.customer_id), run="planner", now=world.now)
    assert verify_chain(world.database).touched == ()
    edit(world, review, {None: {"links": NEW}})
    assert verify_chain(world.database).touched == ()
    world.vote(review)
    assert verify_chain(world.database).touched == ()
