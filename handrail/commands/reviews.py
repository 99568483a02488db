"""`handrail reviews`: what waits for a person; say yes or no, or leave somebody out, with a one-time code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table

if TYPE_CHECKING:
    from domain.policy import Policy
    from domain.reviews import Decision, Voter
    from services.review_reading import ReviewSummary
    from services.reviews import Standing
    from store.database import Database

app = typer.Typer(help="What waits for a person: list, show, approve, reject, exclude.", invoke_without_command=True)

Id = Annotated[int, typer.Argument(help="An id, as `handrail reviews` lists them.")]
By = Annotated[str, typer.Option(help="The reviewer who decides: you.")]
Code = Annotated[
    str, typer.Option(help="What your phone shows, or a recovery code; asked for when left out.", show_default=False)
]
Reason = Annotated[str, typer.Option(help="Why, from the list: `as intended`, `the words are wrong` …")]
Comment = Annotated[str, typer.Option(help="More about it; kept with your decision.")]
Seen = Annotated[
    str,
    typer.Option(
        help="The payload hash that `show` printed, or its beginning: nothing is decided if it changed since."
    ),
]

_SEEN_AT_LEAST = 8


@app.callback()
def reviews(
    context: typer.Context,
    decided: Annotated[bool, typer.Option("--decided", help="Those that are decided, the last first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person, by deadline."""
    if context.invoked_subcommand is not None:
        return
    from services.review_listing import list_reviews

    with _installation() as here:
        found = list_reviews(here.database, here.policy, decided=decided, limit=limit, gateway_url=here.gateway_url)
    if as_json:
        say_json([one.as_json() for one in found])
    elif found:
        columns = ("id", "state", "risk", "title", "yes", "deadline", "decided_by")
        say_table(columns, [_row(one) for one in found])
    else:
        say("nothing is decided yet" if decided else "nothing waits for a person")


@app.command()
def show(review_id: Id, as_json: AsJson = False) -> None:
    """Show one: what is asked and why, how many, examples with made-up values, who has said what."""
    from services.review_reading import summary

    with _installation() as here:
        its = summary(here.database, here.policy, review_id, gateway_url=here.gateway_url)
    if as_json:
        say_json(its.as_json())
    else:
        _show(its)


@app.command()
def approve(
    review_id: Id,
    by: By,
    reason: Reason,
    code: Code = "",
    comment: Comment = "",
    seen: Seen = "",
    as_json: AsJson = False,
) -> None:
    """Say yes to exactly what is asked. It goes out within a minute, many by and by."""
    from domain.reviews import Decision

    _decide(review_id, Decision.APPROVE, by, code, reason, comment, seen, as_json=as_json)


@app.command()
def reject(
    review_id: Id,
    by: By,
    reason: Reason,
    code: Code = "",
    comment: Comment = "",
    seen: Seen = "",
    as_json: AsJson = False,
) -> None:
    """Say no: nothing of it goes out."""
    from domain.reviews import Decision

    _decide(review_id, Decision.REJECT, by, code, reason, comment, seen, as_json=as_json)


@app.command("ask")
def ask_once_more(
    name: Annotated[str, typer.Argument(help="A message or a journey, as its directory or file is called.")],
    by: Annotated[str, typer.Option(help="Who asks; whoever asks cannot decide.")],
    as_json: AsJson = False,
) -> None:
    """Ask for a second look at a changed message or journey that was rejected, or not decided in time."""
    from services.content_reviews import Publication
    from services.publishing import ask_again
    from templates.journey_files import load_journeys
    from templates.library import load

    if not by.strip():
        raise typer.BadParameter("--by must say something: whoever asks cannot decide")
    with _installation() as here:
        asks = Publication(here.policy, by.strip())
        number = ask_again(here.database, name, load(), load_journeys(), asks=asks, now=datetime.now(UTC))
    if as_json:
        say_json({"review": number, "what": name})
    else:
        say(f"review {number} asks about {name}: `handrail reviews show {number}`")


@app.command()
def exclude(
    review_id: Id,
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys of actions that wait in it.")],
    by: By,
    code: Code = "",
    seen: Seen = "",
    as_json: AsJson = False,
) -> None:
    """Leave actions out: they are cancelled, and who has said yes must look again. Your own yes comes after."""
    from domain.review_rules import Way
    from services import reviews as service

    def leave_out(here: "_Installation", its: "ReviewSummary", voter: "Voter") -> "Standing":
        return service.exclude(
            here.database,
            here.policy,
            review_id,
            keys,
            reviewer=voter,
            payload_hash=its.payload_hash,
            way=Way.COMMAND,
            now=datetime.now(UTC),
        )

    standing = _done(review_id, by, code, seen, leave_out, as_json=as_json)
    if as_json:
        say_json({"excluded": keys, **_as_json(standing)})
    else:
        say(f"{len(keys)} left out of review {review_id}. It waits as it is now: payload hash {standing.payload_hash}")


