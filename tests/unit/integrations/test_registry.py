"""The registry and the integrations' file: what is found, what is configured, and every way to get it wrong."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from domain.actions import Capability, WriteClass
from integrations.errors import ConfigurationError
from integrations.ports import LISTENING
from integrations.registry import Roster, discover, find_integrations, load_roster

ROOT = Path(__file__).parents[3]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT = {
    "HANDRAIL_SANDBOX_URL": "http://127.0.0.1:8101",
    "HANDRAIL_SANDBOX_TOKEN": "canary-token",
    "HANDRAIL_WEBHOOK_SECRET": SECRET,
    "PATH": "/bin",
}
DESK = """
    ticketing:
      vendor: sandbox
      url: ${HANDRAIL_SANDBOX_URL}
      token: ${HANDRAIL_SANDBOX_TOKEN}
"""


def load(text: str, lease_seconds: float = 20.0) -> Roster:
    return load_roster(dedent(text), ENVIRONMENT, "integrations.yaml", lease_seconds=lease_seconds)


def problems(text: str, lease_seconds: float = 20.0) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load(text, lease_seconds)
    for secret in ("canary-token", SECRET):
        assert secret not in str(refused.value)
    return refused.value.problems


def test_a_variable_that_several_lines_name_is_missed_once() -> None:
    desk = DESK.replace("SANDBOX_URL", "NOWHERE")
    assert problems(desk + desk.replace("ticketing", "crm")) == [
        "integrations.yaml line 4: ticketing.url: the variable HANDRAIL_NOWHERE is not set (named on line 9 as well)"
    ]


def test_the_shipped_file_serves_everything_the_sandbox_can() -> None:
    shipped = ROOT / "deployments" / "integrations.yaml"
    roster = load(shipped.read_text(encoding="utf-8"))
    assert {each.capability: each.vendor for each in roster} == {
        Capability.TICKETING: "sandbox",
        Capability.CRM: "sandbox",
        Capability.MAIL: "sandbox",
        Capability.SMS: "sandbox",
        Capability.VOICE: "sandbox",
        Capability.PUSH: "sandbox",
        Capability.ALERT: "sandbox",
    }
    assert list(roster.intakes) == ["standard"]


PUBLIC_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F"
    "+g=="
)
"""SendGrid's own example."""

SHOWN = re.findall(
    r"^(# [a-z]+:\n(?:#  .*\n)+)",
    (ROOT / "deployments" / "integrations.yaml").read_text(encoding="utf-8"),
    re.MULTILINE,
)
"""The sections of the shipped file that are only shown: each is a vendor of one's own, commented out."""


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: " ".join(shown.split()[1:5:3]))
def test_every_section_that_the_shipped_file_shows_can_be_used(shown: str) -> None:
    text = re.sub(r"^# ", "", shown, flags=re.MULTILINE)
    named = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "canary")
    named |= {"SLACK_WEBHOOK_URL": "https://h.example/s/x", "PUSH_SECRET": "whsec_" + "A" * 32}
    [served] = load_roster(text, named)
    assert f"vendor: {served.vendor}" in text


def test_every_vendor_of_ones_own_is_shown_in_the_shipped_file() -> None:
    ours = {
        (str(capability), vendor)
        for capability, vendors in discover().items()
        for vendor in vendors
        if capability not in LISTENING and vendor != "sandbox"
    }
    shown = {(section.split()[1].rstrip(":"), re.findall(r"vendor: (\w+)", section)[0]) for section in SHOWN}
    assert shown == ours


def test_the_sources_of_delivery_reports_that_the_shipped_file_shows_can_be_used() -> None:
    shipped = (ROOT / "deployments" / "integrations.yaml").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^# delivery_intake:\n(?:#  .*\n)+", shipped, re.MULTILINE)
    variables = {"POSTMARK_WEBHOOK_PASSWORD": "long-and-random", "SENDGRID_EVENTS_KEY": PUBLIC_KEY}
    roster = load_roster(re.sub(r"^# ", "", shown, flags=re.MULTILINE), variables)
    assert set(roster.intakes) == set(discover()[Capability.DELIVERY_INTAKE])


def test_a_sources_name_is_one_of_all_that_send_us_events() -> None:
    """It is the end of one address."""
    text = """
survey_intake: {mails: {vendor: standard, secrets: ['${HANDRAIL_WEBHOOK_SECRET}']}}
delivery_intake: {mails: {vendor: sendgrid, public_keys: ['${KEY}']}}
"""
    with pytest.raises(ConfigurationError) as refused:
        load_roster(text, {**ENVIRONMENT, "KEY": PUBLIC_KEY})
    assert "delivery_intake.mails: is the name of another source too" in str(refused.value)


def test_defaults_are_those_of_design() -> None:
    roster = load(DESK + DESK.replace("ticketing", "mail"))
    desk, mail = roster.of(Capability.TICKETING), roster.of(Capability.MAIL)
    assert desk is not None
    assert mail is not None
    assert (desk.name, desk.timeout_seconds, desk.rate_per_second) == ("ticketing via sandbox", 8.0, 50.0)
    assert desk.write_class("open_ticket") is WriteClass.B
    assert mail.write_class("send_mail") is WriteClass.D
    assert roster.of(Capability.PUSH) is None
    assert "canary-token" not in repr(desk) + repr(roster)


