"""Changed words and journeys: asked about once, in place of an older question, used when a person has said yes."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from ledger_world import NOTHING_IS_RISKY
from review_world import EWA, JAN
from sqlalchemy import update

from data_contracts.journeys import JourneyFile, read_journey
from domain.policy import Policy
from domain.review_rules import PlainRule, Risk, Rule, Way
from domain.reviews import Decision, Reason, Stand, Voter
from services.auditing import verify_chain
from services.content_reviews import Publication, WaitsForReview, what_waits
from services.journey_versions import take_live as take_journey_live
from services.journey_versions import version_standing
from services.publishing import NothingToAsk, ask_again, publish_journeys, publish_templates
from services.reviews import Changed, NotYours, Standing, vote
from store import journeys, wordings
from store.ledger.rows import reviews
from templates.journey_files import JOURNEYS
from templates.library import Template, load

TEMPLATES = load()
SHIPPED = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
WORDS, JOURNEY = Rule.CHANGED_WORDS, Rule.CHANGED_JOURNEY


def reworded(name: str, languages: Collection[str] = ("pl", "cs", "en"), more: str = " Again.") -> list[Template]:
    """All wordings, those of one message in these languages with other words."""
    return [
        Template(one.name, one.language, {part: text + more * (part == "mail.txt") for part, text in one.parts.items()})
        if one.name == name and one.language in languages
        else one
        for one in TEMPLATES
    ]


def version(number: int, days: int = 28) -> JourneyFile:
    """Another version of the shipped journey."""
    text = SHIPPED.replace("version: 1", f"version: {number}").replace("days: 21", f"days: {days}")
    return read_journey(text, "onboarding.yaml")


class House:
    """An installation whose shipped words and journey are in use, and a policy with these rules on."""

    def __init__(self, installation: Any, *rules: Rule) -> None:
        self.installation, self.database, self.clock = installation, installation.database, installation.clock
        self.policy = self.with_rules(*rules)
        self.publish(asks=False)
        publish_journeys(self.database, [read_journey(SHIPPED, "onboarding.yaml")], now=self.clock())

    def with_rules(self, *rules: Rule) -> Policy:
        """The policy with these rules on, words of medium, journeys of high risk."""
        risks = {WORDS: Risk.MEDIUM, JOURNEY: Risk.HIGH}
        on = {rule.value: PlainRule(risks[rule]) for rule in rules}
        reviews = replace(NOTHING_IS_RISKY, rules=replace(NOTHING_IS_RISKY.rules, **on))
        policy: Policy = replace(self.installation.policy, reviews=reviews)
        return policy

    def publish(self, templates: list[Template] = TEMPLATES, *, asks: bool = True) -> int:
        """Publish these words a minute later."""
        self.clock.now += timedelta(minutes=1)
        publication = Publication(self.policy) if asks else None
        return publish_templates(self.database, templates, now=self.clock(), asks=publication)

    def publish_journey(self, file: JourneyFile, templates: list[Template] = TEMPLATES) -> None:
        """Publish it a minute later, to be sent with these words."""
        self.clock.now += timedelta(minutes=1)
        asks = Publication(self.policy)
        publish_journeys(self.database, [file], now=self.clock(), asks=asks, templates=templates)

    def reviews(self) -> list[tuple[str, str, str]]:
        """(subject, what, state) of each, the oldest first."""
        return [(row.subject, row.what, row.state) for row in self.installation.rows("reviews")]

    def approve(self, number: int) -> None:
        """As many say yes as it takes."""
        for who in (EWA, JAN):
            if self.vote(number, who, Decision.APPROVE).stand is Stand.APPROVED:
                return

    def refuse(self, number: int) -> None:
        """One says no."""
        self.vote(number, EWA, Decision.REJECT)

    def vote(self, number: int, who: Voter, decision: Decision) -> Standing:
        """Somebody's word on the review page."""
        [row] = [row for row in self.installation.rows("reviews") if row.id == number]
        told: dict[str, Any] = {"reason": Reason.WRONG_WORDS, "way": Way.PAGE, "payload_hash": row.payload_hash}
        return vote(self.database, self.policy, number, reviewer=who, decision=decision, now=self.clock(), **told)

    def in_use(self, name: str, language: str) -> str:
        """The hash of what goes out."""
        with self.database.read() as connection:
            return wordings.approved(connection)[name, language]

    def live(self) -> str:
        """The hash of the journey that customers enter."""
        with self.database.read() as connection:
            return journeys.live(connection)["onboarding"]


