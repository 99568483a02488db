"""What is done about an ending: the choice of a channel against an oracle of its own, priorities, horizons, words."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from domain.channels import Channel, ChannelRules, Confidentiality
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.expiry import Situation, horizon_of, objections, priority_of, route, value_thresholds
from domain.policy import Policy, Priority
from tests.ledger_world import POLICY

CALLS = (frozenset[Tier](), frozenset({Tier.CORE}), frozenset(Tier))


def a_policy(
    *,
    voice: ChannelRules = POLICY.channels[Channel.VOICE],
    person: ChannelRules = POLICY.channels[Channel.PERSON],
    called: frozenset[Tier] = CALLS[1],
    told: Confidentiality = Confidentiality.PERSONAL,
    high: int = 50_000,
) -> Policy:
    """The test's policy with other lines in the channel table, and the same rules for every kind."""
    kinds = {kind: replace(rules, call=called, confidentiality=told) for kind, rules in POLICY.expiry.kinds.items()}
    return replace(
        POLICY,
        channels={**POLICY.channels, Channel.VOICE: voice, Channel.PERSON: person},
        expiry=replace(POLICY.expiry, kinds=kinds, high_value_at_least=high),
    )


def policies() -> Iterator[Policy]:
    """Small ones of every sort: cheap, dear and free channels of each class, nobody or everybody called."""
    for (voice, person), carries, told, called, spare in product(
        ((60, 900), (900, 60), (60, 60), (0, 900), (0, 0)), Confidentiality, Confidentiality, CALLS, (0, 1_000)
    ):
        yield a_policy(
            voice=ChannelRules(voice, carries),
            person=ChannelRules(person, Confidentiality.CONFIDENTIAL),
            called=called,
            told=told,
            high=person + spare,
        )


def situations(policy: Policy, *, kinds: tuple[EntitlementKind, ...] = tuple(EntitlementKind)) -> Iterator[Situation]:
    for case in product(kinds, Tier, value_thresholds(policy), *[(False, True)] * 5):
        yield Situation(*case)


def oracle(asked: Situation, policy: Policy) -> Channel | None:
    """The rules of the issue, one after the other, over the whole channel table."""
    table = dict(policy.channels)
    rules = policy.expiry.kinds[asked.kind]
    classes = ["open", "personal", "confidential"]
    if asked.is_erased:
        return None
    if asked.is_locked:
        return Channel.PERSON
    left = [name for name in table if name in ("voice", "person")]
    left = [name for name in left if classes.index(table[name].carries) >= classes.index(rules.confidentiality)]
    left = [name for name in left if table[name].cost_minor <= asked.at_risk_minor]
    if not (asked.tier in rules.call and asked.has_phone and asked.may_call):
        left = [name for name in left if name != "voice"]
    if asked.at_risk_minor >= policy.expiry.high_value_at_least:
        cheapest = min(table["voice"].cost_minor, table["person"].cost_minor)
        left = [name for name in left if name == "person" or table[name].cost_minor > cheapest]
    if not left:
        return None
    return Channel.VOICE if "voice" in left else Channel.PERSON


def test_channel_is_the_oracles_in_every_small_case() -> None:
    seen = set()
    for policy in policies():
        for asked in situations(policy, kinds=(EntitlementKind.POLICY,)):
            chosen = route(asked, policy)
            assert chosen.channel == oracle(asked, policy), (asked, chosen)
            seen.add(chosen.channel)
    assert seen == {None, Channel.VOICE, Channel.PERSON}


def test_channel_is_the_oracles_with_the_rules_of_each_kind() -> None:
    for asked in situations(POLICY):
        assert route(asked, POLICY).channel == oracle(asked, POLICY), asked


def test_amounts_between_thresholds_are_treated_alike() -> None:
    """So that one question stands for all endings between two of them."""
    for policy in (POLICY, a_policy(called=frozenset(Tier))):
        steps = value_thresholds(policy)
        assert steps[0] == 0
        assert list(steps) == sorted(set(steps))
        for low, next_one in zip(steps, [*steps[1:], steps[-1] * 3], strict=True):
            for asked in situations(policy, kinds=(EntitlementKind.SUPPLY,)):
                least, most = replace(asked, at_risk_minor=low), replace(asked, at_risk_minor=max(low, next_one - 1))
                assert route(least, policy) == route(most, policy)
                for horizon in (7, 1):
                    assert priority_of(least.at_risk_minor, horizon, asked.kind, policy) == priority_of(
                        most.at_risk_minor, horizon, asked.kind, policy
                    )


