"""Reviews in the ledger's small world: what is asked, who may decide, and their words by name."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ledger_world import NOON, POLICY, World, a_message
from sqlalchemy import Row, select

from domain.review_rules import Risk, Rule, Way
from domain.reviews import Decision, Reason, Voter
from domain.risk import Ask
from services import reviews as service
from services.reviews import Standing
from services.reviews_settling import seal_gathered, settle_reviews
from store.ledger.rows import reviews

EWA = Voter("Ewa Lis", frozenset({"on_call", "lead"}))
JAN = Voter("Jan Nowak", frozenset({"on_call", "lead"}))
OLA = Voter("Ola Maj", frozenset({"lead"}))
PIOTR = Voter("Piotr Sowa", frozenset({"on_call"}))
GUEST = Voter("Adam Gość", frozenset({"viewer"}))


def an_ask(risk: Risk = Risk.LOW, what: str = "journey/onboarding/welcome", **changes: Any) -> Ask:
    """A question of this class."""
    how = POLICY.reviews.classes[risk]
    return replace(Ask(what, (Rule.VIP,), risk, how.reviewers, how.gather_minutes), **changes)


class Reviews(World):
    """The world with short words for what reviewers do."""

    def asked(self, number: int = 3, ask: Ask | None = None, *, first: int = 1, run: str = "planner") -> int:
        """So many mails to as many customers wait in one review, which people may decide; its id."""
        review_id = self.collected(number, ask, first=first, run=run)
        seal_gathered(self.database, self.policy, now=self.now)
        return review_id

    def collected(self, number: int = 3, ask: Ask | None = None, *, first: int = 1, run: str = "planner") -> int:
        """The same, while it is still collecting."""
        for place in range(first, first + number):
            who = self.customer(f"C-{place}")
            plan = a_message(f"m-{place}", ask=ask or an_ask(), facts=frozenset({"customer"}))
            self.put(plan, run=run, customer_id=who)
        return int(self.row(f"m-{first}").review_id)

    def review_row(self, review_id: int) -> Row[Any]:
        """A review as it stands."""
        with self.database.read() as connection:
            return connection.execute(select(reviews).where(reviews.c.id == review_id)).one()

    def vote(self, review_id: int, who: Voter = EWA, decision: Decision = Decision.APPROVE, **how: Any) -> Standing:
        """Somebody's word over what is asked now, unless told."""
        said: dict[str, Any] = {"reason": Reason.AS_INTENDED, "way": Way.PAGE, "now": self.now}
        said |= how if "payload_hash" in how else {"payload_hash": self.review_row(review_id).payload_hash, **how}
        return service.vote(self.database, self.policy, review_id, reviewer=who, decision=decision, **said)

    def exclude(self, review_id: int, *keys: str, who: Voter = EWA, **how: Any) -> Standing:
        """Leave some out."""
        said: dict[str, Any] = {"payload_hash": self.review_row(review_id).payload_hash, "way": Way.PAGE}
        said = {**said, "now": self.now, **how}
        return service.exclude(self.database, self.policy, review_id, keys, reviewer=who, **said)

    def settle(self, now: datetime | None = None) -> list[str]:
        """One round."""
        return settle_reviews(self.database, self.policy, run="settler", now=now or self.now)

    def chained(self, review_id: int) -> list[str]:
        """What the chain tells of a review, in order."""
        told = [
            entry for entry in self.rows("chain") if (entry.subject, entry.subject_id) == ("review", str(review_id))
        ]
        return [entry.what for entry in told]


LATE = NOON + timedelta(hours=9)
"""After every deadline of the tests' classes."""