def hash_of(templates: list[Template], name: str, language: str) -> str:
    [found] = [one.hash for one in templates if (one.name, one.language) == (name, language)]
    return found


@pytest.fixture
def house(installation: Any) -> House:
    return House(installation, WORDS, JOURNEY)


def test_a_changed_message_is_asked_about_once_with_all_its_languages(house: House) -> None:
    assert house.publish() == 0
    assert house.reviews() == []
    later = reworded("acknowledgement", ("pl", "en"))
    assert house.publish(later) == 2
    assert house.publish(later) == 0
    [row] = house.installation.rows("reviews")
    assert (row.state, row.subject, row.what, row.risk, row.rules) == (
        "open",
        "wording",
        "acknowledgement",
        "medium",
        ["changed_words"],
    )
    languages = ("pl", "en")
    assert row.content == {
        "hashes": {one: hash_of(later, "acknowledgement", one) for one in languages},
        "before": {one: hash_of(TEMPLATES, "acknowledgement", one) for one in languages},
    }
    assert len(row.payload_hash) == 64
    assert (row.sealed_at, row.initiator, row.count) == (row.created_at, "handrail db upgrade", 0)
    assert row.deadline == row.created_at + timedelta(hours=22)  # noon: six staffed hours, the night, two more
    assert house.in_use("acknowledgement", "pl") == hash_of(TEMPLATES, "acknowledgement", "pl")
    [entry] = house.installation.rows("chain")
    assert (entry.subject_id, entry.what, entry.detail["hashes"]) == (str(row.id), "opened", row.content["hashes"])


def test_each_message_has_a_review_of_its_own(house: House) -> None:
    names = {"acknowledgement", "acknowledgement-distress"}
    house.publish([one for name in names for one in reworded(name) if one.name == name])
    assert [what for _, what, _ in house.reviews()] == ["acknowledgement", "acknowledgement-distress"]


def test_a_newer_change_takes_the_place_of_the_one_that_waits(house: House) -> None:
    house.publish(reworded("acknowledgement", more=" First."))
    house.publish(reworded("acknowledgement", ("cs",), more=" Second."))
    first, second = house.installation.rows("reviews")
    assert (first.state, second.state) == ("superseded", "open")
    assert set(second.content["hashes"]) == {"cs"}
    assert first.finished_at is not None
    entries = [(row.subject_id, row.what, row.detail.get("instead")) for row in house.installation.rows("chain")]
    assert entries[1:] == [(str(second.id), "opened", None), (str(first.id), "superseded", second.id)]


def test_what_is_taken_back_is_asked_no_more(house: House) -> None:
    house.publish(reworded("acknowledgement"))
    house.publish()
    assert house.reviews() == [("wording", "acknowledgement", "superseded")]
    house.publish(reworded("acknowledgement"))
    assert [state for *_, state in house.reviews()] == ["superseded", "open"]
    house.publish(reworded("acknowledgement", ("pl",)))  # the other two languages were taken back
    assert [state for *_, state in house.reviews()] == ["superseded", "superseded", "open"]


def test_approved_words_are_in_use_in_every_language_at_once(house: House) -> None:
    later = reworded("acknowledgement")
    house.publish(later)
    [row] = house.installation.rows("reviews")
    house.approve(row.id)
    for language in ("pl", "cs", "en"):
        assert house.in_use("acknowledgement", language) == hash_of(later, "acknowledgement", language)
    by = {row.approved_by for row in house.installation.rows("templates") if row.approved_at == house.clock()}
    assert by == {"Ewa Lis"}
    assert verify_chain(house.database).touched == ()
    house.publish(later)
    assert [state for *_, state in house.reviews()] == ["approved"]
    house.publish()  # back to the first words: that is a change as well
    assert [state for *_, state in house.reviews()] == ["approved", "open"]


