"""`handrail policy`: what the policy makes of an ending, in words; and whether a policy file is right."""

from pathlib import Path
from typing import Annotated, Any

import typer

from handrail.speech import AsJson, console, say, say_json, warn

app = typer.Typer(help="The policy: what it makes of an ending, and whether a file of it is right.")


@app.command()
def explain(
    subject: Annotated[
        str,
        typer.Argument(
            help="An entitlement's ref, a customer's ref, an action's key, a review's number, a message or a journey."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what would be done about a subject now, and why; which rules would have it reviewed, and which not."""
    from datetime import UTC, datetime

    from data_contracts.policy import load_policy
    from domain.words import all_near
    from handrail.failures import CommandFailed
    from handrail.opening import the_database
    from services.explaining import SUBJECTS, nearest_known
    from services.explaining import explain as explained
    from services.risk_explaining import RISK_SUBJECTS, explain_risks, names_known
    from services.settings import load_settings

    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database:
        now = datetime.now(UTC)
        told, risks = explained(database, policy, subject, now=now), explain_risks(database, policy, subject, now=now)
        if told is None and not risks:
            near = [*nearest_known(database, subject), *all_near(subject, names_known(database))]
            hint = f"; the nearest known: {', '.join(near)}" if near else ""
            raise CommandFailed(f"nobody knows {subject!r}: give {SUBJECTS}, {RISK_SUBJECTS}{hint}")
    if as_json:
        say_json({**(told or {"subject": subject}), "reviews": risks})
        return
    if told is not None:
        _tell(told)
    for one in risks:
        _tell_risk(one)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The policy file; without one, the one that is in use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say that a policy file is right and can work, or everything that is wrong with it: line, column, what to do.

    What works and is hardly meant is told as well; who may decide is looked up if the database can be read.
    """
    from datetime import UTC, datetime

    from handrail.opening import the_database_if_there
    from services.policy_check import check_policy
    from services.settings import load_settings
    from templates.library import load

    path = file or load_settings()[0].policy
    text = path.read_text(encoding="utf-8")
    with the_database_if_there() as database:
        found = check_policy(text, str(path), load(), database=database, today=datetime.now(UTC).date())
    if as_json:
        say_json(
            {"file": str(path), "ok": not found.problems, "problems": [str(problem) for problem in found.problems]}
            | {"warnings": [str(problem) for problem in found.warnings]}
        )
    else:
        for problem in found.problems:
            warn(f"{path}: {problem}")
        for problem in found.warnings:
            warn(f"{path}: mind {problem}")
        if not found.looked_at_reviewers:
            warn("who may decide was not looked up: the database cannot be read")
        if not found.problems:
            say(f"{path} is right")
    if found.problems:
        raise typer.Exit(1)


def _tell(told: dict[str, Any]) -> None:
    out, customer = console(), told["customer"]
    lock = f", no automatic contact: {customer['no_automatic_contact']}" if customer["no_automatic_contact"] else ""
    agent = f", agent {customer['agent']}" if customer["agent"] else ""
    erased = ", erased" if customer["erased"] else ""
    _line(out, f"{customer['ref']} ({customer['tier']}){agent}{erased}{lock}", "bold")
    if not told["endings"]:
        _line(out, "nothing of theirs ends, or ended lately")
    for ending in told["endings"]:
        _tell_ending(out, ending)
    for journey in told["journeys"]:
        _tell_journey(out, journey)


def _tell_ending(out: Any, ending: dict[str, Any]) -> None:
    out.print()
    left = f"{ending['days_left']} days left" if ending["days_left"] >= 0 else f"{-ending['days_left']} days ago"
    _line(
        out,
        f"{ending['entitlement']}: {ending['kind']} “{ending['product']}” ends on {ending['ends_on']}, {left}",
        "bold",
    )
    priority = f", priority {ending['priority']}" if ending["priority"] else ""
    _line(out, f"  at risk      {ending['at_risk']}{priority}; what would be said is {ending['confidentiality']}")
    _line(out, f"  when         {ending['when']}")
    _line(out, f"  what         {_what(ending)}")
    if ending["now"]:
        _line(out, f"  at this time {ending['now']}")
    for channel in ending["channels"]:
        named = f"{channel['channel']:<6} {channel['costs']:>10}, carries {channel['carries']}"
        _line(out, f"    {'in ' if channel['is_in'] else 'out'} {named}: {'; '.join(channel['why'])}")
    _line(out, f"  data         {_data(ending['gate'])}")
    for action in ending["planned"]:
        why = action["reason"] or action["why"]
        _line(out, f"  planned      {action['key']}: {action['state']}{f' ({why})' if why else ''}")


def _tell_journey(out: Any, journey: dict[str, Any]) -> None:
    out.print()
    _line(out, f"journey {journey['journey']}, since {journey['since'].replace('T', ' ')}", "bold")
    _line(out, f"  where        {journey['in_words']}")
    if journey["next"]:
        _line(out, f"  next         {journey['next']}")
    for channel in journey["channels"]:
        _line(out, f"    {'in ' if channel['is_in'] else 'out'} {channel['channel']:<6} {channel['why']}")


def _tell_risk(told: dict[str, Any]) -> None:
    out, asks, review = console(), told["asks"], told["review"]
    out.print()
    _line(out, told["about"], "bold")
    people = "" if asks is None else "one person" if asks["reviewers"] == 1 else f"{asks['reviewers']} people"
    if review is not None:
        by = (
            f" by {review['decided_by']}" if review["decided_by"] else f", until {review['deadline'].replace('T', ' ')}"
        )
        _line(out, f"  review       {review['review']}: {review['state']}{by} ({review['link']})")
    if asks is not None:
        _line(out, f"  rules        ask for a review of {asks['risk']} risk: {people} must say yes")
    else:
        _line(out, "  rules        ask for no review, as things stand")
    for rule in told["rules"]:
        word = "applies" if rule["applies"] else "does not" if rule["is_on"] else "is off"
        _line(out, f"    {word:<8} {rule['rule']}: {rule['why']}")


def _what(ending: dict[str, Any]) -> str:
    if ending["chosen"] is None:
        return f"nothing: {ending['why']}"
    if ending["chosen"] == "voice":
        return f"a call: {ending['why']}"
    return f"{ending['why']} (assigned to {ending['assignee']})"


def _data(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "came through no gate that passed: nothing is done because of it"
    passed = f"let through by {gate['let_through_by']}" if gate["let_through_by"] else gate["verdict"].replace("_", " ")
    fresh = "stale since" if gate["is_stale"] else "fresh until"
    return f"gate {gate['gate']} ({gate['origin']}): {passed}; {fresh} {gate['fresh_until'].replace('T', ' ')}"


def _line(out: Any, words: str, style: str = "") -> None:
    """Words are shown as they are: some are a customer's or a vendor's."""
    from rich.text import Text

    out.print(Text(words, style))
