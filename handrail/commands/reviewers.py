"""`handrail reviewers`: who may decide reviews, known by the one-time codes of their phones."""

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from domain.review_rules import ReviewPolicy
    from services.reviewers import Credentials
    from store.database import Database

app = typer.Typer(
    help="Who may decide reviews: list, add, roles, renew (another phone), remove.", invoke_without_command=True
)

Name = Annotated[str, typer.Argument(help="As it will stand beside decisions: “Ewa Lis”.")]
Role = Annotated[
    list[str], typer.Option("--role", help="A role that the policy's risk classes ask for; several: say it again.")
]
By = Annotated[str | None, typer.Option(help="Who does this; it is kept.", show_default="your user name")]
NoProof = Annotated[
    bool, typer.Option("--no-proof", help="Do not ask for a code that shows that the phone has learnt them.")
]
ShowSecret = Annotated[
    bool, typer.Option("--show-secret", help="Show the secret though this is no terminal: whoever reads it can decide.")
]

_TRIES = 3


@app.callback()
def reviewers(context: typer.Context, as_json: AsJson = False) -> None:
    """List who may decide, with their roles and how many recovery codes they have left."""
    if context.invoked_subcommand is None:
        listing(as_json=as_json)


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List who may decide, with their roles and how many recovery codes they have left."""
    from handrail.opening import the_database
    from services.reviewers import list_reviewers

    with the_database() as database:
        found = list_reviewers(database)
        missing = _missing(database)
    if as_json:
        say_json({"reviewers": found, "missing": missing})
        return
    if found:
        rows = [{**one, "roles": ", ".join(one["roles"])} for one in found]
        say_table(("name", "roles", "recovery_codes", "added_at", "added_by"), rows)
    else:
        say("nobody may decide yet: `handrail reviewers add NAME --role ROLE`")
    _warn(missing)


@app.command()
def add(
    name: Name,
    role: Role,
    by: By = None,
    no_proof: NoProof = False,
    show_secret: ShowSecret = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody decide: a QR code for their phone, recovery codes for their drawer. They sit beside you."""
    from handrail.opening import the_database
    from services.reviewers import add_reviewer, check_new, new_credentials

    _refuse_to_spill(show_secret or as_json)
    roles = _roles()
    made = new_credentials(name)
    with the_database() as database:
        check_new(database, made.name, role, known_roles=roles)
        _hand_over(made, is_proven=no_proof or as_json, as_json=as_json)
        add_reviewer(database, made, role, known_roles=roles, by=_who(by), now=datetime.now(UTC))
        _told(made, "added", _missing(database), as_json=as_json, roles=sorted(set(role)))


@app.command("roles")
def change_roles(name: Name, role: Role, by: By = None, as_json: AsJson = False) -> None:
    """Give somebody these roles and no others; it counts from their next request on."""
    from handrail.opening import the_database
    from services import reviewers as service

    with the_database() as database:
        known = service.change_roles(database, name, role, known_roles=_roles(), by=_who(by), now=datetime.now(UTC))
        missing = _missing(database)
    if as_json:
        say_json({"name": known, "roles": sorted(set(role)), "missing": missing})
    else:
        say(f"{known} has the role{'s' if len(set(role)) > 1 else ''} {', '.join(sorted(set(role)))} now")
        _warn(missing)


@app.command()
def renew(
    name: Name,
    by: By = None,
    no_proof: NoProof = False,
    show_secret: ShowSecret = False,
    as_json: AsJson = False,
) -> None:
    """Another phone, or a lost one: other codes. Those from before, sessions and links in alerts end at once."""
    from handrail.opening import the_database
    from services.reviewers import full_name, new_credentials
    from services.reviewers import renew as give

    _refuse_to_spill(show_secret or as_json)
    with the_database() as database:
        made = new_credentials(full_name(database, name))
        _hand_over(made, is_proven=no_proof or as_json, as_json=as_json)
        give(database, made, by=_who(by), now=datetime.now(UTC))
        _told(made, "renewed", [], as_json=as_json)


@app.command()
def remove(name: Name, by: By = None, as_json: AsJson = False) -> None:
    """Take somebody away: sessions and links end at once. What they decided stays."""
    from handrail.opening import the_database
    from services.reviewers import remove as take_away

    with the_database() as database:
        known = take_away(database, name, by=_who(by), now=datetime.now(UTC))
        missing = _missing(database)
    if as_json:
        say_json({"removed": known, "missing": missing})
    else:
        say(f"{known} decides nothing any more; sessions and links have ended")
        _warn(missing)


def _hand_over(made: "Credentials", *, is_proven: bool, as_json: bool) -> None:
    """Show the codes' secret and have the phone prove that it has it. Raises CommandFailed: nothing is kept then."""
    from handrail.failures import CommandFailed
    from services.reviewers import is_shown_by

    if as_json:
        return
    say(f"Scan this with an authenticator app on {made.name}'s phone:\n")
    _draw(made.uri)
    say(f"\nor type this key into it: {_in_fours(made.secret)}\nor open this address there: {made.uri}\n")
    if is_proven:
        return
    for _ in range(_TRIES):
        code = typer.prompt("The six digits it shows now", err=True)
        if is_shown_by(made, code, now=datetime.now(UTC)):
            return
        warn("That is not what a phone with this key shows: look that its clock is set by the network, and try again.")
    raise CommandFailed(f"nothing was kept: {made.name}'s phone has not learnt the key. Delete it there and begin anew")


def _told(made: "Credentials", what: str, missing: list[str], *, as_json: bool, **more: Any) -> None:
    if as_json:
        codes = {"uri": made.uri, "secret": made.secret, "recovery_codes": list(made.recovery_codes)}
        say_json({what: made.name, **more, **codes, "missing": missing})
        return
    say("\nRecovery codes, for the day the phone is gone. Each counts once. They are shown this once: print them.\n")
    for code in made.recovery_codes:
        say(f"  {code}")
    say(f"\n{made.name} is {what}")
    _warn(missing)


def _draw(uri: str) -> None:
    """The QR code, dark on light whatever the terminal's colours are: inverted ones are not read by every phone."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make_qr(uri, error="l").terminal(out=drawn, compact=True, border=2)
    for line in drawn.getvalue().splitlines():
        say(f"\x1b[97;40m{line}\x1b[0m")


def _refuse_to_spill(is_meant: bool) -> None:
    """Raises CommandFailed before anything is made, when the secret would end in a file or a log."""
    from handrail.failures import CommandFailed

    if not is_meant and not sys.stdout.isatty():
        raise CommandFailed(
            "this shows a secret, and its output goes to a file or another program: "
            "run it in a terminal, or say --show-secret"
        )


def _in_fours(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _who(by: str | None) -> str:
    return " ".join((by or getpass.getuser()).split())


def _roles() -> set[str]:
    """Those that some risk class asks for."""
    return {role for rules in _policy().classes.values() for role in rules.roles}


def _missing(database: "Database") -> list[str]:
    from services.reviewers import undecidable

    return undecidable(database, _policy())


def _policy() -> "ReviewPolicy":
    from data_contracts.policy import load_policy
    from services.settings import load_settings

    settings, _ = load_settings()
    return load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy)).reviews


def _warn(missing: list[str]) -> None:
    for one in missing:
        warn(one)
