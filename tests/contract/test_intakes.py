"""The contract of everybody who sends us events: survey tools, and those who tell what became of messages."""

import inspect
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from outside_vendor import Outside, answer
from vendor_specimens import DELIVERIES, INTAKES, SECRET, named, recorded

from data_contracts.journey_events import MessageEvents
from data_contracts.problems import ContractBroken, NotStrictJson
from data_contracts.surveys import SurveyAnswered
from integrations.declaration import Integration
from integrations.errors import (
    AuthFailed,
    ContractViolation,
    RateLimited,
    Rejected,
    SignatureRefused,
    Stale,
    Unavailable,
)
from integrations.ports import PORTS, Announced, Noted, SurveyArchive, SurveyIntake
from integrations.registry import Roster, load_roster

every_intake = pytest.mark.parametrize("integration", INTAKES, ids=named)
every_source = pytest.mark.parametrize("integration", [*INTAKES, *DELIVERIES], ids=named)
every_signed_source = pytest.mark.parametrize(
    "integration", [one for one in (*INTAKES, *DELIVERIES) if recorded(one).get("body_is_signed", True)], ids=named
)
every_archive = pytest.mark.parametrize(
    "integration", [one for one in INTAKES if "archive" in recorded(one)], ids=named
)


every_announcer = pytest.mark.parametrize(
    "integration", [one for one in INTAKES if "announced" in recorded(one)], ids=named
)


def roster(integration: Integration[Any], *secrets: str, **settings: Any) -> Roster:
    """A roster with this source alone, as the file would make it; its token is `SECRET`."""
    given = {**recorded(integration)["settings"], **settings}
    signs_with = signer(integration)
    chosen = secrets or given[signs_with]
    variables = {f"KIT_SECRET_{number}": secret for number, secret in enumerate(chosen)}
    section = {**given, "vendor": integration.vendor, signs_with: [f"${{{name}}}" for name in variables]}
    if "token" in given:
        section["token"] = "${KIT_TOKEN}"
    sources = {str(integration.capability): {"source": section}}
    return load_roster(yaml.safe_dump(sources), {**variables, "KIT_TOKEN": SECRET})


def signer(integration: Integration[Any]) -> str:
    """The setting that holds what a source's signatures are checked with."""
    return str(recorded(integration).get("signs_with", "secrets"))


def intake(integration: Integration[Any], *secrets: str, **settings: Any) -> Any:
    return roster(integration, *secrets, **settings).intakes["source"]


def archive(integration: Integration[Any], outside: Outside) -> tuple[SurveyArchive, SurveyIntake]:
    settings = recorded(integration)["archive"]["settings"]
    made = roster(integration, url=outside.url, **settings)
    return made.archives()["source"], made.intakes["source"]


def without_one(value: Any) -> list[Any]:
    """The value without each of its keys in turn, and with something odd in each place."""
    if isinstance(value, list):
        return [[*value[:n], less, *value[n + 1 :]] for n, one in enumerate(value) for less in without_one(one)]
    if not isinstance(value, dict):
        return [None, 7, "x", [], {}]
    cut = [{key: kept for key, kept in value.items() if key != gone} for gone in value]
    return cut + [{**value, key: less} for key, one in value.items() for less in without_one(one)]


