"""A review as Prefect shows it: the name of its run, what its form says, its artifact, and how it ended."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from domain.review_words import RISK_WORDS
from domain.reviews import Stand
from integrations.prefect_reviews import run_page
from services.review_reading import Example, ReviewSummary

_ENDS = {
    Stand.APPROVED: "approved",
    Stand.REJECTED: "rejected: nothing of it is done",
    Stand.EXPIRED: "nobody decided in time: nothing of it is done",
    Stand.SUPERSEDED: "nothing is left of what it asked",
}


def artifact_key(review: int) -> str:
    """What Prefect calls the artifact of a review."""
    return f"review-{review}"


def run_name(shown: ReviewSummary) -> str:
    """`review 12: 37 messages: step welcome of the journey onboarding, by 30 Nov 14:05 UTC`."""
    return f"review {shown.id}: {shown.title}, by {_at(shown.deadline)}"


def outcome(shown: ReviewSummary) -> str:
    """How a review ended, by whom and why, in words."""
    words = _ENDS[shown.stand]
    if shown.stand in {Stand.APPROVED, Stand.REJECTED}:
        yes = list(dict.fromkeys(vote.reviewer for vote in shown.votes if vote.decision == "approve"))
        people = yes if shown.stand is Stand.APPROVED and yes else [shown.decided_by or "nobody"]
        verb, _, rest = words.partition(":")
        words = f"{verb} by {' and '.join(people)}{':' if rest else ''}{rest}"
        if shown.decided_at is not None:
            words += f", {_at(shown.decided_at)}"
        if shown.reason:
            words += f" ({shown.reason})"
    return words


def question(shown: ReviewSummary, *, prefect_ui: str, said: str = "", is_answered_here: bool = True) -> str:
    """What a form says above its fields, as Markdown, in few lines. `said` is what came of the answer before."""
    parts = [f"**{_plain(said)}**"] if said else []
    if not is_answered_here:
        parts.append(f"**Decided on [its page]({shown.link}), not here.**")
    by = f"Decide by {_at(shown.deadline)}, else nothing of it is done."
    counts = "; ".join(filter(None, (_counts(each) for each in (shown.channels, shown.tiers, shown.languages))))
    links = [f"[everything in full]({shown.link})", "examples in this run's artifact"]
    origin = run_page(prefect_ui, shown.initiator)
    links += [f"[the run that planned it]({origin})"] if origin is not None else []
    parts += [
        _headline(shown),
        _plain(f"Asked because: {'; '.join(words for _, words in shown.rules)}. {counts}."),
        _plain(f"{by} {_people(shown)}"),
        f"See {', '.join(links)}.",
    ]
    return "\n\n".join(parts)


def account(shown: ReviewSummary, *, prefect_ui: str, said: str = "") -> str:
    """The artifact: all that is asked, with examples, and what became of it."""
    title = f"# Review {shown.id}" if shown.is_open else f"# Review {shown.id}: {shown.stand}"
    words = said if shown.is_open else outcome(shown)
    parts = [title, f"**{_plain(words)}**"] if words else [title]
    examples = [_example(number, one) for number, one in enumerate(shown.examples, 1)]
    return "\n\n".join([*parts, *_asked(shown, prefect_ui), *examples])


def notice(shown: ReviewSummary, *, prefect_ui: str, run: str) -> str:
    """What the run that planned it shows of the review: where it is asked."""
    page = run_page(prefect_ui, run)
    asked = f"[review {shown.id}]({page})" if page is not None else f"review {shown.id}"
    return f"{_plain(shown.title)}: waits for {asked} ([its page]({shown.link}))"


def _asked(shown: ReviewSummary, prefect_ui: str) -> list[str]:
    """What, how many, why and by when."""
    is_worth = shown.value is not None and any(digit in shown.value for digit in "123456789")
    rows = [
        ("Channels", _counts(shown.channels)),
        ("Tiers", _counts(shown.tiers)),
        ("Languages", _counts(shown.languages)),
        ("At stake", shown.value if is_worth and shown.value else ""),
        ("Decide by", f"{_at(shown.deadline)}; else nothing of it is done"),
    ]
    parts = [
        _headline(shown),
        "\n".join(f"- {name}: {_plain(words)}" for name, words in rows if words),
        "\n".join(["Somebody is asked because:", "", *(f"- {_plain(words)}" for _, words in shown.rules)]),
        *([_people(shown)] if shown.is_open else []),
        f"[Everything in full, and who it goes to]({shown.link}): there some can be left out, or words edited.",
    ]
    origin = run_page(prefect_ui, shown.initiator)
    return [*parts, f"Planned by [this run]({origin})."] if origin is not None else parts


def _headline(shown: ReviewSummary) -> str:
    return f"**{_plain(shown.title)}** ({RISK_WORDS[shown.risk]})"


def _people(shown: ReviewSummary) -> str:
    missing = shown.still_needed
    yes = ", ".join(vote.reviewer for vote in shown.votes if vote.decision == "approve")
    people = "One person must say yes." if missing == 1 else f"{missing} different people must say yes."
    return f"{people} Yes so far: {yes}." if yes else people


def _example(number: int, one: Example) -> str:
    said = f"{one.subject}\n\n{one.text}" if one.subject else one.text
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", said)), default=0))
    return (
        f"Example {number}, {one.channel} in {one.language}, to a made-up customer:\n\n{fence}\n{said.strip()}\n{fence}"
    )


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.items())


def _at(when: datetime) -> str:
    return f"{when.astimezone(UTC):%-d %b %H:%M} UTC"


def _plain(words: str) -> str:
    """Words of ours that Markdown reads as nothing but words."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", words)
