"""How what was approved in bulk goes out: never more than its stage lets go, stopped by trouble, and it always ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canary import Halt, Progress, ReleaseMore, Seen, Wait, is_watched, limit_of, next_step
from domain.review_rules import CanaryRules

RULES = CanaryRules((10, 100), 15, 0.05, 0.01, 0.1, 0.05)
FIRST = Progress(stage=1, released=10, waiting=11, pending=0, seen=Seen(tried=10), minutes=15)


@pytest.mark.parametrize(
    ("progress", "step"),
    [
        (Progress(0, 0, 0, 0, Seen()), Wait),
        (Progress(0, 0, 10, 0, Seen()), ReleaseMore(3, None)),
        (Progress(0, 0, 11, 0, Seen()), ReleaseMore(1, 10)),
        (Progress(1, 4, 11, 4, Seen()), ReleaseMore(1, 10)),
        (replace(FIRST, pending=6), Wait),
        (replace(FIRST, pending=5, minutes=14.9), Wait),
        (replace(FIRST, pending=5), ReleaseMore(2, 110)),
        (replace(FIRST, waiting=0), Wait),
        (Progress(2, 110, 11, 0, Seen(tried=110), 15), ReleaseMore(3, None)),
        (Progress(3, 500, 11, 390, Seen(tried=110)), ReleaseMore(3, None)),
    ],
)
def test_a_few_then_more_then_the_rest(progress: Progress, step: object) -> None:
    found = next_step(progress, RULES)
    assert isinstance(found, Wait) if step is Wait else found == step


@pytest.mark.parametrize(
    ("seen", "is_halted"),
    [
        (Seen(tried=10, bounced=1, complained=1, failed=1, uncertain=1), False),
        (Seen(tried=10, bounced=2), True),
        (Seen(tried=2, failed=2), True),
        (Seen(tried=40, bounced=2), False),
        (Seen(tried=41, bounced=3), True),
        (Seen(tried=199, complained=2), True),
        (Seen(tried=200, complained=2), False),
        (Seen(tried=20, failed=2), False),
        (Seen(tried=19, failed=2), True),
        (Seen(tried=40, uncertain=3), True),
        (Seen(tried=0, complained=2), True),
    ],
)
def test_one_stroke_of_bad_luck_stops_nothing_and_two_beyond_the_share_do(seen: Seen, is_halted: bool) -> None:
    for progress in (replace(FIRST, seen=seen), replace(FIRST, seen=seen, stage=3, waiting=0)):
        assert isinstance(next_step(progress, RULES), Halt) is is_halted


def test_it_says_what_went_wrong() -> None:
    halt = next_step(replace(FIRST, seen=Seen(tried=10, bounced=3)), RULES)
    assert halt == Halt("3 of 10 bounced; the policy allows 5%")


def test_what_was_accepted_does_not_count_again() -> None:
    accepted = Seen(tried=10, bounced=3, uncertain=2)
    assert Seen(tried=110, bounced=4, uncertain=0).since(accepted) == Seen(tried=100, bounced=1)
    assert isinstance(next_step(replace(FIRST, seen=accepted.since(accepted)), RULES), ReleaseMore)


rules = st.builds(
    CanaryRules,
    steps=st.lists(st.integers(1, 30), min_size=1, max_size=3, unique=True).map(lambda steps: tuple(sorted(steps))),
    minutes=st.integers(0, 3),
    **{f"{trouble}_at_most": st.floats(0, 0.5) for trouble in ("bounces", "complaints", "failures", "uncertain")},
)
ENDS = ("done", "done", "done", "bounced", "failed", "uncertain", "skipped", "left")


@given(rules, st.integers(0, 120), st.data())
def test_never_more_than_the_stage_allows_and_it_always_ends(
    rules: CanaryRules, count: int, data: st.DataObject
) -> None:
    """Any order of sends, deaths in the middle of a stage, and people who say: go on."""
    stage = released = 0
    waiting, pending, minutes = count, 0, 0.0
    seen, accepted, halts = Seen(), Seen(), 0
    for _ in range(40 * (count + 10)):
        if not waiting and not pending:
            break
        step = next_step(Progress(stage, released, waiting, pending, seen.since(accepted), minutes), rules)
        match step:
            case Halt():
                assert seen.since(accepted).tried >= 2
                accepted, halts = seen, halts + 1
            case ReleaseMore(begun, up_to):
                assert begun in {stage, stage + 1, len(rules.steps) + 1}
                assert up_to == limit_of(begun, rules)
                assert begun <= stage + 1 or not is_watched(count, rules)
                stage, minutes = begun, 0.0 if begun != stage else minutes
                room = waiting if up_to is None else min(waiting, up_to - released)
                let_go = data.draw(st.integers(0, room))  # it dies on the way
                released, waiting, pending = released + let_go, waiting - let_go, pending + let_go
            case Wait(_, is_half_over):
                minutes = minutes + 1 if is_half_over else 0.0
                ended = data.draw(st.integers(min(1, pending), pending))
                for end in data.draw(st.lists(st.sampled_from(ENDS), min_size=ended, max_size=ended)):
                    pending -= 1
                    seen = Seen(
                        tried=seen.tried + (end not in {"skipped", "left"}),
                        bounced=seen.bounced + (end == "bounced"),
                        failed=seen.failed + (end == "failed"),
                        uncertain=seen.uncertain + (end == "uncertain"),
                    )
        limit = limit_of(stage, rules)
        assert limit is None or released <= limit
        if is_watched(count, rules) and stage < 2:
            assert released <= rules.steps[0]
    assert (waiting, pending) == (0, 0)
