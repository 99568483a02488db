"""SMTP: what each moment of the conversation means for the message, and what the message looks like."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
import yaml
from mail_server import HANG_UP, PASSWORD, SILENCE, MailServer, mail_server
from vendor_specimens import ADDRESS, KEY, PERSON, SECRET, WORDS

from domain.actions import WriteClass
from integrations.errors import (
    AuthFailed,
    Busy,
    ConfigurationError,
    IntegrationError,
    NotSent,
    OutcomeUnknown,
    Rejected,
    Unsupported,
)
from integrations.mail.smtp import INTEGRATION, SmtpConfig, SmtpMail
from integrations.ports import Mail
from integrations.registry import load_roster

TEXT = f"{PERSON}, {WORDS}\n.\n. A line that begins with a dot\n" + "long " * 400 + "words\n"
HTML = f"<!doctype html>\n<p>{PERSON}, {WORDS}</p>\n" + "<p>ž</p>" * 2000 + "\n"


def a_mail(**changes: Any) -> Mail:
    told = {"customer_ref": "C-1042", "to": ADDRESS, "subject": "Mamy Pani sprawę", "text": TEXT, "html": HTML}
    more = {"language": "pl", "template": "acknowledgement", "headers": {"Auto-Submitted": "auto-replied"}}
    return Mail(**{**told, **more, **changes})


def a_port(server: MailServer | int, **settings: Any) -> SmtpMail:
    config = SmtpConfig.model_validate(
        {
            "host": "127.0.0.1",
            "port": server if isinstance(server, int) else server.port,
            "security": "none",
            "sender": "Péče <care@example.com>",
            "timeout_seconds": 5,
            **settings,
        },
        context={"variables": {"password": "SMTP_PASSWORD", "host": "SMTP_HOST", "sender": "SMTP_SENDER"}},
    )
    return SmtpMail(config)


@asynccontextmanager
async def sending(server: MailServer | int, **settings: Any) -> AsyncIterator[SmtpMail]:
    port = a_port(server, **settings)
    try:
        yield port
    finally:
        await port.aclose()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


def test_its_write_class_is_declared() -> None:
    assert INTEGRATION.write_class(None, "send_mail") is WriteClass.D


async def test_a_mail_arrives_as_text_and_as_html_for_one_recipient(server: MailServer) -> None:
    async with sending(server) as port:
        receipt = await port.send_mail(a_mail(), key=KEY)
    [mail] = server.mails
    assert server.recipients == [ADDRESS]
    assert (mail["To"], mail["From"], mail["Subject"]) == (ADDRESS, "Péče <care@example.com>", "Mamy Pani sprawę")
    assert mail["Message-ID"] == f"<{receipt.external_id}>"
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-replied", "pl")
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == TEXT
    assert html.get_content().replace("\r\n", "\n") == HTML
    assert max(map(len, server.wires[0].split(b"\r\n"))) <= 998
    assert server.wires[0].isascii()


async def test_the_same_key_says_the_same_message(server: MailServer) -> None:
    async with sending(server) as port:
        ids = [(await port.send_mail(a_mail(), key=key)).external_id for key in (KEY, KEY, f"{KEY}/other")]
    assert ids[0] == ids[1] != ids[2]
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{each}>" for each in ids]
    assert KEY not in server.wires[0].decode()  # it names a customer, and mail is read by others


async def test_no_words_end_a_message_or_begin_another(server: MailServer) -> None:
    text = "before\r\n.\r\nMAIL FROM:<evil@example.com>\r\n\n.\n\r.\rafter"
    async with sending(server) as port:
        await port.send_mail(a_mail(text=text), key=KEY)
    assert len(server.mails) == 1
    assert [said.split()[0] for said in server.said] == ["EHLO", "MAIL", "RCPT", "DATA"]
    told = server.mails[0].get_body(("plain",))
    assert told is not None
    assert "MAIL FROM:<evil@example.com>" in told.get_content()


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hi\r\nBcc: evil@example.com"},
        {"headers": {"Auto-Submitted": "no\nBcc: evil@example.com"}},
        {"headers": {"X\r\nBcc": "evil@example.com"}},
        {"headers": {"bcc": "evil@example.com"}},
        {"headers": {"To": "evil@example.com"}},
        {"to": "one@example.com, two@example.com"},
        {"to": "one@example.com\r\nRCPT TO:<two@example.com>"},
        {"to": "one@example.com> SIZE=1"},
        {"to": "zdzisława@example.com"},
        {"to": "nobody"},
        {"to": ""},
    ],
)
async def test_what_a_mail_cannot_say_is_not_said(changes: dict[str, Any], server: MailServer) -> None:
    async with sending(server) as port:
        with pytest.raises(Unsupported) as refusal:
            await port.send_mail(a_mail(**changes), key=KEY)
    assert server.said == []
    assert "example.com" not in str(refusal.value)


async def test_a_domain_with_letters_of_its_language_is_carried(server: MailServer) -> None:
    async with sending(server) as port:
        await port.send_mail(a_mail(to="ola@żółw.example"), key=KEY)
    assert server.recipients == ["ola@xn--w-uga1v8h.example"]


@pytest.mark.parametrize("at", ["EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("act", [HANG_UP, SILENCE])
async def test_before_the_dot_nothing_is_sent(at: str, act: str, server: MailServer) -> None:
    server.at[at] = act
    async with sending(server, timeout_seconds=0.5) as port:
        with pytest.raises(NotSent, match="nothing was sent"):
            await port.send_mail(a_mail(), key=KEY)
    assert server.wires == []
    assert [said.split()[0] for said in server.said].count(at) == 1


async def test_a_lost_answer_is_unknown_and_the_write_not_repeated(server: MailServer) -> None:
    server.at["dot"] = HANG_UP
    async with sending(server) as port:
        with pytest.raises(OutcomeUnknown):
            await port.send_mail(a_mail(), key=KEY)
    assert len(server.wires) == 1


async def test_a_kept_connection_lost_after_the_dot_is_not_taken_for_an_old_one(server: MailServer) -> None:
    async with sending(server) as port:
        await port.send_mail(a_mail(), key="first")
        server.at["dot"] = HANG_UP
        with pytest.raises(OutcomeUnknown):
            await port.send_mail(a_mail(), key=KEY)
    assert (len(server.wires), server.connections) == (2, 1)


async def test_silence_is_unknown(server: MailServer) -> None:
    server.at["dot"] = SILENCE
    async with sending(server, timeout_seconds=0.5) as port:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="no answer in time"):
            await port.send_mail(a_mail(), key=KEY)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("said", ["nonsense", "299 what", "354 go on"])
async def test_an_answer_to_the_dot_that_is_neither_yes_nor_no_is_unknown(said: str, server: MailServer) -> None:
    server.at["dot"] = said
    async with sending(server) as port:
        with pytest.raises(OutcomeUnknown):
            await port.send_mail(a_mail(), key=KEY)


MEANT = [
    ("MAIL", "421 4.3.2 shutting down", NotSent),
    ("MAIL", "451 4.3.0 try later", Busy),
    ("MAIL", "530 5.7.0 authentication required", AuthFailed),
    ("MAIL", "550 5.7.1 not your address", AuthFailed),
    ("MAIL", "552 5.3.4 too large", Rejected),
    ("RCPT", "421 4.7.0 too many connections", NotSent),
    ("RCPT", "450 4.2.0 greylisted", Busy),
    ("RCPT", "451 4.7.1 try later", Busy),
    ("RCPT", "452 4.2.2 mailbox full", Busy),
    ("RCPT", "530 5.7.0 authentication required", AuthFailed),
    ("RCPT", "550 5.1.1 no such user", Rejected),
    ("RCPT", "553 5.1.3 bad address", Rejected),
    ("DATA", "451 4.3.0 try later", Busy),
    ("DATA", "554 5.5.1 no valid recipients", Rejected),
    ("dot", "451 4.3.0 try later", Busy),
    ("dot", "550 5.7.1 looks like spam", Rejected),
    ("dot", "554 5.6.0 no", Rejected),
]


@pytest.mark.parametrize(("at", "said", "kind"), MEANT)
async def test_a_refusal_is_named(at: str, said: str, kind: type[IntegrationError], server: MailServer) -> None:
    """Also after the dot a 4xx or 5xx is an answer: the server did not take the message over."""
    server.at[at] = said
    async with sending(server) as port:
        with pytest.raises(kind, match=f"refused with {said[:3]}") as refusal:
            await port.send_mail(a_mail(), key=KEY)
        assert str(refusal.value).startswith("mail via smtp: ")
        if kind is Rejected:
            assert refusal.value.status == int(said[:3])
        del server.at[at]
        assert await port.send_mail(a_mail(), key=KEY)  # the connection, or a new one, serves on
    assert len(server.wires) == 1
    assert server.connections == (2 if said.startswith("421") else 1)


async def test_one_bad_address_stops_nobody_else(server: MailServer) -> None:
    server.refuses = {"gone@example.com": "550 5.1.1 gone", "later@example.com": "451 4.7.1 later"}
    async with sending(server, connections=3) as port:
        people = ["gone", "later", *(f"person{number}" for number in range(20))]
        ends = await asyncio.gather(
            *(port.send_mail(a_mail(to=f"{each}@example.com"), key=each) for each in people), return_exceptions=True
        )
    assert [type(end) for end in ends[:2]] == [Rejected, Busy]
    assert not any(isinstance(end, Exception) for end in ends[2:])
    assert sorted(server.recipients) == sorted(f"{each}@example.com" for each in people[2:])
    assert server.connections == 3


async def test_a_connection_serves_many_messages_and_is_replaced_unseen_when_the_server_ends_it(
    server: MailServer,
) -> None:
    async with sending(server) as port:
        for number in range(5):
            await port.send_mail(a_mail(), key=str(number))
        assert server.connections == 1
        for act in (HANG_UP, "421 4.4.2 idle for too long"):
            server.once["MAIL"] = act
            await port.send_mail(a_mail(), key=act)
    assert len(server.wires) == 7
    assert server.connections == 3


async def test_a_connection_closed_while_idle_is_not_used(server: MailServer) -> None:
    async with sending(server) as port:
        await port.send_mail(a_mail(), key="first")
        for transport in server.open:
            transport.close()
        await asyncio.sleep(0.05)
        await port.send_mail(a_mail(), key="second")
    assert (len(server.wires), server.connections) == (2, 2)


async def test_who_waits_too_long_for_a_connection_has_sent_nothing(server: MailServer) -> None:
    server.at["dot"] = SILENCE
    async with sending(server, connections=1, timeout_seconds=0.8) as port:
        first = asyncio.create_task(port.send_mail(a_mail(), key="first"))
        while not server.wires:
            await asyncio.sleep(0.01)
        with pytest.raises(NotSent, match=r"no connection was free for 0\.2 s"):
            await port.send_mail(a_mail(), key="second")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.at.clear()
        await port.send_mail(a_mail(), key="third")
    assert len(server.wires) == 2


async def test_after_closing_nothing_is_sent(server: MailServer) -> None:
    port = a_port(server)
    await port.aclose()
    with pytest.raises(NotSent, match="closed by us"):
        await port.send_mail(a_mail(), key=KEY)
    assert server.said == []


async def test_nobody_there_is_surely_unsent(nobody: str) -> None:
    async with sending(int(nobody.rpartition(":")[2])) as port:
        with pytest.raises(NotSent, match="nothing was sent: is SMTP_HOST right"):
            await port.send_mail(a_mail(), key=KEY)
    async with sending(25, host="no-such-host.invalid") as port:
        with pytest.raises(NotSent):
            await port.send_mail(a_mail(), key=KEY)


@pytest.mark.parametrize("greeting", [b"", b"554 5.7.1 go away\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_who_is_no_mail_server_for_us_gets_nothing(greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(1)
        writer.close()

    stranger = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with stranger, sending(stranger.sockets[0].getsockname()[1], timeout_seconds=0.5) as port:
        with pytest.raises(NotSent):
            await port.send_mail(a_mail(), key=KEY)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certificates(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_it_signs_in_over_tls(security: str, authority: trustme.CA, tmp_path: Any) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    signing_in = {"security": security, "username": "handrail", "password": PASSWORD, "ca_file": tmp_path / "ca.pem"}
    async with mail_server(certificates=certificates(authority), implicit=security == "tls", signs_in=True) as server:
        async with sending(server, **signing_in) as port:
            for key in ("first", "second"):
                await port.send_mail(a_mail(), key=key)
            assert (await port.check()).ok
        assert len(server.wires) == 2
        assert server.said.count("AUTH") == 2  # once for both mails, once for the check


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_is_surely_unsent(security: str, authority: trustme.CA) -> None:
    async with mail_server(certificates=certificates(authority), implicit=security == "tls") as server:
        async with sending(server, security=security) as port:
            with pytest.raises(NotSent, match="TLS failed"):
                await port.send_mail(a_mail(), key=KEY)
        assert server.wires == []


async def test_without_starttls_nothing_is_sent_in_clear(server: MailServer) -> None:
    async with sending(server, security="starttls") as port:
        with pytest.raises(NotSent, match="offers no STARTTLS"):
            await port.send_mail(a_mail(), key=KEY)
    assert server.said == ["EHLO"]


async def test_refused_credentials_name_the_variable_to_renew(authority: trustme.CA, tmp_path: Any) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    wrong = {"security": "starttls", "username": "handrail", "password": "wrong", "ca_file": tmp_path / "ca.pem"}
    running = mail_server(certificates=certificates(authority), signs_in=True)
    async with running as server, sending(server, **wrong) as port:
        with pytest.raises(AuthFailed, match=r"credentials refused with 535 .*: renew SMTP_PASSWORD"):
            await port.send_mail(a_mail(), key=KEY)
        assert "renew SMTP_PASSWORD" in (await port.check()).problem
        server.at["AUTH"] = "454 4.7.0 temporary trouble"
        with pytest.raises(NotSent):
            await port.send_mail(a_mail(), key=KEY)


async def test_only_class_c_can_be_looked_up(server: MailServer) -> None:
    async with sending(server) as port:
        with pytest.raises(Unsupported):
            await port.find("send_mail", KEY)
    assert server.said == []


async def test_a_check_tells_well_from_unwell(server: MailServer, nobody: str) -> None:
    async with sending(server) as port:
        health = await port.check()
        assert (health.ok, health.problem) == (True, "")
        server.at["EHLO"] = "421 4.3.2 not now"
        health = await port.check()
        assert (health.ok, health.problem.split(":")[0]) == (False, "mail via smtp")
    async with sending(int(nobody.rpartition(":")[2])) as port:
        assert not (await port.check()).ok
    assert server.wires == []


async def test_no_error_and_no_log_carries_a_secret_or_the_customer(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    for at, code in (("RCPT", 550), ("RCPT", 451), ("dot", 554), ("dot", 299), ("MAIL", 550)):
        server.at = {at: f"{code} 5.1.1 <{ADDRESS}> {PERSON} {' '.join(WORDS.split())} {SECRET} C-1042 is not allowed"}
        async with sending(server, password=SECRET) as port:
            with pytest.raises(IntegrationError) as refusal:
                await port.send_mail(a_mail(), key=KEY)
        shown += f"{refusal.value} {refusal.value!r} {vars(refusal.value)} {refusal.value.__context__!r}"
    shown += "".join(record.getMessage() for record in caplog.records if record.name != "mail.log")  # the server's own
    for hidden in (SECRET, PERSON, ADDRESS, *WORDS.split()):
        assert hidden not in shown
    assert "not allowed" in shown


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"security": "none", "username": "handrail"}, "would send the password in clear"),
        ({"sender": "nobody"}, "mail.sender: "),
        ({"sender": "Péče <péče@example.com>"}, "write its address in ASCII"),
        ({"security": "ssl"}, "mail.security: should be 'starttls', 'tls' or 'none'"),
        ({"sendr": "x"}, 'did you mean "sender"?'),
    ],
)
def test_wrong_settings_are_refused_when_they_are_read(changes: dict[str, str], problem: str) -> None:
    section = {"vendor": "smtp", "host": "mail.example", "sender": "care@example.com", "password": "${P}", **changes}
    with pytest.raises(ConfigurationError) as refused:
        load_roster(yaml.safe_dump({"mail": section}), {"P": SECRET})
    assert problem in str(refused.value)
    assert SECRET not in str(refused.value)
