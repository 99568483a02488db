"""Instants as people write them at a shell."""

from datetime import UTC, datetime

import typer


def instant(text: str, option: str) -> datetime:
    """The instant in UTC. Raises typer.BadParameter for what is no time, or has no offset: it would mean many."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'{option} "{text}" is no time: write 2026-03-04T12:30+01:00') from None
    if at.tzinfo is None:
        raise typer.BadParameter(f'{option} "{text}" has no offset: write 2026-03-04T12:30+01:00')
    return at.astimezone(UTC)


def instant_or_utc(text: str, option: str) -> datetime:
    """The instant in UTC, of which a time without an offset is one. Raises typer.BadParameter for what is no time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f'"{text}" is no time: write it as 2026-03-01T08:00+01:00', param_hint=option
        ) from None
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
