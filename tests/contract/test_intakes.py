"""The contract of every survey tool that sends us signed answers."""

import inspect
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml
from vendor_specimens import INTAKES, named, recorded

from data_contracts.problems import ContractBroken, NotStrictJson
from integrations.declaration import Integration
from integrations.errors import SignatureRefused, Stale
from integrations.ports import SurveyIntake
from integrations.registry import load_roster

every_intake = pytest.mark.parametrize("integration", INTAKES, ids=named)


def intake(integration: Integration[Any]) -> SurveyIntake:
    settings = recorded(integration)["settings"]
    variables = {f"KIT_SECRET_{number}": secret for number, secret in enumerate(settings["secrets"])}
    section = {"vendor": integration.vendor, "secrets": [f"${{{name}}}" for name in variables]}
    return load_roster(yaml.safe_dump({"survey_intake": {"source": section}}), variables).intakes["source"]


@every_intake
def test_it_implements_its_port(integration: Integration[Any]) -> None:
    made = intake(integration)
    assert isinstance(made, SurveyIntake)
    for method in ("verify", "read"):
        wanted = inspect.signature(getattr(SurveyIntake, method)).parameters
        assert list(inspect.signature(getattr(type(made), method)).parameters) == list(wanted)
    assert all(field.description.endswith(".") for field in integration.config.model_fields.values())


@every_intake
def test_its_secrets_do_not_show(integration: Integration[Any]) -> None:
    settings = recorded(integration)["settings"]
    config = integration.config.model_validate(settings)
    shown = f"{config!r} {config} {config.model_dump_json()} {intake(integration)!r}"
    for secret in settings["secrets"]:
        assert secret not in shown
        assert secret[8:] not in shown


@every_intake
def test_what_the_vendor_signed_is_believed_and_becomes_our_event(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now = datetime.fromisoformat(seen["signed_at"])
    verified = made.verify(seen["headers"], seen["body"].encode(), now)
    assert verified.webhook_id == seen["webhook_id"]
    assert verified.sent_at == now
    pairs = [(name.upper().encode(), value.encode()) for name, value in seen["headers"].items()]
    assert made.verify(pairs, seen["body"].encode(), now) == verified
    answered = made.read(seen["body"].encode())
    wanted = seen["answer"]
    assert (answered.response_id, answered.kind, answered.score, answered.customer.ref) == (
        wanted["response_id"],
        wanted["kind"],
        wanted["score"],
        wanted["customer_ref"],
    )


@every_intake
def test_a_tampered_body_is_refused_wherever_it_was_touched(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now, body = datetime.fromisoformat(seen["signed_at"]), seen["body"].encode()
    touched = [body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] for place in range(len(body))]
    for forged in [*touched, body + b" ", b" " + body, body[:-1], b""]:
        with pytest.raises(SignatureRefused):
            made.verify(seen["headers"], forged, now)


@every_intake
def test_tampered_missing_or_doubled_headers_are_refused(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    now, body, headers = datetime.fromisoformat(seen["signed_at"]), seen["body"].encode(), seen["headers"]
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    bad: list[Any] = [{}, []]
    for name, value in headers.items():
        others = {key: kept for key, kept in headers.items() if key != name}
        bad += [others, {**others, name: ""}, {**others, name: f"{value}1"}, {**others, name: value * 2000}]
        bad += [{**others, name: value[:-1] + "ł"}, {**headers, name.upper(): value}]
        bad += [[*pairs, (name.encode(), value.encode())], [*pairs, (name.encode(), b"\xff")]]
    for each in bad:
        with pytest.raises(SignatureRefused):
            made.verify(each, body, now)


@every_intake
@pytest.mark.parametrize("apart", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_replay_is_refused(integration: Integration[Any], apart: timedelta) -> None:
    made, seen = intake(integration), recorded(integration)
    with pytest.raises(Stale):
        made.verify(seen["headers"], seen["body"].encode(), datetime.fromisoformat(seen["signed_at"]) + apart)


@every_intake
def test_what_is_no_event_of_ours_is_refused_by_name(integration: Integration[Any]) -> None:
    made, seen = intake(integration), recorded(integration)
    with pytest.raises(ContractBroken):
        made.read(seen["unknown_event"].encode())
    with pytest.raises(ContractBroken):
        made.read(b"{}")
    with pytest.raises(NotStrictJson):
        made.read(b"not json")
