"""From the MJML of a mail to the HTML that goes out, its Jinja untouched: done once, when messages are read from disk.

MJML (https://documentation.mjml.io) is compiled by MRML, its port to Rust, and the layout's CSS is then written into
each element's `style`, because some mail programs drop what stands in `<style>`; what is for dark screens and wide ones
stays there, where the others read it. Neither library knows Jinja: its marks are taken out before, and put back after.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import css_inline
import jinja2
from mjml import mjml2html

from domain.words import did_you_mean, one_of

_WORDS = "<!-- words -->"
"""Where in the layout the words of a message stand."""
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_MARK = "jinja{}mark"
_MARKS = re.compile(_MARK.format(r"(\d+)"))
_VOID = frozenset({"br", "hr", "img"})
_ELEMENTS = ("mj-text", "mj-button", "mj-divider", "mj-spacer")
"""What a column of words is made of. The compiler lets anything else through as it is, or moves it elsewhere."""
_NOT_IN_LETTERS = frozenset({"img", "script", "style", "link", "iframe", "form", "svg", "video"})
"""They are fetched from elsewhere, tell somebody that a mail was read, or do not work in most mail programs."""
_INLINER = css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


class MjmlProblem(ValueError):
    """Words that are no MJML. `place` is `:line` in the message's file, or empty; `fix` says how to put it right."""

    def __init__(self, problem: str, fix: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.fix = fix
        self.place = "" if line is None else f":{line}"


def compiled_mail(layout: str, words: str) -> str:
    """The Jinja source of a mail's HTML: `words`, some MJML elements of a column, in the `layout`.

    Raises MjmlProblem for what is not closed, no element of MJML, or loses a piece of its Jinja on the way.
    """
    try:
        jinja2.Environment(autoescape=True).parse(words)
    except jinja2.TemplateSyntaxError as broken:
        raise MjmlProblem(broken.message or "syntax error", "correct it", broken.lineno) from broken
    for problem in _misplaced(words):
        raise problem
    if _WORDS not in layout:
        raise MjmlProblem(f"the layout has no place for words: no {_WORDS}", "put it into its column")
    marks = _JINJA.findall(source := layout.replace(_WORDS, words))
    numbers = iter(range(len(marks)))
    source = _JINJA.sub(lambda _: _MARK.format(next(numbers)), source)
    try:
        html = _INLINER.inline(mjml2html(source, fonts={}))  # no fonts: they would be loaded from elsewhere
    except (ValueError, css_inline.InlineError) as wrong:
        raise MjmlProblem(f"no MJML ({wrong})", f"elements are {one_of(_ELEMENTS)}") from wrong
    kept = {int(number) for number in _MARKS.findall(html)}
    for number, mark in enumerate(marks):
        if number not in kept:
            raise MjmlProblem(
                f"{mark} is lost", "let it stand among the words of an mj-text, or in an attribute that there is"
            )
    return _MARKS.sub(lambda found: marks[int(found[1])], html)


def _misplaced(words: str) -> Iterator[MjmlProblem]:
    """What the compiler does not mind, or says the place of as a number of bytes; the first in the file first."""
    tags = _Tags()
    tags.feed(_JINJA.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), words))
    tags.close()
    yield from tags.problems
    for tag, line in tags.open:
        yield MjmlProblem(f"<{tag}> is not closed", f"add </{tag}>", line)


class _Tags(HTMLParser):
    """Which elements are open, and what does not belong where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, int]] = []
        self.problems: list[MjmlProblem] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._opened(tag)
        if tag not in _VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._opened(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            inner = f", while <{self.open[-1][0]}> is open" if self.open else ""
            self._wrong(f"</{tag}> ends nothing{inner}", "open what you close")

    def handle_data(self, data: str) -> None:
        if not self.open and data.strip():
            before = data[: len(data) - len(data.lstrip())].count("\n")
            self._wrong("words stand by themselves", "put them into an mj-text", before)

    def _opened(self, tag: str) -> None:
        if not self.open and tag not in _ELEMENTS:
            hint = did_you_mean(tag, _ELEMENTS)
            self._wrong(f"<{tag}> does not stand by itself{hint}", f"only {one_of(_ELEMENTS)} does")
        elif self.open and tag in _ELEMENTS:
            self._wrong(f"<{tag}> does not stand inside <{self.open[-1][0]}>", "close that first")
        elif tag in _NOT_IN_LETTERS:
            self._wrong(f"<{tag}> is not for letters", "say it in words, or let a link lead to it")

    def _wrong(self, problem: str, fix: str, lines_on: int = 0) -> None:
        self.problems.append(MjmlProblem(problem, fix, self.getpos()[0] + lines_on))
