"""Messages at the border: a web form's JSON, and raw mail of every kind people send."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from data_contracts.messages import read_form, read_mail
from data_contracts.problems import ContractBroken, NotStrictJson

NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)


def _mail(text: str | None = "Gdzie jest paczka?", html: str | None = None, **headers: str) -> bytes:
    mail = EmailMessage()
    given = {"From": "Anna Nowak <anna@example.com>", "Subject": "Paczka", "Message_ID": "<1@example.com>", **headers}
    for name, value in given.items():
        if value:
            mail[name.replace("_", "-")] = value
    if text is not None:
        mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html") if text is not None else mail.set_content(html, subtype="html")
    return mail.as_bytes()


def test_a_form_is_read() -> None:
    body = {"message_id": "m-1", "text": "Kde je balík?", "customer_ref": "C-1", "email": "a@example.com", "new": 1}
    message = read_form(json.dumps(body).encode(), "web", NOW)

    assert (message.source, message.message_id, message.text) == ("web", "m-1", "Kde je balík?")
    assert (message.customer_ref, message.address, message.received_at) == ("C-1", "a@example.com", NOW)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"text": "hello"}, "message_id"),
        ({"message_id": "m-1"}, "text"),
        ({"message_id": "m-1", "text": "  "}, "text"),
        ({"message_id": "m-1", "text": "a\0b"}, "text"),
        ({"message_id": "m-1", "text": "hello", "email": "nobody"}, "email"),
        ([], ""),
    ],
)
def test_a_form_that_breaks_its_contract_is_told_where(body: object, path: str) -> None:
    with pytest.raises(ContractBroken) as broken:
        read_form(json.dumps(body).encode(), "web", NOW)

    assert [problem.path for problem in broken.value.problems] == [path]


def test_a_form_must_be_strict_json() -> None:
    with pytest.raises(NotStrictJson):
        read_form(b'{"message_id": "m-1", "message_id": "m-2", "text": "hello"}', "web", NOW)


def test_a_mail_is_read() -> None:
    message = read_mail(_mail("Gdzie jest paczka?"), "mailbox", NOW)

    assert (message.message_id, message.subject, message.text) == ("<1@example.com>", "Paczka", "Gdzie jest paczka?")
    assert (message.address, message.customer_ref, message.is_automatic) == ("anna@example.com", None, False)


def test_of_two_parts_the_plain_one_is_read_unless_it_is_blank() -> None:
    assert read_mail(_mail("plain", "<p>html</p>"), "mailbox", NOW).text == "plain"
    assert read_mail(_mail(" \n", "<p>html</p>"), "mailbox", NOW).text == "html"


def test_html_becomes_text_without_scripts_and_styles() -> None:
    html = "<style>a{}</style><p>Jestem <b>bardzo</b> zła</p><script>x()</script><p>Proszę o telefon</p>"
    text = read_mail(_mail(None, html), "mailbox", NOW).text

    assert text.split() == ["Jestem", "bardzo", "zła", "Proszę", "o", "telefon"]


def test_what_was_quoted_is_not_the_writers() -> None:
    assert read_mail(_mail("Thanks\n> my husband passed away\n"), "mailbox", NOW).text == "Thanks"


def test_attachments_are_not_read() -> None:
    mail = EmailMessage()
    mail["From"], mail["Message-ID"] = "a@example.com", "<2@example.com>"
    mail.set_content("see attached")
    mail.add_attachment("my husband passed away", filename="letter.txt")

    assert read_mail(mail.as_bytes(), "mailbox", NOW).text == "see attached"


def test_old_encodings_are_read() -> None:
    raw = b"From: a@example.com\r\nMessage-ID: <3@x>\r\nContent-Type: text/plain; charset=windows-1250\r\n\r\n"

    assert read_mail(raw + "Dobrý den, žádám".encode("cp1250"), "mailbox", NOW).text == "Dobrý den, žádám"


@pytest.mark.parametrize(("said", "is_automatic"), [("auto-replied", True), ("no", False), ("Auto-Generated; x", True)])
def test_robots_say_so(said: str, is_automatic: bool) -> None:
    assert read_mail(_mail("hello", Auto_Submitted=said), "mailbox", NOW).is_automatic is is_automatic


def test_a_sender_without_an_address_is_nobody() -> None:
    assert read_mail(_mail("hello", From="undisclosed"), "mailbox", NOW).address is None


@pytest.mark.parametrize(
    ("subject", "text"),
    [(b"=?utf-8?q?a=00b?=", b"ab"), (b"ab", b"a\0b"), (b"ab", b"ab\xff"), (b"ab \xff", b"ab"), (b"ab", b"ab+2AA-")],
)
def test_what_databases_cannot_keep_is_left_out(subject: bytes, text: bytes) -> None:
    charset = b"utf-7" if b"+" in text else b"utf-8"  # UTF-7 can write half a surrogate pair
    headers = b"From: a@example.com\r\nMessage-ID: <4@x>\r\nContent-Type: text/plain; charset=" + charset
    raw = headers + b"\r\nSubject: " + subject + b"\r\n\r\n" + text
    words = read_mail(raw, "mailbox", NOW).words

    assert "\0" not in words
    assert words.encode("utf-8").startswith(b"ab")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (_mail("hello", Message_ID=""), "is empty"),
        (_mail("hello").replace(b"<1@example.com>", b"<" + b"1" * 300 + b"@x>"), "is 304 characters long"),
        (_mail(None, "<p> </p>"), "has no words"),
        (b"", "has no words"),
        (b"From: a@x\r\nContent-Type: text/plain; charset=klingon\r\n\r\nhi", "cannot be read as a mail"),
    ],
)
def test_what_cannot_be_read_is_for_a_person(raw: bytes, problem: str) -> None:
    with pytest.raises(ContractBroken, match=problem):
        read_mail(raw, "mailbox", NOW)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00garbage",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 2000,
        b"Content-Type: multipart/mixed\r\n\r\n--\r\n",
        b"From: =?utf-8?q?=00?= <a@x>\r\nMessage-ID: <1@x>\r\nSubject: =?utf-8?q?=00?= \xff =?x?q?=?=\r\n\r\nhi\0there",
        b"From: <<<>>>,,,;;\r\nMessage-ID: <1@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
    ],
)
def test_nothing_that_comes_in_is_a_surprise(raw: bytes) -> None:
    with suppress(ContractBroken):
        message = read_mail(raw, "mailbox", NOW)
        assert "\0" not in message.words
        message.words.encode("utf-8")
