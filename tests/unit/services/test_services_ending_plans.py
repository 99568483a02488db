"""Plans about endings: what need not be known of whom."""

from itertools import product

import pytest
from ledger_world import NOON, POLICY

from domain.channels import Channel
from domain.customers import Tier
from domain.endings import Calendars
from domain.entitlements import EntitlementKind
from domain.expiry import Situation, route
from services.ending_plans import EndingPlans
from services.risks import Risks

EITHER = (False, True)


@pytest.mark.parametrize("kind", EntitlementKind)
def test_number_and_consent_matter_to_nobody_but_those_who_may_be_called(kind: EntitlementKind) -> None:
    """Of others they are not read: whatever they are, the same is done for the same reason."""
    plans = EndingPlans(kind, POLICY, Calendars(NOON, "Europe/Warsaw"), {}, Risks(POLICY, now=NOON))
    tiers, at_least, below = plans.called()
    channels = set()
    for tier, amount, has_agent, is_locked, is_erased in product(Tier, plans.amounts, EITHER, EITHER, EITHER):
        routes = {
            route(Situation(kind, tier, amount, has_agent, *known, is_locked, is_erased), POLICY)
            for known in product(EITHER, EITHER)
        }
        may_be_called = tier in tiers and at_least <= amount < below
        assert may_be_called or len(routes) == 1
        channels |= {one.channel for one in routes}
    assert (Channel.VOICE in channels) == bool(tiers) == (kind is not EntitlementKind.POLICY)
