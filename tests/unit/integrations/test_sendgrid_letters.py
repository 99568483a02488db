"""Letters: whatever mails are given, put together again each is what it was, within what SendGrid takes."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.ports import Mail
from integrations.sendgrid_letters import LARGEST_SUBSTITUTIONS, MOST_PLACES, letters_of

WORDS = st.sampled_from(["<p>", "</p>", "<a href='x'>", "Anna", "\n", "<", "&lt;", "-", "%name%", "", " ", "ż" * 4000])
TEXTS = st.lists(WORDS, max_size=8).map("".join)
MAILS = st.lists(
    st.builds(
        lambda to, text, html, template: Mail("C-1", to, "subject", text, html, "pl", template),
        st.sampled_from(["a@example.com", "A@example.com", "b@example.com", "c@example.com"]),
        TEXTS,
        TEXTS,
        st.sampled_from(["welcome", "thanks"]),
    ),
    max_size=8,
)


@given(MAILS)
@settings(max_examples=400, deadline=None)
def test_every_mail_is_said_once_and_as_it_was(mails: list[Mail]) -> None:
    seen: list[int] = []
    for letter in letters_of(mails):
        addresses = Counter(mails[member.place].to.casefold() for member in letter.members)
        assert max(addresses.values()) == 1
        for member in letter.members:
            seen.append(member.place)
            text, html = letter.text, letter.html
            assert len(member.substitutions) <= MOST_PLACES
            sizes = [len(name) + len(value.encode()) for name, value in member.substitutions.items()]
            assert sum(sizes) <= LARGEST_SUBSTITUTIONS
            for name, value in reversed(member.substitutions.items()):
                assert value, "what stands in a place says something"
                text, html = text.replace(name, value), html.replace(name, value)
            assert (text, html) == (mails[member.place].text, mails[member.place].html)
    assert sorted(seen) == list(range(len(mails)))


def test_mails_that_differ_in_more_places_than_are_worth_it_are_two_letters() -> None:
    pages = ["".join(f"<p>{word}{row}</p>" for row in range(MOST_PLACES + 1)) for word in ("a", "b")]
    one, other = (Mail("C-1", f"{page[3]}@example.com", "s", "t", page, "pl", "welcome") for page in pages)
    assert len(letters_of([one, other])) == 2
    assert len(letters_of([one, Mail("C-2", "c@example.com", "s", "t", pages[0], "pl", "welcome")])) == 1


def test_a_word_of_ours_that_a_mail_says_is_not_what_a_place_is_called() -> None:
    """Whoever learns the word from one mail and writes it into another changes what is called so."""
    mails = [Mail("C-1", f"{name}@example.com", "s", f"Dear {name}", "<p></p>", "pl", "welcome") for name in "ab"]
    (letter,) = letters_of(mails)
    hostile = Mail("C-3", "c@example.com", "s", letter.text, "<p></p>", "pl", "welcome")
    (again,) = letters_of([*mails, hostile])
    assert again.text != letter.text
    (name,) = again.members[2].substitutions
    assert again.text.replace(name, again.members[2].substitutions[name]) == letter.text