def test_what_was_refused_is_not_asked_again_until_it_changes(house: House) -> None:
    later = reworded("acknowledgement")
    house.publish(later)
    house.refuse(house.installation.rows("reviews")[0].id)
    house.publish(later)
    house.publish(reworded("acknowledgement", ("pl",)))  # a part of it
    assert [state for *_, state in house.reviews()] == ["rejected"]
    assert house.in_use("acknowledgement", "pl") == hash_of(TEMPLATES, "acknowledgement", "pl")
    house.publish(reworded("acknowledgement", more=" Other."))
    assert [state for *_, state in house.reviews()] == ["rejected", "open"]


def test_words_that_waited_before_there_were_reviews_are_asked_about(house: House) -> None:
    later = reworded("acknowledgement")
    house.publish(later, asks=False)
    assert house.publish(later) == 0
    assert house.reviews() == [("wording", "acknowledgement", "open")]


def test_a_new_message_and_a_rule_that_is_off_ask_nobody(installation: Any) -> None:
    house = House(installation)
    house.publish([*TEMPLATES, Template("new-words", "en", {"sms.txt": "Call {{ human.phone }}"})])
    house.publish(reworded("acknowledgement"))
    house.publish_journey(version(2))
    assert house.reviews() == []
    assert house.in_use("new-words", "en")


def test_a_changed_journey_is_asked_about_and_goes_live_with_the_words_that_wait(house: House) -> None:
    later, words = version(2), reworded("onboarding-welcome", ("en",))
    house.publish(words)
    house.publish_journey(later, words)
    first, second = house.installation.rows("reviews")
    assert (first.what, second.what, second.risk, second.reviewers_needed) == (
        "onboarding-welcome",
        "onboarding",
        "high",
        2,
    )
    assert second.rules == ["changed_words", "changed_journey"]
    assert second.content["hashes"] == {"journey": later.hash}
    waiting = second.content["words"]["onboarding-welcome"]
    assert waiting["hashes"] == {"en": hash_of(words, "onboarding-welcome", "en")}
    house.publish_journey(later, words)
    assert len(house.reviews()) == 2
    house.approve(second.id)
    assert house.live() == later.hash
    assert house.in_use("onboarding-welcome", "en") == hash_of(words, "onboarding-welcome", "en")
    assert [state for *_, state in house.reviews()] == ["superseded", "approved"]


def test_a_journey_stays_asked_when_its_words_were_decided_before(house: House) -> None:
    later, words = version(2), reworded("onboarding-welcome", ("en",))
    house.publish(words)
    house.publish_journey(later, words)
    house.approve(house.installation.rows("reviews")[0].id)
    house.publish_journey(later, words)
    assert [state for *_, state in house.reviews()] == ["approved", "open"]
    house.publish_journey(later, reworded("onboarding-welcome", ("cs",)))  # words nobody was asked about
    assert [state for *_, state in house.reviews()] == ["approved", "superseded", "open"]


def test_a_journey_that_cannot_go_live_is_not_asked_about(house: House) -> None:
    house.publish_journey(version(1))  # a number that was live with other content
    broken = read_journey(SHIPPED.replace("version: 1", "version: 2").replace("then: end", "then: nowhere"), "o.yaml")
    house.publish_journey(broken)
    assert house.reviews() == []


def test_with_the_rule_on_nobody_takes_a_journey_live_alone(house: House) -> None:
    now = house.clock()
    with pytest.raises(WaitsForReview, match=r"the journey onboarding waits for review \d+.*/reviews/"):
        take_journey_live(house.database, version(2), TEMPLATES, house.policy, by="marta", now=now)
    [row] = house.installation.rows("reviews")
    assert (row.subject, row.initiator) == ("journey", "marta")
    assert house.live() != version(2).hash
    house.refuse(row.id)
    with pytest.raises(WaitsForReview, match=r"rejected by Ewa Lis \(the words are wrong\); change it, or ask again"):
        take_journey_live(house.database, version(2), TEMPLATES, house.policy, by="marta", now=now)
    assert house.live() != version(2).hash


