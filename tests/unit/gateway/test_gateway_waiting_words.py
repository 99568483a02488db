"""No rule delays an acknowledgement: while changed words wait for a review, the last approved ones go out at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ledger_world import NOTHING_IS_RISKY

from domain.actions import Basis, Kind
from domain.policy import Policy
from domain.review_rules import (
    HardshipRule,
    KindRule,
    ManyCustomersRule,
    PhrasesRule,
    PlainRule,
    Risk,
    RiskPolicy,
    Rule,
    UnusualVolumeRule,
)
from services.content_reviews import Publication
from services.publishing import publish_templates
from templates.library import load

Answer = Callable[..., dict[str, Any]]

ACKNOWLEDGEMENT = "survey/standard/r-1/acknowledgement"
HARDSHIP = "Straciłam pracę i nie mam z czego zapłacić."
OUTWARD = frozenset({Kind.MESSAGE, Kind.CALL})
EVERYTHING_IS_RISKY = RiskPolicy(
    changed_words=PlainRule(Risk.HIGH),
    changed_journey=PlainRule(Risk.HIGH),
    many_customers=ManyCustomersRule(Risk.HIGH, more_than=1, within_minutes=60 * 24),
    vip=KindRule(Risk.HIGH, OUTWARD),
    money_or_apology=PhrasesRule(Risk.HIGH, {"pl": ("dzień",), "en": ("hello",), "cs": ("dobrý",)}),
    hardship=HardshipRule(Risk.HIGH, OUTWARD, days=365),
    uncertain_effect=PlainRule(Risk.HIGH),
    gate_warnings=KindRule(Risk.HIGH, OUTWARD),
    unusual_volume=UnusualVolumeRule(Risk.HIGH, times=1.01, at_least=1, weeks=52),
)
"""Every rule on, each at its lowest threshold."""


@pytest.fixture
def strict(installation: Any, policy: Policy) -> Any:
    """An installation in which everything is risky, and all acknowledgements were changed and wait."""
    installation.policy = replace(policy, reviews=replace(NOTHING_IS_RISKY, rules=EVERYTHING_IS_RISKY))
    changed = [
        replace(one, parts={**one.parts, "mail.txt": f"{one.parts['mail.txt']} SELL"})
        for one in load()
        if one.name.startswith("acknowledgement")
    ]
    now = installation.clock() - timedelta(minutes=1)
    assert publish_templates(installation.database, changed, now=now, asks=Publication(installation.policy)) == len(
        changed
    )
    assert len(installation.rows("reviews")) == len({one.name for one in changed})
    return installation


@pytest.mark.parametrize(
    ("tier", "comment", "template"),
    [
        ("basic", "Czekam trzeci tydzień.", "acknowledgement"),
        ("vip", "Czekam trzeci tydzień.", "acknowledgement-vip"),
        ("vip", HARDSHIP, "acknowledgement-distress"),
        ("basic", HARDSHIP, "acknowledgement-distress"),
    ],
)
async def test_the_last_approved_words_go_out_at_once(
    strict: Any, opened: Any, on_file: Any, answer: Answer, tier: str, comment: str, template: str
) -> None:
    on_file("C-1", tier=tier, email="anna@example.com", language="pl")
    async with opened(strict, sweep_seconds=60, follow_seconds=60) as door:  # no sweep helps
        assert (await door.deliver(answer(comment=comment))).status_code == 202
        await strict.settled()
    action = strict.action(ACKNOWLEDGEMENT)
    assert (action.state, action.review_id, action.due_at) == ("done", None, strict.clock())
    in_use = {(one.name, one.language): one.hash for one in load()}
    assert action.payload["template_hash"] == in_use[template, "pl"]
    assert [row.subject for row in strict.rows("reviews")].count("actions") == 0


@pytest.mark.parametrize("rule", Rule)
async def test_each_rule_alone_delays_none(
    on_sqlite: Any, policy: Policy, opened: Any, answer: Answer, rule: Rule
) -> None:
    only = replace(NOTHING_IS_RISKY.rules, **{rule.value: getattr(EVERYTHING_IS_RISKY, rule.value)})
    on_sqlite.policy = replace(policy, reviews=replace(NOTHING_IS_RISKY, rules=only))
    async with opened(on_sqlite) as door:
        for number in range(3):
            who = {"ref": f"C-{number}", "email": f"c{number}@example.com"}
            await door.deliver(answer(customer=who, response_id=f"r-{number}"), f"msg_{number}")
        await on_sqlite.settled()
    rows = [row for row in on_sqlite.rows("actions") if row.basis == Basis.REPLY]
    assert [(row.state, row.review_id) for row in rows] == [("done", None)] * 3