def signed_at(seen: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(seen["signed_at"]) if seen["signed_at"] else datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def assert_is_wanted(answered: Any, seen: dict[str, Any]) -> None:
    assert isinstance(answered, SurveyAnswered)
    customer = answered.customer
    found = {
        "response_id": answered.response_id,
        "kind": answered.kind,
        "score": answered.score,
        "comment": answered.comment,
        "customer_ref": customer.ref,
        "email": customer.email,
        "language": customer.language or answered.language,
    }
    assert found == seen["answer"]


@every_source
def test_it_implements_its_port(integration: Integration[Any]) -> None:
    made, port = intake(integration), PORTS[integration.capability]
    assert isinstance(made, port)
    for method in ("verify", "read"):
        wanted = inspect.signature(getattr(port, method)).parameters
        assert list(inspect.signature(getattr(type(made), method)).parameters) == list(wanted)
    assert integration.docs_url
    assert inspect.getmodule(integration.config).__doc__
    for name, field in integration.config.model_fields.items():
        assert (field.description or "").endswith("."), f"{name}: describe it in a sentence"
        is_secret = any(word in name for word in ("token", "secret", "password", "key"))
        if is_secret and not name.startswith("public_"):
            assert "SecretStr" in str(field.annotation), f"{name} must be a SecretStr"


@every_source
def test_its_secrets_do_not_show(integration: Integration[Any]) -> None:
    settings = recorded(integration)["settings"]
    given = {**settings, "token": SECRET} if "token" in settings else settings
    config = integration.config.model_validate(given)
    made = intake(integration)
    shown = f"{config!r} {config} {config.model_dump_json()} {made!r} {[repr(one) for one in vars(made).values()]}"
    for secret in (*settings.get("secrets", ()), SECRET):
        assert secret not in shown
        assert secret[8:] not in shown


def assert_tells(said: Any, seen: dict[str, Any]) -> None:
    assert isinstance(said, MessageEvents)
    found = [
        {
            "message": one.message,
            "what": one.what,
            "at": one.at.isoformat(),
            "is_permanent": one.is_permanent,
            "address": one.address,
        }
        for one in said.told
    ]
    assert (found, said.refused) == (seen["told"], ())


@every_source
def test_what_the_vendor_signed_is_believed_and_becomes_our_event(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now = signed_at(seen)
    verified = made.verify(seen["headers"], seen["body"].encode(), now)
    assert verified.webhook_id == seen["webhook_id"]
    assert verified.sent_at == (now if seen["signed_at"] else None)
    pairs = [(name.upper().encode(), value.encode()) for name, value in seen["headers"].items()]
    assert made.verify(pairs, seen["body"].encode(), now) == verified
    said = made.read(seen["body"].encode())
    if "told" in seen:
        assert_tells(said, seen)
    elif "announced" in seen:
        assert said == Announced(**seen["announced"])
    else:
        assert_is_wanted(said, seen)


@every_source
def test_while_its_secret_changes_both_are_good(integration: Integration[Any]) -> None:
    seen = recorded(integration)
    body, now = seen["body"].encode(), signed_at(seen)
    [first], second = seen["settings"][signer(integration)], seen["second_secret"]
    for both in ([first, second], [second, first]):
        made = intake(integration, *both)
        assert made.verify(seen["headers"], body, now) == made.verify(seen["signed_by_second"], body, now)
    with pytest.raises(SignatureRefused):
        intake(integration, first).verify(seen["signed_by_second"], body, now)


@every_signed_source
def test_a_tampered_body_is_refused_wherever_it_was_touched(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now, body = signed_at(seen), seen["body"].encode()
    touched = [body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] for place in range(len(body))]
    rewritten = json.dumps(json.loads(body)).encode()
    assert json.loads(rewritten) == json.loads(body)
    for forged in [*touched, rewritten, body + b" ", b" " + body, body[:-1], b""]:
        with pytest.raises(SignatureRefused):
            made.verify(seen["headers"], forged, now)


@every_source
def test_tampered_missing_or_doubled_headers_are_refused(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now, body, headers = signed_at(seen), seen["body"].encode(), seen["headers"]
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    bad: list[Any] = [{}, []]
    for name, value in headers.items():
        others = {key: kept for key, kept in headers.items() if key != name}
        bad += [others, {**others, name: ""}, {**others, name: f"{value}1"}, {**others, name: value * 2000}]
        bad += [{**others, name: value[:-1] + "ł"}, {**headers, name.upper(): value}]
        bad += [[*pairs, (name.encode(), value.encode())], [*pairs, (name.encode(), b"\xff")]]
    for each in bad:
        with pytest.raises(SignatureRefused) as refused:
            made.verify(each, body, now)
        assert not any(secret in str(refused.value) for secret in seen["settings"][signer(integration)])


@every_source
@pytest.mark.parametrize("apart", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_replay_is_refused_or_known_by_its_id(integration: Integration[Any], apart: timedelta) -> None:
    made, seen = intake(integration), recorded(integration)
    body, later = seen["body"].encode(), signed_at(seen) + apart
    if seen["signed_at"]:
        with pytest.raises(Stale):
            made.verify(seen["headers"], body, later)
    else:
        assert made.verify(seen["headers"], body, later).webhook_id == seen["webhook_id"]


@every_source
def test_an_event_we_do_not_know_is_no_answer(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    body = seen["unknown_event"].encode()
    if seen.get("unknown", "noted") == "noted":
        noted = made.read(body)
        assert isinstance(noted, Noted)
        assert noted.event == seen.get("unknown_word", json.loads(body)["event_type"] if "unknown" in seen else "")
        assert noted.why
    else:
        with pytest.raises(ContractBroken):
            made.read(body)
    if "test_event" in seen:
        assert isinstance(made.read(seen["test_event"].encode()), Noted)


@every_source
def test_a_missing_key_is_named(integration: Integration[Any]) -> None:
    """The whole of a delivery is refused for it, or the one event of several."""
    made, seen = intake(integration), recorded(integration)
    try:
        said = made.read(seen["missing_key"].encode())
    except ContractBroken as broken:
        [problem] = broken.problems
    else:
        assert (said.told, len(said.refused)) == ((), 1)
        [problem] = said.refused[0].problems
    assert (problem.path, problem.problem) == (seen["missing"], "is missing")
    assert problem.fix


@every_source
def test_no_key_of_an_event_can_be_missing_unnoticed(integration: Integration[Any]) -> None:
    """Without any one key the event is read as before, or refused in words: never an error that nobody expects."""
    made, body = intake(integration), json.loads(recorded(integration)["body"])

    for less in without_one(body):
        with suppress(ContractBroken):
            assert isinstance(made.read(json.dumps(less).encode()), SurveyAnswered | Announced | Noted | MessageEvents)


@every_source
def test_what_is_no_event_of_ours_is_refused(integration: Integration[Any]) -> None:
    made = intake(integration)
    for body in (b"{}", b"[]", b"7", b'{"event_type": 7}', b'{"event_type": ""}'):
        with pytest.raises(ContractBroken):
            made.read(body)
    with pytest.raises(NotStrictJson):
        made.read(b"not json")


@every_archive
async def test_its_archive_shows_the_same_answer_as_its_webhook(
    integration: Integration[Any], outside: Outside
) -> None:
    asked, reader = archive(integration, outside)
    seen = recorded(integration)
    assert asked.is_open
    outside.replies(*(answer(200, page) for page in seen["archive"]["pages"]))
    bodies = [body async for page in asked.since(signed_at(seen)) for body in page]
    assert len(bodies) == 1
    assert_is_wanted(reader.read(bodies[0]), seen)
    assert "2026-03-01T09" in outside.seen(0).replace("%3A", ":") or "1772357400" in outside.seen(0)
    assert SECRET in outside.seen(0) or "Basic" in outside.seen(0)
    await asked.aclose()


@every_announcer
async def test_what_it_only_tells_of_is_fetched_whole(integration: Integration[Any], outside: Outside) -> None:
    asked, reader = archive(integration, outside)
    seen = recorded(integration)
    announced = Announced(**seen["announced"])
    outside.replies(*(answer(200, body) for body in seen["archive"]["fetched"]))
    body = await asked.fetch(announced)
    assert_is_wanted(reader.read(body), seen)
    assert announced.survey in outside.requests[0].path
    assert announced.response in outside.requests[0].path
    assert SECRET in outside.seen(0)
    outside.replies(*(answer(200, body) for body in seen["archive"]["fetched_without_customer"]))
    with pytest.raises(ContractBroken) as broken:
        reader.read(await asked.fetch(announced))
    assert [problem.path for problem in broken.value.problems] == [seen["archive"]["missing"]]
    outside.answers(404)
    with pytest.raises(Rejected):
        await asked.fetch(announced)
    await asked.aclose()


@every_archive
async def test_no_key_of_what_its_archive_shows_can_be_missing_unnoticed(
    integration: Integration[Any], outside: Outside
) -> None:
    asked, reader = archive(integration, outside)
    seen = recorded(integration)["archive"]
    outside.replies(*(answer(200, page) for page in seen["pages"]))
    [body] = [body async for page in asked.since(datetime(2026, 3, 1, tzinfo=UTC)) for body in page]
    for less in without_one(json.loads(body)):
        with suppress(ContractBroken):
            assert isinstance(reader.read(json.dumps(less).encode()), SurveyAnswered | Announced | Noted)
    await asked.aclose()


@every_archive
async def test_its_archive_fails_as_every_read_does(integration: Integration[Any], outside: Outside) -> None:
    asked, _ = archive(integration, outside)
    for status, wanted in ((401, AuthFailed), (503, Unavailable), (429, RateLimited), (400, Rejected)):
        outside.answers(status, SECRET, {"Retry-After": "7"})
        with pytest.raises(wanted) as failed:
            [page async for page in asked.since(datetime(2026, 3, 1, tzinfo=UTC))]
        assert SECRET not in str(failed.value)
        if isinstance(failed.value, RateLimited):
            assert failed.value.retry_after == 7
    for odd in ("<html>", {"moved": True}, {"items": "x", "data": "x"}):
        outside.answers(200, odd)
        with pytest.raises(ContractViolation):
            [page async for page in asked.since(datetime(2026, 3, 1, tzinfo=UTC))]
    await asked.aclose()


@every_intake
async def test_a_source_that_is_not_told_what_to_ask_for_has_no_open_archive(integration: Integration[Any]) -> None:
    made = roster(integration)
    assert not any(asked.is_open for asked in made.archives().values())
    await made.aclose()
