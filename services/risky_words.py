"""Words of ours that cost money or admit a fault: what a wording says of it, in its own language."""

import re
from collections.abc import Mapping
from typing import Any

from domain.phrases import Phrases
from domain.policy import Policy
from templates.checks import visible
from templates.library import PUSH_LINK, Template

_PARAMETER = re.compile(r"{{.*?}}", re.DOTALL)
_BRANCHING = re.compile(r"{[%#].*?[%#]}", re.DOTALL)


def says_money_or_apology(content: Mapping[str, Any], policy: Policy) -> tuple[str, ...]:
    """The policy's phrases that a wording says in any of its parts and branches; none where the rule is off.

    `content` is a published wording's. It costs milliseconds and never changes for one hash: callers keep it.
    """
    rule = policy.reviews.rules.money_or_apology
    if rule is None:
        return ()
    template = Template.from_content(content)
    texts = [_read(part, source) for part, source in template.parts.items() if part != PUSH_LINK]
    return phrases_said(texts, template.language, rule.found)


def phrases_said(texts: list[str], language: str, phrases: Phrases) -> tuple[str, ...]:
    """Which of these phrases texts in one language say, each once, in the order of the texts."""
    hits = (hit.phrase for text in texts for hit in phrases.find(text))
    return tuple(dict.fromkeys(phrase.text for phrase in hits if phrase.language == language))


def _read(part: str, source: str) -> str:
    """All that a part may say: every branch of it, a word for each value that it is given."""
    words = _BRANCHING.sub(" ", _PARAMETER.sub(" x ", source))
    return visible(words) if part.endswith(".html") else words