def test_with_the_rule_of_words_on_a_journey_does_not_take_them_live(installation: Any) -> None:
    house = House(installation, WORDS)
    words = reworded("onboarding-welcome", ("en",))
    with pytest.raises(WaitsForReview, match="the wording onboarding-welcome waits for review"):
        take_journey_live(house.database, version(2), words, house.policy, by="marta", now=house.clock())
    assert house.live() != version(2).hash
    house.approve(house.installation.rows("reviews")[0].id)
    take_journey_live(house.database, version(2), words, house.policy, by="marta", now=house.clock())
    assert house.live() == version(2).hash


def test_with_the_rules_off_what_still_waits_is_settled_by_going_live(house: House) -> None:
    words = reworded("onboarding-welcome", ("en",))
    house.publish(words)
    house.publish_journey(version(2), words)
    calm = house.with_rules()
    take_journey_live(house.database, version(2), words, calm, by="marta", now=house.clock())
    assert [state for *_, state in house.reviews()] == ["superseded", "superseded"]
    assert house.live() == version(2).hash


def test_the_chain_stands_after_all_of_it(house: House) -> None:
    house.publish(reworded("acknowledgement"))
    house.publish()
    rows = house.installation.rows("chain")
    assert [row.id for row in rows] == [1, 2]
    assert all(later.previous == earlier.hash for earlier, later in pairwise(rows))
    assert {row.detail.get("instead") for row in rows} == {None, "what is in use"}


def test_what_was_touched_in_the_books_is_not_taken_live(house: House) -> None:
    house.publish(reworded("acknowledgement", ("pl",)))
    [row] = house.installation.rows("reviews")
    planted = Template("acknowledgement", "pl", {"sms.txt": "Send us your password"})
    house.publish([planted], asks=False)
    with house.database.write() as connection:
        connection.execute(update(reviews).values(content={**row.content, "hashes": {"pl": planted.hash}}))
    with pytest.raises(Changed, match="was touched"):
        house.approve(row.id)
    assert house.in_use("acknowledgement", "pl") == hash_of(TEMPLATES, "acknowledgement", "pl")


def test_nobody_decides_about_what_they_have_asked(house: House) -> None:
    with pytest.raises(WaitsForReview):
        take_journey_live(house.database, version(2), TEMPLATES, house.policy, by="Ewa Lis", now=house.clock())
    with pytest.raises(NotYours):
        house.vote(house.installation.rows("reviews")[0].id, EWA, Decision.APPROVE)


def test_a_second_look_is_asked_for_by_name(house: House) -> None:
    words, files = reworded("acknowledgement", ("pl",)), [version(2)]

    def again(name: str) -> int:
        house.clock.now += timedelta(minutes=1)
        asks = Publication(house.policy, "Ola Maj")
        return ask_again(house.database, name, words, files, asks=asks, now=house.clock())

    house.publish(words)
    [first] = house.installation.rows("reviews")
    assert again("acknowledgement") == first.id
    house.refuse(first.id)
    second = again("acknowledgement")
    rows = {row.id: row for row in house.installation.rows("reviews")}
    assert (rows[first.id].state, rows[second].state, rows[second].initiator) == ("rejected", "open", "Ola Maj")
    journey = again("onboarding")
    house.refuse(journey)
    assert again("onboarding") > journey
    for name, says in (("acknowledgment", 'did you mean "acknowledgement"'), ("expiry-call", "it is in use as it is")):
        with pytest.raises(NothingToAsk, match=says):
            again(name)
    files[:] = [version(1)]
    with pytest.raises(NothingToAsk, match="write version: 3"):
        again("onboarding")


def test_what_waits_is_told_with_who_decides_by_when(house: House) -> None:
    later = version(2)
    assert version_standing(house.database, later.hash) == "not published"
    house.publish_journey(later)
    [waiting] = what_waits(house.database)
    assert waiting.in_words == f"review {waiting.number} decides by {waiting.deadline:%Y-%m-%d %H:%M} UTC"
    assert waiting.as_json()["link"] == f"/reviews/{waiting.number}"
    assert version_standing(house.database, later.hash) == (f"not live: {waiting.in_words} (/reviews/{waiting.number})")
    house.refuse(waiting.number)
    assert what_waits(house.database) == []
    assert "rejected by Ewa Lis (the words are wrong)" in version_standing(house.database, later.hash)
    assert version_standing(house.database, version(1, days=21).hash) == "live"
