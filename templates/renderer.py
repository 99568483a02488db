"""From a template and its parameters to the words that go out. No clock: the same input gives the same words."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from data_contracts.problems import Problem
from domain.actions import Capability
from domain.light import light
from domain.words import did_you_mean, one_of
from templates import dates, names
from templates.library import CHANNEL_PARTS, PARTS, PUSH_LINK, Template, TemplateProblem

_WIDTH = 78  # characters a line of a plain text mail (RFC 5322 §2.1.1)
_COMPILED = 128  # templates kept ready; three languages of forty messages
_QUOTED = re.compile(r"'([^']+)'")

_ON_ONE_LINE = {Capability.SMS: "sms.txt", Capability.PUSH: "push.txt", Capability.VOICE: "voice.txt"}
_SUBJECT = {Capability.MAIL: "mail.subject.txt", Capability.PUSH: "push.title.txt"}

FILTERS: Mapping[str, Callable[..., str]] = {
    "day": dates.day,
    "short_day": dates.short_day,
    "on_day": dates.on_day,
    "deadline": dates.deadline,
    "short_deadline": dates.short_deadline,
    "as_name": names.as_name,
    "dial": names.dial,
}
"""All a template may call. Jinja's own are left out: `safe` would undo the escaping, `default` hide a missing value.

Each remembers what it said, so it hashes its arguments; there StrictUndefined raises, as strict as where it is printed.
"""


@light(frozen=True, slots=True)
class Rendered:
    """What a channel sends; what it has no use for is empty."""

    subject: str  # of a mail; the title of a notification
    text: str
    html: str
    link: str = ""  # what a touch on a notification opens; empty: the app


def render(template: Template, channel: Capability, params: Mapping[str, Any]) -> Rendered:
    """The message for one channel. `params` are JSON values; text in them is text, whatever it looks like.

    Raises TemplateProblem when the channel has no words, a variable is undefined (`.variable` names it), or a value
    does not fit where the template uses it.
    """
    if channel not in template.channels:
        has_words = one_of([known.value for known in template.channels])
        raise _problem(template, channel.value, "no words for this channel", f"send it by {has_words}")
    values = {key: _plain(template, key, value) for key, value in params.items()} | {"language": template.language}
    words = {part: _words(template, part, values) for part in CHANNEL_PARTS[channel]}
    subject = names.one_line(words[_SUBJECT[channel]]) if channel in _SUBJECT else ""
    if channel in _ON_ONE_LINE:
        text = names.one_line(words[_ON_ONE_LINE[channel]])
        has_link = channel is Capability.PUSH and PUSH_LINK in template.parts
        link = names.one_line(_words(template, PUSH_LINK, values)) if has_link else ""
        return Rendered(subject, text, "", link)
    return Rendered(
        subject=subject,
        text=_wrapped(words["mail.txt"]),
        html=words["mail.html"],
    )


class _Sandbox(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a parameter holds comes before what a dict can do; Jinja tries, and fails at, the other one first."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def environment(parts: Mapping[str, str]) -> jinja2.Environment:
    """Jinja as templates get it: a sandbox without globals, nothing undefined passes, HTML is escaped."""
    made = _Sandbox(
        loader=jinja2.DictLoader(parts),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda part: part is not None and part.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.clear()
    made.filters = dict(FILTERS)
    return made


@lru_cache(maxsize=_COMPILED)
def _environment(template: Template) -> jinja2.Environment:
    return environment(template.parts)


@lru_cache(maxsize=_COMPILED * len(PARTS))
def _compiled(template: Template, part: str) -> jinja2.Template:
    """Compiled once per content: templates are equal by hash. Safe from several threads."""
    compiled = _environment(template).get_template(part)
    compiled.globals = {}  # a sandbox has none; Jinja would look through two empty mappings each time
    compiled.root_render_func.__globals__["escape"] = _escaped
    return compiled


def _escaped(value: Any) -> str:
    """As markupsafe has it: it is what a part ending in `.html` calls for everything it prints."""
    return _escaped_text(value) if type(value) is str else escape(value)


@lru_cache(maxsize=64)  # what the messages of one window share; what is said to one alone is not kept for long
def _escaped_text(text: str) -> str:
    return escape(text)


def _words(template: Template, part: str, values: dict[str, Any]) -> str:
    try:
        compiled = _compiled(template, part)
        context = Context(compiled.environment, values, part, compiled.blocks)
        words = "".join(compiled.root_render_func(context))  # as `render` does it, without copies of the values
    except jinja2.UndefinedError as undefined:
        variable = _QUOTED.findall(undefined.message or "")[-1]
        what = f'"{variable}" is undefined{did_you_mean(variable, values)}'
        raise _problem(template, part, what, "pass it, or correct its name in the template", variable) from undefined
    except jinja2.TemplateNotFound as missing:
        raise _problem(template, str(missing), "this part is missing", "add it") from missing
    except jinja2.TemplateSyntaxError as broken:
        where = f"{broken.name or part}:{broken.lineno}"
        raise _problem(template, where, broken.message or "syntax error", "correct the template") from broken
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as wrong:
        what = str(wrong) if type(wrong) is ValueError else f"cannot be rendered ({type(wrong).__name__})"
        raise _problem(template, part, what, "correct the value or the template") from wrong
    if not words.strip():
        raise _problem(template, part, "renders to nothing", "a message has words")
    return words


def _plain(template: Template, path: str, value: Any) -> Any:
    """A parameter as plain JSON: its texts on one line and no `Markup`, nothing with methods worth calling."""
    if isinstance(value, str):
        return names.one_line(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict | Mapping):
        return {str(key): _plain(template, f"{path}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(template, path, item) for item in value]
    raise _problem(template, path, f"a parameter is a {type(value).__name__}", "pass JSON values only")


def _wrapped(words: str) -> str:
    """Plain text with no line over 78 characters, unless one word is longer; a line of the source is a paragraph.

    What no-break spaces join stays together, and so does a one-letter word with the next ("u nás", "w ankiecie").
    """
    lines = [line for paragraph in words.strip().split("\n") for line in _lines(paragraph)]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ") + "\n"


@lru_cache(maxsize=64)  # most paragraphs are the same for everybody; what is said to one alone is not kept for long
def _lines(paragraph: str) -> tuple[str, ...]:
    lines: list[str] = []
    left = paragraph.strip(" ")
    while len(left) > _WIDTH:
        end = left.rfind(" ", 0, _WIDTH + 1)
        while end > 0 and _follows_one_letter(left, end):
            end = left.rfind(" ", 0, end)
        if end <= 0:
            end = left.find(" ", _WIDTH)
            while end > 0 and _follows_one_letter(left, end):
                end = left.find(" ", end + 1)
        if end < 0:
            break
        lines.append(left[:end])
        left = left[end + 1 :].lstrip(" ")
    return *lines, left


def _follows_one_letter(line: str, space: int) -> bool:
    return line[space - 1].isalpha() and (space == 1 or line[space - 2].isspace())


def _problem(template: Template, part: str, what: str, fix: str, variable: str | None = None) -> TemplateProblem:
    return TemplateProblem([Problem(template.where(part), what, fix)], variable)
