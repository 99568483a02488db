"""What a review says of itself outside our database: everything one needs to know, and nobody's data."""

import json
from typing import Any

import pytest
import review_stage as stage
from hostile_words import EVIL

from domain.customers import Tier
from domain.review_rules import Risk, Rule, Way
from domain.reviews import Stand
from services.places import Places
from services.review_reading import UnknownReview, summary
from services.tracing import trace
from store import reviews
from store.ledger.rows import reviews as review_table

LINK = "https://care.example.com/handrail"


def of(installation: Any, review_id: int) -> Any:
    """Its summary."""
    return summary(installation.database, installation.policy, review_id, gateway_url=f"{LINK}/")


def test_a_summary_counts_and_says_why(installation: Any) -> None:
    who = ({}, {"language": "pl", "tier": Tier.VIP}, {"language": "cs-CZ"}, {"language": "de", "tier": Tier.CORE})
    review_id = stage.welcomes(installation.database, installation.policy, *who, now=installation.clock())

    told = of(installation, review_id)

    default = installation.policy.default_language
    assert told.title == "4 messages: step welcome of the journey onboarding"
    assert (told.stand, told.risk, told.count, told.initiator) == (Stand.OPEN, Risk.LOW, 4, "run-1")
    assert told.tiers == {"basic": 2, "vip": 1, "core": 1}
    assert told.channels == {"mail": 4}
    assert sum(told.languages.values()) == 4
    assert told.languages["cs"] == 1
    assert told.languages[default] >= 2  # who speaks German, and of whom it is not known
    assert told.rules == [(Rule.MANY_CUSTOMERS, "more than 2000 customers for one purpose within 60 minutes")]
    assert (told.still_needed, list(told.votes), Way.PAGE in told.ways) == (1, [], True)
    assert told.link == f"{LINK}/reviews/{review_id}"
    assert told.is_open


def test_examples_are_of_different_languages_and_of_nobody(installation: Any) -> None:
    who = [{"name": "Zbigniew Canary", "language": tag} for tag in ("pl", "pl", "pl", "cs", "en")]
    review_id = stage.welcomes(installation.database, installation.policy, *who, now=installation.clock())

    told = of(installation, review_id)

    assert sorted(one.language for one in told.examples) == ["cs", "en", "pl"]
    assert all(one.subject and len(one.text) > 100 for one in told.examples)
    assert "Canary" not in json.dumps(told.as_json())


def test_a_summary_has_no_word_that_came_from_outside(installation: Any) -> None:
    now, asked = installation.clock(), stage.an_ask(stage.SURVEY, Rule.HARDSHIP)
    said = [text for text in EVIL if text.isprintable() and "\ud800" not in text]
    ids = stage.people(installation.database, *({"name": text} for text in said), now=now)
    surveys = [
        stage.a_survey(installation.database, f"C-{number}", now=now, ask=asked, name=f"canary {text}", link=text)
        for number, text in enumerate(said, start=1)
    ]
    stage.put(installation.database, list(zip(surveys, ids, strict=True)), now=now)
    [review_id] = stage.sealed(installation.database, installation.policy, now=now)

    told = of(installation, review_id)

    assert len(told.examples) == 1
    shown = json.dumps(told.as_json(), ensure_ascii=False)
    assert "canary" not in shown
    assert not any(text in shown for text in said)


def test_while_it_collects_it_is_counted_as_it_grows(installation: Any) -> None:
    now = installation.clock()
    ids = stage.people(installation.database, {}, {}, now=now)
    steps = [stage.a_step(installation.database, n, now=now, ask=stage.an_ask()) for n in (1, 2)]
    stage.put(installation.database, list(zip(steps, ids, strict=True)), now=now)

    told = of(installation, installation.rows("reviews")[0].id)

    assert (told.stand, told.count, told.payload_hash, told.is_open) == (Stand.COLLECTING, 2, "", False)


def test_new_words_show_what_they_would_say(installation: Any) -> None:
    with installation.database.write() as connection:
        [its] = [
            row.hash for row in installation.rows("templates") if (row.name, row.language) == ("expiry-call", "pl")
        ]
        asked = stage.an_ask("expiry-call", Rule.CHANGED_WORDS, risk=Risk.MEDIUM)
        review_id = reviews.join(connection, asked, initiator="Jan Nowak", now=installation.clock())
        connection.execute(
            reviews.reviews.update()
            .where(reviews.reviews.c.id == review_id)
            .values(
                subject="wording",
                content={"hashes": {"pl": its}, "before": {"pl": None}},
                state="open",
                payload_hash=its,
            )
        )

    told = of(installation, review_id)

    assert told.title == "new words: expiry-call"
    assert [(one.template, one.language, one.channel) for one in told.examples] == [("expiry-call", "pl", "voice")]
    assert told.initiator == "Jan Nowak"


def test_nobody_knows_it(installation: Any) -> None:
    with pytest.raises(UnknownReview, match="there is no review 42"):
        of(installation, 42)


def test_the_story_of_an_action_tells_its_review(installation: Any) -> None:
    now = installation.clock()
    review_id = stage.welcomes(installation.database, installation.policy, {}, now=now)

    def told() -> Any:
        story = trace(installation.database, "C-1", Places())
        assert story is not None
        return story["actions"][0]["review"]

    assert told()["in_words"] == f"waits for review {review_id}"
    with installation.database.write() as connection:
        over = {"state": "rejected", "decided_by": "Ewa Lis", "decided_at": now, "reason": "the wrong time"}
        connection.execute(review_table.update().values(**over))
    assert told() == {
        "review": review_id,
        "state": "rejected",
        "in_words": f"waited for review {review_id}: rejected by Ewa Lis (the wrong time)",
        "decided_by": "Ewa Lis",
        "decided_at": "2026-03-04T11:00:00.000Z",
    }
