"""An answer given in Prefect counts for as much as the one-time code in it, once, about what its reviewer saw."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import review_stage as stage
from sqlalchemy import select, update

from domain.review_rules import Risk
from domain.reviews import Stand
from services.review_answers import CHANGED, MOVED, NO_ANSWER, UNREADABLE, Asker, hear, who_may
from services.review_reading import summary
from services.reviewers import Credentials, add_reviewer, new_credentials
from store import review_asks
from store.ledger.rows import review_votes, reviews
from store.review_asks import Ask

EWA, JAN, OLA = "Ewa Lis", "Jan Nowak", "Ola Kot"
RUN = "fa632f3d-578c-4df6-9468-06f098dd87b5"


class Desk:
    """A review that is asked in Prefect, and people with phones."""

    def __init__(self, installation: Any) -> None:
        self.its = installation
        self.review = stage.welcomes(installation.database, installation.policy, now=installation.clock())
        self.people: dict[str, Credentials] = {}
        for name, role in ((EWA, "on_call"), (JAN, "on_call"), (OLA, "other")):
            self.people[name] = made = new_credentials(name)
            how: dict[str, Any] = {"known_roles": ["on_call", "other"], "by": "the test", "now": installation.clock()}
            add_reviewer(installation.database, made, [role], **how)

    def ask(self, number: int = 1) -> Ask:
        """Ask it in Prefect."""
        shown = self.standing().payload_hash
        with self.its.database.write() as connection:
            review_asks.ask(connection, self.review, number, run=RUN, payload_hash=shown, now=self.its.clock())
        return self.last()

    def last(self) -> Ask:
        """The last ask."""
        with self.its.database.read() as connection:
            found = review_asks.last(connection, self.review)
        assert found is not None
        return found

    def answer(self, name: str = EWA, **changes: Any) -> dict[str, Any]:
        """What somebody put into the form."""
        given = {"decision": "approve", "reviewer": name, "reason": "as intended", **changes}
        return given if "code" in given else {**given, "code": self.code(name)}

    def code(self, name: str, *, seconds: float = 0) -> str:
        """What a phone shows."""
        return pyotp.TOTP(self.people[name].secret).at(self.its.clock() + timedelta(seconds=seconds))

    def hear(self, answer: Any, ask: Ask | None = None, *, run: str = RUN) -> str:
        """Hear an answer; what is said of it."""
        written = answer if isinstance(answer, str | None) else json.dumps(answer)
        shown = self.standing().payload_hash
        asker = Asker(run, self.its.clock())
        hear(self.its.database, self.its.policy, ask or self.last(), written, asker, payload_hash=shown)
        return self.last().outcome or ""

    def standing(self) -> Any:
        """The review."""
        with self.its.database.read() as connection:
            return connection.execute(select(reviews).where(reviews.c.id == self.review)).one()

    def votes(self) -> list[Any]:
        """All that was said about it."""
        with self.its.database.read() as connection:
            return list(connection.execute(select(review_votes)))

    def change(self, **values: Any) -> None:
        """Change the review by force."""
        with self.its.database.write() as connection:
            connection.execute(update(reviews).values(**values))


@pytest.fixture
def desk(on_sqlite: Any) -> Desk:
    """A review of low risk, asked for the first time."""
    made = Desk(on_sqlite)
    made.ask()
    return made


@pytest.mark.parametrize(("decision", "stand"), [("approve", Stand.APPROVED), ("reject", Stand.REJECTED)])
def test_a_proper_answer_is_a_vote(desk: Desk, decision: str, stand: Stand) -> None:
    said = desk.hear(desk.answer(decision=decision))

    assert said == f"{EWA} said {'yes' if decision == 'approve' else 'no'}."
    assert (desk.standing().state, desk.standing().decided_by) == (stand, EWA)
    [vote] = desk.votes()
    assert (vote.reviewer, vote.way, vote.payload_hash) == (EWA, "prefect", desk.last().payload_hash)


UNREADABLE_ANSWERS: list[Callable[[dict[str, Any]], Any]] = [
    lambda proper: {name: its for name, its in proper.items() if name != "decision"},
    lambda proper: {name: its for name, its in proper.items() if name != "reviewer"},
    lambda proper: {name: its for name, its in proper.items() if name != "reason"},
    lambda proper: {name: its for name, its in proper.items() if name != "code"},
    lambda proper: {**proper, "decision": "false"},
    lambda proper: {**proper, "decision": "Approve"},
    lambda proper: {**proper, "decision": True},
    lambda proper: {**proper, "decision": None},
    lambda proper: {**proper, "reason": "because customer Anna said so"},
    lambda proper: {**proper, "code": int(proper["code"])},
    lambda proper: {**proper, "code": f"{proper['code']}\n"},
    lambda proper: {**proper, "code": "QMFG-3VJA-K7XQ-2ZLD"},
    lambda proper: {**proper, "reviewer": ""},
    lambda proper: {**proper, "reviewer": "x" * 500},
    lambda proper: {**proper, "comment": "words"},
    lambda proper: [proper],
    lambda _: {},
    lambda _: "null",
    lambda _: "true",
    lambda _: "",
    lambda _: '{"decision": "approve", NaN}',
    lambda _: "\ud800",
]


@pytest.mark.parametrize("spoil", UNREADABLE_ANSWERS)
def test_what_is_no_answer_says_nothing(desk: Desk, spoil: Callable[[dict[str, Any]], Any]) -> None:
    assert desk.hear(spoil(desk.answer())) == UNREADABLE

    assert desk.standing().state == Stand.OPEN
    assert desk.votes() == []


def test_a_wrong_code_decides_nothing_and_nobody_learns_who_is_known(desk: Desk) -> None:
    unknown = desk.hear(desk.answer("Somebody Unknown", code="123456"))
    desk.ask(2)
    known = desk.hear(desk.answer(code="000000"))

    assert unknown == known
    assert "Unknown" not in unknown
    assert desk.standing().state == Stand.OPEN


@pytest.mark.parametrize(("seconds", "counts"), [(-120, True), (-180, False), (90, False)])
def test_a_code_counts_for_two_minutes(desk: Desk, seconds: float, counts: bool) -> None:
    desk.hear(desk.answer(code=desk.code(EWA, seconds=seconds)))

    assert (desk.standing().state == Stand.APPROVED) is counts


def test_a_code_counts_once(desk: Desk) -> None:
    desk.change(reviewers_needed=2)
    proper = desk.answer()
    assert desk.hear(proper) == f"{EWA} said yes; 1 more must say yes."
    desk.ask(2)

    assert "used already" in desk.hear(proper)

    assert desk.standing().state == Stand.OPEN


def test_who_lacks_the_role_or_caused_it_or_is_at_the_wrong_place(desk: Desk) -> None:
    assert "role" in desk.hear(desk.answer(OLA))
    desk.change(initiator=EWA)
    desk.ask(2)
    assert "you have caused it" in desk.hear(desk.answer())
    desk.change(initiator="run-1", risk=Risk.HIGH)
    desk.ask(3)
    assert "not in Prefect" in desk.hear(desk.answer(JAN))

    assert desk.votes() == []


def test_one_answer_is_heard_once_however_many_hear_it(desk: Desk) -> None:
    asked, proper = desk.last(), desk.answer()

    said = [desk.hear(proper, asked) for _ in range(3)]

    assert said == [f"{EWA} said yes."] * 3
    assert len(desk.votes()) == 1


def test_an_answer_is_about_what_was_shown_to_whoever_gave_it(desk: Desk) -> None:
    desk.change(payload_hash="as somebody has edited it since", revision=2)

    assert "it was changed after you saw it" in desk.hear(desk.answer())

    assert desk.standing().state == Stand.OPEN


def test_an_answer_that_comes_late_or_after_another(desk: Desk) -> None:
    desk.its.clock.go(days=30)
    assert "its time was over" in desk.hear(desk.answer())

    desk.change(state=Stand.REJECTED, decided_by=JAN, decided_at=desk.its.clock(), deadline=desk.its.clock())
    desk.ask(2)
    desk.its.clock.go(minutes=5)
    assert desk.hear(desk.answer()).startswith(f"{JAN} has rejected it at ")


def test_why_it_is_asked_again_without_an_answer(desk: Desk) -> None:
    assert desk.hear(None) == NO_ANSWER
    desk.ask(2)
    assert desk.hear(None, run="another run") == MOVED
    desk.ask(3)
    desk.change(payload_hash="something else")
    assert desk.hear(None) == CHANGED

    assert desk.votes() == []


def test_the_form_offers_those_who_may(desk: Desk) -> None:
    def offered() -> list[str]:
        return who_may(desk.its.database, desk.its.policy, summary(desk.its.database, desk.its.policy, desk.review))

    assert offered() == [EWA, JAN]
    desk.change(initiator=JAN)
    assert offered() == [EWA]
    desk.change(initiator="run-1", reviewers_needed=2)
    desk.hear(desk.answer())
    assert offered() == [JAN]
    desk.change(risk=Risk.HIGH)
    assert offered() == []