CALLED = Situation(
    kind=EntitlementKind.SUBSCRIPTION,
    tier=Tier.CORE,
    at_risk_minor=900,
    has_agent=False,
    has_phone=True,
    may_call=True,
    is_locked=False,
    is_erased=False,
)


@pytest.mark.parametrize(
    ("changes", "channel", "why"),
    [
        ({}, Channel.VOICE, "customers of tier core are called about a subscription"),
        ({"is_erased": True}, None, "the customer was erased"),
        ({"is_locked": True}, Channel.PERSON, "a task for Care: tact lock: nothing but a person may get in touch"),
        ({"is_locked": True, "at_risk_minor": 0}, Channel.PERSON, "they may offer relief"),
        ({"at_risk_minor": 0}, None, "worth less than the cheapest way left to reach them: a colleague costs 9.00 EUR"),
        ({"has_phone": False}, Channel.PERSON, "a task for Renewals: no phone number on file that may be called"),
        ({"may_call": False}, Channel.PERSON, "no consent to calls for reminders"),
        ({"may_call": False, "at_risk_minor": 60}, None, "worth less than the cheapest way left to reach them"),
        ({"tier": Tier.VIP}, Channel.PERSON, "a task for Key Accounts: customers of tier vip are not called about a"),
        ({"tier": Tier.VIP, "has_agent": True}, Channel.PERSON, "a task for their own agent: customers of tier vip"),
        ({"at_risk_minor": 50_000}, Channel.PERSON, "at least 500.00 EUR is at risk: never only a call, the cheapest"),
    ],
)
def test_route_says_why(changes: dict[str, object], channel: Channel | None, why: str) -> None:
    chosen = route(replace(CALLED, **changes), POLICY)  # type: ignore[arg-type]
    assert chosen.channel == channel
    assert why in chosen.why


def test_confidential_is_refused_on_a_channel_below_its_class_whatever_else_says_yes() -> None:
    """Called tier, a phone, consent, worth it: and still a person."""
    policy = a_policy(told=Confidentiality.CONFIDENTIAL, called=frozenset(Tier))
    chosen = route(CALLED, policy)
    assert chosen.channel is Channel.PERSON
    assert "it is confidential, and a call carries personal at most" in chosen.why


def test_all_that_speaks_against_a_channel_is_told() -> None:
    against = objections(Channel.SMS, replace(CALLED, at_risk_minor=0), POLICY)
    assert against == (
        "endings are told by a call, or by a colleague who has a task",
        "it is personal, and an SMS carries open at most",
        "worth less than an SMS costs: 0.08 EUR",
    )
    assert objections(Channel.VOICE, CALLED, POLICY) == ()


@pytest.mark.parametrize(
    ("at_risk", "priorities"),
    [
        (0, (Priority.LOW, Priority.NORMAL, Priority.HIGH)),
        (899, (Priority.LOW, Priority.NORMAL, Priority.HIGH)),
        (900, (Priority.NORMAL, Priority.HIGH, Priority.CRITICAL)),
        (49_999, (Priority.NORMAL, Priority.HIGH, Priority.CRITICAL)),
        (50_000, (Priority.HIGH, Priority.CRITICAL, Priority.CRITICAL)),
    ],
)
def test_priority_is_by_value_and_rises_with_each_horizon(at_risk: int, priorities: tuple[Priority, ...]) -> None:
    horizons = POLICY.expiry.kinds[EntitlementKind.SUBSCRIPTION].horizons
    found = tuple(priority_of(at_risk, days, EntitlementKind.SUBSCRIPTION, POLICY) for days in horizons)
    assert found == priorities


@pytest.mark.parametrize(
    ("days_left", "horizon"),
    [(-1, None), (0, 3), (3, 3), (4, 14), (14, 14), (15, 30), (30, 30), (31, None)],
)
def test_horizon_is_the_nearest_one_ahead(days_left: int, horizon: int | None) -> None:
    assert horizon_of(days_left, (30, 14, 3)) == horizon


def test_policy_in_which_a_kind_can_reach_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="the ending of a policy could reach nobody: it is confidential, and channels"):
        a_policy_carrying(Confidentiality.PERSONAL)
    a_policy_carrying(Confidentiality.CONFIDENTIAL)


def a_policy_carrying(carries: Confidentiality) -> Policy:
    return replace(POLICY, channels={**POLICY.channels, Channel.PERSON: ChannelRules(900, carries)})


def test_high_value_below_what_a_person_costs_is_refused() -> None:
    """Such an ending would be too dear for a person and too valuable for a call alone."""
    with pytest.raises(ValueError, match="high_value_at_least is 899, but one contact by a person costs 900"):
        a_policy(high=899)
