"""The vendors of an installation, opened for one command. Apart, as importing them takes longer than most commands."""

from domain.actions import Capability
from integrations.errors import ConfigurationError
from integrations.registry import load_roster
from services.places import Places
from services.settings import load_settings


def the_places() -> Places:
    """Where links lead. A shell that has not the vendors' secrets still tells the story, with fewer links."""
    settings, variables = load_settings()
    try:
        text = settings.integrations.read_text(encoding="utf-8")
        roster = load_roster(text, variables, str(settings.integrations), lease_seconds=settings.lease_seconds)
    except (OSError, ConfigurationError):
        return Places(prefect_ui=settings.prefect_ui)
    return Places(roster, settings.prefect_ui)


def the_eraser_names() -> list[tuple[str, Capability]]:
    """The integrations that can be asked to forget a customer. Raises ConfigurationError when they cannot be read."""
    settings, variables = load_settings()
    text = settings.integrations.read_text(encoding="utf-8")
    roster = load_roster(text, variables, str(settings.integrations), lease_seconds=settings.lease_seconds)
    return [(one.name, one.capability) for one in roster if one.erases]
