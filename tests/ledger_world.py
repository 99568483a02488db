"""A small world around the ledger for tests: a policy, people, plans, and one worker's steps by name."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from domain.actions import EDGES, Basis, Capability, Kind, State, is_legal
from domain.breaker import BreakerRules
from domain.contact import FrequencyCap
from domain.customers import Customer, Tier
from domain.distress import Category, DistressRules
from domain.hours import QuietHours
from domain.planning import Payload, PlannedAction
from domain.policy import ContactPolicy, HumanContact, Policy, Priority, RetryRules, SurveyPolicy, Teams
from domain.staffing import OpenHours, Staffing, Weekday
from domain.surveys import SurveyKind, Thresholds
from store import customers as people
from store.database import Database
from store.integrations import register
from store.ledger.arm import Target, Window, arm
from store.ledger.enqueue import About, enqueue
from store.ledger.record import record
from store.ledger.reserve import reserve
from store.ledger.rows import Reserved, Result, Worker, actions, audit, controls, customers, reviews
from store.ledger.sweep import Swept, sweep_leases
from store.tables import metadata

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw: nobody is asleep, somebody is at work."""

NIGHT = datetime(2026, 3, 4, 23, tzinfo=UTC)

POLICY = Policy(
    company="Example",
    languages=("pl", "cs", "en"),
    default_language="en",
    default_time_zone="Europe/Warsaw",
    human={tag: HumanContact("+48 22 000 00 00", "care@example.com", "8-18") for tag in ("pl", "cs", "en")},
    teams=Teams(critical_answer="Customer Retention", distress="Care"),
    survey=SurveyPolicy(
        thresholds={
            SurveyKind.NPS: Thresholds(critical_at_most=6, promoter_at_least=9),
            SurveyKind.CSAT: Thresholds(critical_at_most=2, promoter_at_least=4),
            SurveyKind.CES: Thresholds(critical_at_most=3, promoter_at_least=6),
        },
        priority=Priority.CRITICAL,
        answer_minutes={Tier.VIP: 60, Tier.CORE: 120, Tier.BASIC: 240},
        acknowledge_within_hours=48,
        acknowledge_answers_up_to_hours=72,
    ),
    staffing=Staffing(
        "Europe/Warsaw", {day: (OpenHours(time(8), time(18)),) for day in tuple(Weekday)[: Weekday.SATURDAY.index("s") + 5]}
    ),
    contact=ContactPolicy(quiet=QuietHours(time(20), time(8)), cap=FrequencyCap(contacts=2, days=7)),
    distress=DistressRules({Category.BEREAVEMENT: {"en": ("passed away",)}, Category.LEGAL: {"en": ("lawyer*",)}}),
    breaker=BreakerRules(open_after_failures=3, probe_seconds=5, probe_longest_seconds=60),
    retry=RetryRules(first_seconds=1, longest_seconds=60, max_attempts=5),
)
