"""What a reviewer sees is what would happen: the words as they are sent, the facts as they are, what is new in them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import review_stage as stage
from sqlalchemy import select, update

from domain.actions import Capability, State
from domain.customers import Tier
from domain.review_rules import Risk, Rule
from services.differing import Change
from services.places import Places
from services.review_reading import UnknownReview
from services.review_saying import Unsaid, Words, words_instead
from services.review_showing import ReviewShown, read_member, read_queue, read_review
from services.wiring import Handrail
from store import customers, review_pages, wordings
from store.ledger.rows import actions, reviews
from store.review_pages import Chosen
from templates.library import Template


@pytest.fixture
async def process(installation: Any) -> Any:
    """One process, whose messages can lead to customers' pages."""
    async with installation.handrail(link_secret="x" * 40) as made:
        yield made


@pytest.fixture
def show(process: Handrail) -> Callable[..., Any]:
    """`await show(review_id)`: the review as its page shows it."""

    async def read(review_id: int, **chosen: Any) -> ReviewShown:
        return await read_review(process, review_id, Chosen(**chosen), Places())

    return read


def let_go(installation: Any, review_id: int) -> None:
    """As a reviewer's yes does."""
    with installation.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.id == review_id).values(state="approved"))
        connection.execute(update(actions).where(actions.c.review_id == review_id).values(state=State.READY))


def edit_words(installation: Any, name: str, language: str, old: str, new: str) -> Template:
    """Publish a version of a message that says something else; nobody has approved it."""
    row = next(row for row in installation.rows("templates") if (row.name, row.language) == (name, language))
    parts = {part: text.replace(old, new) for part, text in row.content["parts"].items()}
    made = Template(name, language, parts)
    assert made.hash != row.hash
    with installation.database.write() as connection:
        its = {"content_hash": made.hash, "name": name, "language": language, "content": made.to_content()}
        wordings.publish(connection, **its, approved_by=None, now=installation.clock())
    return made


@pytest.mark.parametrize("channel", [Capability.MAIL, Capability.SMS])
async def test_what_is_shown_is_what_is_sent(
    installation: Any, process: Handrail, show: Any, channel: Capability
) -> None:
    who = ({"language": "pl", "name": "Zofia"}, {"language": "cs-CZ"}, {"language": "de"})
    review_id = stage.welcomes(
        installation.database, installation.policy, *who, now=installation.clock(), channel=channel
    )

    shown = await show(review_id)
    let_go(installation, review_id)
    await process.dispatcher.run_once(capability=channel, run="t")

    sent = {key: value for _, key, value in installation.vendors[channel].effects}
    assert len(sent) == 3
    for member in shown.members:
        value, words = sent[member.key], member.words
        assert isinstance(words, Words)
        assert (words.text, words.to, words.language) == (value.text, value.to, value.language)
        if channel is Capability.MAIL:
            assert (words.subject, words.html) == (value.subject, value.html)


async def test_each_wording_is_shown_once_with_who_approved_it(installation: Any, show: Any) -> None:
    who = [{"language": tag} for tag in ("pl", "pl", "en", "cs", "pl")]
    review_id = stage.welcomes(installation.database, installation.policy, *who, now=installation.clock())

    shown = await show(review_id)

    assert [one.member.ref for one in shown.messages] == ["C-1", "C-3", "C-4"]
    assert all(one.approved_at == installation.clock() and not one.differing for one in shown.messages)


async def test_words_nobody_approved_show_what_is_new_in_them(installation: Any, show: Any) -> None:
    now = installation.clock()
    new = edit_words(installation, "recovery-survey", "en", "one short question", "two quick ones")
    [customer_id] = stage.people(installation.database, {"language": "en"}, now=now)
    survey = stage.a_survey(installation.database, "C-1", now=now, ask=stage.an_ask(stage.SURVEY, Rule.VIP))
    survey = replace(survey, payload=replace(survey.payload, template_hash=new.hash))
    stage.put(installation.database, [(survey, customer_id)], now=now)
    [review_id] = stage.sealed(installation.database, installation.policy, now=now)

    [message] = (await show(review_id)).messages

    assert message.approved_at is None
    changes = {one.text for part in message.differing for one in part.stretches if one.change is not Change.SAME}
    assert changes == {"one short question", "two quick ones"}


async def test_a_changed_fact_is_seen(installation: Any, show: Any) -> None:
    review_id = stage.welcomes(
        installation.database, installation.policy, {"language": "pl"}, {}, now=installation.clock()
    )
    with installation.database.write() as connection:
        first = connection.execute(select(actions.c.customer_id).order_by(actions.c.id)).scalars().first()
        customers.facts_moved(connection, first, now=installation.clock())

    facts = [member.evidence.facts for member in (await show(review_id)).members]

    assert [[(one.name, one.is_changed) for one in its] for its in facts] == [
        [("customer", True)],
        [("customer", False)],
    ]
    assert dict(facts[0][0].values)["language"] == "pl"
    assert facts[0][0].changed_at == installation.clock()


