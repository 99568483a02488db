"""`handrail templates`: the words customers read: list them, check them, see how they look."""

from pathlib import Path
from typing import Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="The words customers read: list, check and preview them.", no_args_is_help=True)

Messages = Annotated[
    Path | None, typer.Option("--messages", metavar="DIRECTORY", help="Instead of templates/messages.")
]


@app.callback()
def templates() -> None:
    """The words customers read: list, check and preview them."""


@app.command("list")
def list_messages(messages: Messages = None, as_json: AsJson = False) -> None:
    """Every message, its languages and channels, and how many parts its text message takes."""
    rows = [_row(name, its) for name, its in _by_name(messages).items()]
    if as_json:
        say_json(rows)
    else:
        say_table(("message", "languages", "channels", "sms_parts"), rows)


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="[MESSAGE]", help="One message; all when left out.")] = "",
    messages: Messages = None,
    as_json: AsJson = False,
) -> None:
    """Look for what must not be sent: no way to a person, no reason, unknown values, too many parts."""
    from templates.checks import check as checked

    by_name = _by_name(messages)
    found = [(template, checked(template)) for its in _chosen(by_name, name).values() for template in its]
    problems = [problem for _, its in found for problem in its]
    if as_json:
        told = [{"where": each.path, "problem": each.problem, "do": each.fix} for each in problems]
        say_json({"ok": not problems, "checked": len(found), "problems": told})
    elif problems:
        for problem in problems:
            say(str(problem))
    else:
        say(f"{len(found)} wordings may be sent")
    if problems:
        raise typer.Exit(1)


@app.command()
def preview(
    name: Annotated[str, typer.Argument(metavar="MESSAGE", help="As `handrail templates list` names it.")],
    language: Annotated[str, typer.Option("--lang", help="pl, cs or en.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE.html", help="Where the page is written.")] = None,
    channel: Annotated[str, typer.Option(help="mail, sms, push or voice; all it has when left out.")] = "",
    messages: Messages = None,
    as_json: AsJson = False,
) -> None:
    """Show a message as a customer would see it: phone and desk, day and night, plain text, parts of its text message.

    The words are those in the files, published or not; the customer is made up. Without --to it is told as text.
    """
    from data_contracts.policy import load_policy
    from handrail.failures import CommandFailed
    from services.previewing import links_of, shown
    from services.settings import load_settings
    from templates.journey_files import load_journeys

    by_name = _chosen(_by_name(messages), name)
    wording = next((one for one in by_name[name] if one.language == language), None)
    if wording is None:
        has = ", ".join(one.language for one in by_name[name])
        raise CommandFailed(f'{name} has no words in "{language}", only in {has}')
    wanted = [one for one in wording.channels if channel in {"", one.value}]
    if not wanted:
        raise CommandFailed(f'{name} has no words for "{channel}", only for {", ".join(wording.channels)}')
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    links = links_of(name, [file.journey for file in load_journeys()])
    found = shown(wording, policy, links, wanted)
    if to is not None:
        from gateway.pages.wordings import preview_file  # half a second of FastAPI that a telling need not wait for

        to.write_text(preview_file(wording, found), encoding="utf-8")
    if as_json:
        told = {"message": name, "language": language, "hash": wording.hash, "file": str(to) if to else None}
        say_json({**told, "channels": [one.as_json() for one in found]})
    elif to is not None:
        say(f"{to}: {name} in {language}, by {', '.join(one.channel.value for one in found)}")
    else:
        for one in found:
            _tell(one)


@app.command()
def approve(
    name: Annotated[str, typer.Argument(metavar="MESSAGE", help="As `handrail templates list` names it.")],
    by: Annotated[str, typer.Option("--by", help="Your name; it is kept.")],
    reason: Annotated[str, typer.Option("--reason", help="Why these words are right; it is kept.")],
    as_json: AsJson = False,
) -> None:
    """Use the words of a message that wait, from now on; refused where policy has changed words reviewed."""
    from datetime import UTC, datetime

    from data_contracts.policy import load_policy
    from handrail.opening import the_database
    from services.settings import load_settings
    from services.wordings import approve_waiting

    if not by.strip() or not reason.strip():
        raise typer.BadParameter("--by and --reason must say something: they are kept for those who ask later")
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database:
        approved = approve_waiting(database, policy, name, by=by.strip(), reason=reason.strip(), now=datetime.now(UTC))
    if as_json:
        say_json([{"message": one.name, "language": one.language, "hash": one.hash} for one in approved])
    else:
        say(f"{name} is in use in its new words: {', '.join(one.language for one in approved)}")


def _by_name(messages: Path | None) -> dict[str, list[Any]]:
    from templates.library import MESSAGES, Template, load

    by_name: dict[str, list[Template]] = {}
    for template in load(messages or MESSAGES):
        by_name.setdefault(template.name, []).append(template)
    return by_name


def _chosen(by_name: dict[str, list[Any]], name: str) -> dict[str, list[Any]]:
    from domain.words import did_you_mean
    from handrail.failures import CommandFailed

    if name and name not in by_name:
        raise CommandFailed(f'there is no message "{name}"{did_you_mean(name, by_name)}: see `handrail templates list`')
    return {name: by_name[name]} if name else by_name


def _row(name: str, wordings: list[Any]) -> dict[str, Any]:
    from domain.actions import Capability
    from templates.checks import sample_of
    from templates.renderer import render
    from templates.text_messages import parts_of

    texts = {
        one.language: parts_of(render(one, Capability.SMS, sample_of(one)).text).count
        for one in wordings
        if Capability.SMS in one.channels
    }
    return {
        "message": name,
        "languages": ", ".join(one.language for one in wordings),
        "channels": ", ".join(wordings[0].channels),
        "sms_parts": ", ".join(f"{language} {count}" for language, count in texts.items()),
    }


def _tell(one: Any) -> None:
    say(f"== {one.channel.value}")
    if one.words.subject:
        say(one.words.subject)
    say(one.words.text.rstrip())
    if one.parts:
        parts = "1 part" if one.parts.count == 1 else f"{one.parts.count} parts"
        say(f"({parts}: {one.parts.used} of {one.parts.room} places in {one.parts.alphabet})")
    if one.words.link:
        say(f"(a touch opens {one.words.link})")