def _decide(
    review_id: int, decision: "Decision", by: str, code: str, reason: str, comment: str, seen: str, *, as_json: bool
) -> None:
    from domain.review_rules import Way
    from services.reviews import vote

    why = _reason(reason)

    def cast(here: "_Installation", its: "ReviewSummary", voter: "Voter") -> "Standing":
        return vote(
            here.database,
            here.policy,
            review_id,
            reviewer=voter,
            decision=decision,
            payload_hash=its.payload_hash,
            reason=why,
            comment=comment.strip() or None,
            way=Way.COMMAND,
            now=datetime.now(UTC),
        )

    standing = _done(review_id, by, code, seen, cast, as_json=as_json)
    if as_json:
        say_json({"decision": decision.value, **_as_json(standing)})
    elif standing.decided_by is None:
        say(f"your yes is kept; {standing.needed - standing.approvals} more must say yes to review {review_id}")
    else:
        say(f"review {review_id} is {standing.stand}")


def _done(
    review_id: int,
    by: str,
    code: str,
    seen: str,
    work: "Callable[[_Installation, ReviewSummary, Voter], Standing]",
    *,
    as_json: bool,
) -> "Standing":
    """Show what it is about, ask for the code, spend it, do it. What could not count anyway spends none."""
    from domain.review_rules import Way
    from handrail.failures import CommandFailed
    from services.review_reading import summary
    from services.reviewers import check_code

    if seen and len(seen) < _SEEN_AT_LEAST:
        raise typer.BadParameter(f"--seen takes at least {_SEEN_AT_LEAST} characters of the payload hash")
    with _installation() as here:
        its = summary(here.database, here.policy, review_id, gateway_url=here.gateway_url)
        if not its.is_open:
            raise CommandFailed(f"review {review_id} is {its.stand}{_by(its)}: nothing is left to decide")
        if Way.COMMAND not in its.ways:
            raise CommandFailed(f"the policy has reviews of class {its.risk} decided elsewhere: {its.link}")
        if not its.payload_hash.startswith(seen):
            raise CommandFailed(
                f"review {review_id} was changed since: look at it anew, `handrail reviews show {review_id}`"
            )
        if not code:
            if not as_json:
                _show(its)
            code = typer.prompt(f"{by}, the six digits that your phone shows", err=True)
        voter = check_code(here.database, by, code, now=datetime.now(UTC))
        return work(here, its, voter)


@dataclass(frozen=True)
class _Installation:
    database: "Database"
    policy: "Policy"
    gateway_url: str


@contextmanager
def _installation() -> Iterator[_Installation]:
    from data_contracts.policy import load_policy
    from handrail.opening import the_database
    from services.settings import load_settings

    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database:
        yield _Installation(database, policy, settings.gateway_url)


def _reason(said: str) -> Any:
    """Raises typer.BadParameter for one that is not on the list: it stands where no customer's name may stand."""
    from domain.reviews import Reason as Why
    from domain.words import did_you_mean, one_of

    plain = " ".join(said.replace("-", " ").replace("_", " ").split()).casefold()
    found = next((why for why in Why if why.value.casefold() == plain), None)
    if found is None:
        listed = [f"“{why.value}”" for why in Why]
        near = did_you_mean(said, [why.value for why in Why])
        raise typer.BadParameter(f'--reason "{said}" is not on the list{near}: use {one_of(listed)}')
    return found


def _show(its: "ReviewSummary") -> None:
    say(f"review {its.id}, {its.stand}{_by(its)}: {its.title}")
    facts = {
        "risk": its.risk.value,
        "why": "; ".join(why for _, why in its.rules) or "by policy",
        "decide by": f"{its.deadline:%Y-%m-%d %H:%M} UTC",
        "customers": _counts(its.tiers),
        "languages": _counts(its.languages),
        "channels": _counts(its.channels),
        "at stake": its.value or "",
        "yes so far": f"{its.reviewers_needed - its.still_needed} of {its.reviewers_needed}",
        "caused by": its.initiator,
        "payload hash": its.payload_hash,
        "page": its.link,
    }
    for name, fact in facts.items():
        if fact:
            say(f"  {name}: {fact}")
    for vote in its.votes:
        say(f"  {vote.at:%Y-%m-%d %H:%M} UTC  {vote.decision} by {vote.reviewer}: {vote.reason}")
    for one in its.examples:
        say(f"\n--- {one.channel}, {one.language}, with made-up values: {one.subject}".rstrip(": "))
        say(one.text)


def _row(its: "ReviewSummary") -> dict[str, Any]:
    return {
        "id": its.id,
        "state": its.stand.value,
        "risk": its.risk.value,
        "title": its.title,
        "yes": f"{its.reviewers_needed - its.still_needed} of {its.reviewers_needed}",
        "deadline": f"{its.deadline:%Y-%m-%d %H:%M} UTC",
        "decided_by": its.decided_by,
    }


def _as_json(standing: "Standing") -> dict[str, Any]:
    return {
        "review": standing.review_id,
        "state": standing.stand.value,
        "payload_hash": standing.payload_hash,
        "revision": standing.revision,
        "approvals": standing.approvals,
        "needed": standing.needed,
        "decided_by": standing.decided_by,
    }


def _by(its: "ReviewSummary") -> str:
    if its.decided_by is None or its.decided_at is None:
        return ""
    return f" by {its.decided_by} at {its.decided_at:%Y-%m-%d %H:%M} UTC"


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if name)