async def test_their_own_words_are_there(installation: Any, answered: Any, show: Any, process: Handrail) -> None:
    now = installation.clock()
    review_id = stage.welcomes(installation.database, installation.policy, {"language": "en"}, now=now)
    answered("C-1", "r-7", score=1)

    [member] = (await show(review_id)).members

    assert [(one.what, one.words, member.evidence.is_earlier) for one in member.evidence.said] == [
        ("NPS 1", "late again", True)
    ]
    again = await read_member(process, review_id, member.key)
    assert again is not None
    assert again.evidence == member.evidence
    assert await read_member(process, review_id, "journey/onboarding/C-2/1/welcome") is None


async def test_pages_of_members_follow_each_other_and_are_chosen(
    installation: Any, show: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.review_showing.ON_A_PAGE", 4)
    who = [{"language": ("pl", "cs-CZ", "CS", "csb", None)[n % 5], "tier": list(Tier)[n % 3]} for n in range(10)]
    review_id = stage.welcomes(installation.database, installation.policy, *who, now=installation.clock())

    seen, after = [], 0
    while True:
        shown = await show(review_id, after_id=after)
        seen += [member.ref for member in shown.members]
        if shown.next_id is None:
            break
        after = shown.next_id

    assert seen == [f"C-{number}" for number in range(1, 11)]
    for chosen, refs in (
        ({"language": "cs"}, ["C-2", "C-3", "C-7", "C-8"]),
        ({"language": "-"}, ["C-5", "C-10"]),
        ({"tier": "vip", "language": "pl"}, ["C-1"]),
        ({"ref": "C-9"}, ["C-9"]),
        ({"ref": "C-99"}, []),
    ):
        assert [member.ref for member in (await show(review_id, **chosen)).members] == refs


async def test_what_cannot_be_said_is_told_and_stops_no_page(installation: Any, show: Any) -> None:
    review_id = stage.welcomes(installation.database, installation.policy, {}, {}, {}, now=installation.clock())
    with installation.database.write() as connection:
        row = connection.execute(select(actions).order_by(actions.c.id)).first()
        blanked = {**row.payload, "params": {}}
        connection.execute(update(actions).where(actions.c.id == row.id).values(payload=blanked))
        customers.erase(connection, row.customer_id, now=installation.clock())

    members = (await show(review_id)).members

    assert [isinstance(one.words, Unsaid) for one in members] == [True, False, False]


async def test_a_preview_keeps_nothing(installation: Any, process: Handrail) -> None:
    now = installation.clock()
    [customer_id] = stage.people(installation.database, {"language": "en"}, now=now)
    survey = stage.a_survey(installation.database, "C-1", now=now, ask=stage.an_ask(stage.SURVEY, Rule.VIP))
    stage.put(installation.database, [(survey, customer_id)], now=now)
    [review_id] = stage.sealed(installation.database, installation.policy, now=now)
    with installation.database.read() as connection:
        row = review_pages.member(connection, review_id, survey.key)
    assert row is not None

    other = {**row.payload, "params": {**row.payload["params"], "link": "https://example.com/other"}}
    words = await words_instead(process, row, other)

    assert isinstance(words, Words)
    assert "https://example.com/other" in words.text
    assert installation.action(survey.key).payload == row.payload


async def test_the_queue_goes_by_deadline_then_value(installation: Any, process: Handrail) -> None:
    now = installation.clock()
    ids = stage.people(installation.database, *[{}] * 5, now=now)
    made = []
    for number, rule in enumerate((Rule.VIP, Rule.HARDSHIP, Rule.MANY_CUSTOMERS, Rule.UNUSUAL_VOLUME), start=1):
        step = stage.a_step(installation.database, number, now=now, ask=stage.an_ask(stage.WELCOME, rule))
        stage.put(installation.database, [(step, ids[number - 1])], now=now)
        made += stage.sealed(installation.database, installation.policy, now=now)
    step = stage.a_step(installation.database, 5, now=now, ask=stage.an_ask(stage.WELCOME, Rule.VIP, risk=Risk.HIGH))
    stage.put(installation.database, [(step, ids[4])], now=now)
    with installation.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.id == made[1]).values(value_minor=500))
        is_halted = {"state": "approved", "halted_at": now, "halted_reason": "bounces", "decided_at": now}
        connection.execute(update(reviews).where(reviews.c.id == made[2]).values(**is_halted))
        over = {"state": "rejected", "decided_at": now, "decided_by": "Ewa Lis", "finished_at": now}
        connection.execute(update(reviews).where(reviews.c.id == made[3]).values(**over))

    queue = await asyncio.to_thread(read_queue, process)

    assert [one.id for one in queue.waiting] == [made[1], made[0], made[3] + 1]
    assert [one.stand for one in queue.waiting] == ["open", "open", "collecting"]
    assert [one.id for one in queue.halted] == [made[2]]
    assert [one.id for one in queue.decided] == [made[3]]


async def test_nobody_knows_it(show: Any) -> None:
    with pytest.raises(UnknownReview):
        await show(42)