def test_an_operation_the_capability_does_not_have_is_named() -> None:
    desk = load(DESK).of(Capability.TICKETING)
    assert desk is not None
    with pytest.raises(LookupError, match='did you mean "open_ticket"'):
        desk.write_class("open_tickets")


@pytest.mark.parametrize(
    ("extra", "name", "value"),
    [
        ("write_class: C", "write_class", WriteClass.C),
        ("rate_per_second: null", "rate_per_second", None),
        ("timeout_seconds: 2.5", "timeout_seconds", 2.5),
        ("search_lag_seconds: 60", "search_lag_seconds", 60.0),
    ],
)
def test_settings_can_be_set(extra: str, name: str, value: object) -> None:
    desk = load(DESK + f"      {extra}\n").of(Capability.TICKETING)
    assert desk is not None
    assert (desk.write_class("open_ticket") if name == "write_class" else getattr(desk, name)) == value


def test_a_variable_may_be_a_part_of_a_value_that_is_no_secret() -> None:
    text = DESK.replace("${HANDRAIL_SANDBOX_URL}", "http://localhost/${HANDRAIL_SANDBOX_TOKEN}/desk")
    assert load(text).of(Capability.TICKETING)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: says nothing: write a section for each capability"),
        ("- a", "line 1: says nothing"),
        ("a: [", "line 1: is not YAML"),
        ("a: 'x", "is not YAML"),
        ("crm: !!python/name:os.system x", "is not YAML"),
        (
            "tickeing: {vendor: sandbox}",
            'line 1: tickeing: is no capability (did you mean "ticketing"?): there are crm',
        ),
        ("crm: {vendor: sandbx}", "'sandbx' is no vendor of it (did you mean \"sandbox\"?): hubspot or sandbox"),
        ("crm: {url: x}", "crm: must say its vendor: hubspot or sandbox"),
        ("crm: sandbox", "crm: must say its vendor: hubspot or sandbox"),
        ("crm:", "crm: must say its vendor: hubspot or sandbox"),
        ("survey_intake: standard", "must name its sources"),
        ("survey_intake: {standard: standard}", "survey_intake.standard: must say its vendor: delighted, standard"),
        (DESK.replace("token:", "tokn:"), 'line 5: ticketing.tokn: is no setting (did you mean "token"?): there are'),
        (DESK.replace("token:", "tokn:"), "line 2: ticketing.token: is missing: What the sandbox asks"),
        (
            DESK.replace("TOKEN}", "TOKN}"),
            "line 5: ticketing.token: the variable HANDRAIL_SANDBOX_TOKN is not set (did",
        ),
        (DESK.replace("TOKEN}", "TOKN}"), 'did you mean "HANDRAIL_SANDBOX_TOKEN"?'),
        (DESK.replace("${HANDRAIL_SANDBOX_TOKEN}", "hunter22"), "line 5: ticketing.token: a secret does not belong in"),
        (DESK.replace("${HANDRAIL_SANDBOX_TOKEN}", "12345"), "a secret does not belong in this file"),
        (DESK.replace("${HANDRAIL_SANDBOX_TOKEN}", "x${HANDRAIL_SANDBOX_TOKEN}"), "a secret does not belong"),
        (DESK.replace("HANDRAIL_SANDBOX_URL", "HANDRAIL-URL"), "line 4: ticketing.url: a variable is written ${NAME}"),
        (DESK.replace("${HANDRAIL_SANDBOX_URL}", "ftp://x"), "ticketing.url: is not a URL"),
        (DESK.replace("${HANDRAIL_SANDBOX_URL}", "http://x:port"), "ticketing.url: is not a URL"),
        (DESK.replace("${HANDRAIL_SANDBOX_URL}", "http://me:pw@x"), "must not carry a user or password"),
        (DESK.replace("${HANDRAIL_SANDBOX_URL}", "http://x/?token=1"), "must end before any ?"),
        (DESK.replace("${HANDRAIL_SANDBOX_URL}", "[1]"), "line 4: ticketing.url"),
        (DESK + "      connections: many\n", "line 6: ticketing.connections: should be a valid integer"),
        (DESK + "      connections: 0\n", "ticketing.connections: should be greater than or equal to 1"),
        (DESK + "      write_class: E\n", "ticketing.write_class: should be 'A', 'B', 'C' or 'D'"),
        (DESK + "      timeout_seconds: 10\n", "line 6: ticketing.timeout_seconds: 10 is too long for a lease of 20 s"),
        (DESK + DESK, "ticketing: is there a second time on line 7; keep one of them"),
        (DESK + "      token: ${HANDRAIL_SANDBOX_URL}\n", "line 5: ticketing.token: is there a second time on line 6"),
        ("survey_intake: {Big Source: {vendor: standard, secrets: ['${HANDRAIL_WEBHOOK_SECRET}']}}", "a source's name"),
        ("survey_intake: {s: {vendor: standard, secrets: []}}", "survey_intake.s.secrets: "),
        (
            "survey_intake: {s: {vendor: standard, secrets: ['${HANDRAIL_SANDBOX_TOKEN}']}}",
            "secrets.0: is no signing secret",
        ),
        (f"survey_intake: {{s: {{vendor: standard, secrets: [{SECRET}]}}}}", "secrets.0: a secret does not belong"),
        (f"survey_intake: {{s: {{vendor: standard, secrets: {SECRET}}}}}", "secrets: a secret does not belong"),
        (
            "survey_intake: {s: {vendor: standard, secrets: ['${X}'], timeout_seconds: 3}}",
            "is no setting: there are secrets",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    assert any(problem in line for line in problems(text)), problems(text)


def test_everything_wrong_is_said_at_once_and_nothing_twice() -> None:
    found = problems(
        """
        tickting: {}
        crm:
          vendor: sandbox
          url: ${NOWHERE_URL}
          token: in-clear
          rate_per_second: fast
        mail:
          vendor: postmrk
        """
    )
    assert [line.split(":")[0] + line.split(":")[1] for line in found] == [
        "integrations.yaml line 2 tickting",
        "integrations.yaml line 5 crm.url",
        "integrations.yaml line 6 crm.token",
        "integrations.yaml line 7 crm.rate_per_second",
        "integrations.yaml line 9 mail.vendor",
    ]


@pytest.mark.parametrize("value", ["", " ", "a\nb", " padded", "tab\t"])
def test_a_variable_that_cannot_be_a_setting_is_named_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the variable HANDRAIL_SANDBOX_TOKEN (is empty|has spaces)"):
        load_roster(dedent(DESK), {**ENVIRONMENT, "HANDRAIL_SANDBOX_TOKEN": value})


def test_a_timeout_must_be_shorter_than_half_a_lease_whatever_the_lease() -> None:
    assert problems(DESK, lease_seconds=16)
    assert load(DESK, lease_seconds=16.1)
    assert load(DESK + "      timeout_seconds: 0.4\n", lease_seconds=1)


def test_secrets_being_changed_stand_side_by_side() -> None:
    assert load(
        """
        survey_intake:
          standard:
            vendor: standard
            secrets:
              - ${HANDRAIL_WEBHOOK_SECRET}
              - ${HANDRAIL_WEBHOOK_SECRET}
        """
    ).intakes


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """An empty package of integrations, of its own."""
    (tmp_path / "elsewhere" / "crm").mkdir(parents=True)
    for folder in ("elsewhere", "elsewhere/crm"):
        (tmp_path / folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("elsewhere")
    for name in [name for name in sys.modules if name.split(".")[0] == "elsewhere"]:
        del sys.modules[name]


def vendor_file(house: ModuleType, name: str, text: str) -> None:
    (Path(str(house.__file__)).parent / "crm" / f"{name}.py").write_text(dedent(text), encoding="utf-8")


DECLARED = """
    from integrations.crm.sandbox import INTEGRATION as known
    from dataclasses import replace
    INTEGRATION = replace(known, vendor="{vendor}")
"""


def test_a_new_file_is_found_without_a_list_to_edit(house: ModuleType) -> None:
    vendor_file(house, "acme", DECLARED.format(vendor="acme"))
    assert {(capability, *vendors) for capability, vendors in find_integrations(house).items()} == {("crm", "acme")}


def test_a_file_without_a_declaration_or_with_anothers_is_named(house: ModuleType) -> None:
    vendor_file(house, "acme", DECLARED.format(vendor="other"))
    vendor_file(house, "empty", "")
    with pytest.raises(ConfigurationError) as refused:
        find_integrations(house)
    assert refused.value.problems == [
        "elsewhere.crm.acme: declares crm via other: move the file or correct the declaration",
        "elsewhere.crm.empty: has no INTEGRATION = Integration(…)",
    ]


def test_the_examples_that_ship_need_only_their_comment_signs_taken_off() -> None:
    shipped = (Path(__file__).parents[3] / "deployments" / "integrations.yaml").read_text(encoding="utf-8")
    others, mark, sources = shipped.partition("# Survey tools")
    examples = others + mark + re.sub(r"(?m)^#(?=  )", "", sources)
    variables = {name: "http://127.0.0.1:9" for name in re.findall(r"\$\{(\w+)\}", examples) if name != "NAME"}
    roster = load_roster(examples, {**variables, "HANDRAIL_WEBHOOK_SECRET": ENVIRONMENT["HANDRAIL_WEBHOOK_SECRET"]})
    assert {"standard", "feedback", "shop", "support"} <= set(roster.intakes)
    assert all(archive.is_open for archive in roster.archives().values())


def test_ours_are_found() -> None:
    assert {(str(capability), vendor) for capability, vendors in discover().items() for vendor in vendors} >= {
        ("ticketing", "sandbox"),
        ("crm", "sandbox"),
        ("survey_intake", "standard"),
        ("survey_intake", "typeform"),
        ("survey_intake", "delighted"),
        ("survey_intake", "surveymonkey"),
        ("delivery_intake", "postmark"),
        ("delivery_intake", "sendgrid"),
    }
