"""What the gateway counts, and what it reads from the ledger when it is scraped."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from domain.controls import EVERYTHING
from domain.review_rules import Risk
from services.feeds import feeds_in_trouble
from services.reporting import standing
from services.wiring import Handrail


class Metrics:
    """One registry per gateway. Numbers and states only: no customer is in any label."""

    def __init__(self, handrail: Handrail) -> None:
        self._handrail = handrail
        self._registry = CollectorRegistry()
        self._webhooks = Counter(
            "handrail_webhooks", "Deliveries by source and outcome", ["source", "outcome"], registry=self._registry
        )
        self._readable = Gauge(
            "handrail_ledger_readable", "0 while the database does not answer: then the numbers below are missing",
            registry=self._registry,
        )  # fmt: skip
        self._ledger = CollectorRegistry()
        self._actions = Gauge(
            "handrail_actions", "Actions that are not over, by capability and state", ["capability", "state"],
            registry=self._ledger,
        )  # fmt: skip
        self._oldest = Gauge(
            "handrail_oldest_urgent_seconds", "Age of the oldest urgent action that is due", registry=self._ledger
        )
        self._quarantine = Gauge("handrail_quarantine", "Rows waiting for a person", registry=self._ledger)
        self._messages = Gauge("handrail_messages_waiting", "Messages a person has to sort", registry=self._ledger)
        self._fetching = Gauge(
            "handrail_answers_to_fetch", "Survey answers told of and not here yet", ["source"], registry=self._ledger
        )
        self._oldest_fetch = Gauge(
            "handrail_oldest_answer_to_fetch_seconds", "Since the oldest of them was told of", registry=self._ledger
        )
        self._breakers = Gauge("handrail_breaker_open", "1 while nothing is sent", ["name"], registry=self._ledger)
        self._feeds = Gauge(
            "handrail_feed_in_trouble", "1 while a feed's last batch is halted, or nothing has come for too long",
            ["data_set", "feed", "why"], registry=self._ledger,
        )  # fmt: skip
        self._reviews = Gauge(
            "handrail_reviews_open", "Reviews that wait for a person's decision", ["risk"], registry=self._ledger
        )
        self._oldest_review = Gauge(
            "handrail_review_oldest_seconds", "Since the oldest of them can be decided", registry=self._ledger
        )
        self._halted = Gauge(
            "handrail_reviews_halted", "Approved reviews that have stopped themselves on their way out",
            registry=self._ledger,
        )  # fmt: skip
        self._expired = Gauge(
            "handrail_reviews_expired", "Reviews that nobody decided in time, in the last 24 hours",
            registry=self._ledger,
        )  # fmt: skip
        self._stopped = Gauge(
            "handrail_stopped", "1 while everything, or a part of it, is stopped", ["scope", "name"],
            registry=self._ledger,
        )  # fmt: skip

    def count_webhook(self, source: str, outcome: str) -> None:
        """One delivery."""
        self._webhooks.labels(source, outcome).inc()

    def scrape(self) -> bytes:
        """Everything, in Prometheus' text format."""
        try:
            now = standing(self._handrail.database, now=self._handrail.clock())
            with self._handrail.database.read() as connection:
                troubles = feeds_in_trouble(connection, self._handrail.policy, now=self._handrail.clock())
        except SQLAlchemyError:
            self._readable.set(0)
            return generate_latest(self._registry)
        self._readable.set(1)
        self._actions.clear()
        for (capability, state), count in now.actions.items():
            self._actions.labels(capability, state).set(count)
        self._oldest.set(now.oldest_urgent_seconds)
        self._quarantine.set(now.quarantined)
        self._messages.set(now.messages_waiting)
        self._fetching.clear()
        for those in now.fetching:
            self._fetching.labels(those.source).set(those.count)
        self._oldest_fetch.set(now.oldest_fetch_seconds)
        for name, is_open in now.breakers.items():
            self._breakers.labels(name).set(is_open)
        self._feeds.clear()
        for trouble in troubles:
            self._feeds.labels(trouble.data_set, trouble.feed, "halted" if trouble.is_halted else "stale").set(1)
        for risk in Risk:
            self._reviews.labels(risk.value).set(now.reviews.open.get(risk, 0))
        self._oldest_review.set(now.oldest_review_seconds)
        self._halted.set(len(now.reviews.halted))
        self._expired.set(now.reviews.expired)
        self._stopped.clear()
        for part in (EVERYTHING, *(stop.part for stop in now.stops)):
            self._stopped.labels(part.scope.value, part.name).set(any(stop.part == part for stop in now.stops))
        return generate_latest(self._registry) + generate_latest(self._ledger)
