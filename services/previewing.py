"""A wording as a customer would see it, with values as long as they get in ordinary life and nobody's own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.actions import Capability
from domain.journeys import Journey
from domain.policy import Policy
from templates.checks import SAMPLE, sample_of
from templates.library import Template
from templates.renderer import Rendered, render
from templates.text_messages import Parts, parts_of

_NAMES = {"pl": "Anna Kowalska-Nowakowska", "cs": "Jana Nováková", "en": "Charlotte Featherstonehaugh"}
_AT_NIGHT = "(prefers-color-scheme: dark)"


@dataclass(frozen=True, slots=True)
class Shown:
    """What one channel sends; `parts` of a text message alone."""

    channel: Capability
    words: Rendered
    parts: Parts | None

    def as_json(self) -> dict[str, Any]:
        """For machines; what the channel has no use for is left out."""
        told = {"channel": self.channel.value, "subject": self.words.subject, "text": self.words.text}
        told |= {"html": self.words.html, "link": self.words.link}
        counted = self.parts and {
            "alphabet": self.parts.alphabet,
            "parts": self.parts.count,
            "used": self.parts.used,
            "room": self.parts.room,
        }
        return {name: value for name, value in told.items() if value} | ({"places": counted} if counted else {})


def shown(
    template: Template, policy: Policy, links: Mapping[str, str], channels: Sequence[Capability] = ()
) -> list[Shown]:
    """The message by each of its channels, or by those of `channels`. Raises TemplateProblem."""
    params = sample_params(template, policy, links)
    rendered = [(channel, render(template, channel, params)) for channel in channels or template.channels]
    return [Shown(one, words, parts_of(words.text) if one is Capability.SMS else None) for one, words in rendered]


def sample_params(template: Template, policy: Policy, links: Mapping[str, str]) -> dict[str, Any]:
    """What it is rendered with: our name and people from the policy, the journeys' links, a made-up customer."""
    sample = dict(sample_of(template))
    human = policy.human.get(template.language)
    if human is not None:
        sample["human"] = {"phone": human.phone, "mail": human.mail, "hours": human.hours}
    return {
        **sample,
        "company": policy.company,
        "name": _NAMES.get(template.language, SAMPLE["name"]),
        "time_zone": policy.default_time_zone,
        "links": {**sample["links"], **links},
    }


def links_of(message: str, journeys: Iterable[Journey]) -> dict[str, str]:
    """Where the journeys that send a message let it lead to."""
    sending = [one for one in journeys if any(step.message == message for step in one.steps)]
    return {name: address for journey in sending for name, address in journey.links.items()}


def by_light(html: str, *, dark: bool) -> str:
    """A mail as it looks by day or at night, whatever the screen it is shown on prefers."""
    always = html.replace(_AT_NIGHT, "all" if dark else "not all")
    return always.replace("color-scheme: light dark", f"color-scheme: {'dark' if dark else 'light'}").replace(
        'content="light dark"', f'content="{"dark" if dark else "light"}"'
    )
