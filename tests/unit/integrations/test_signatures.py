"""Signatures over the body alone: by whom, in which spelling, and what a replay is known by."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import Capability
from integrations.errors import Forged, Unsigned
from integrations.registry import discover
from integrations.signatures import BodySignature, signed_id

BODY = '{"event_id":"e-1","comment":"Zażółć"}'.encode()

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)

VECTORS = Path(__file__).parents[4] / "shared" / "webhook-vectors.json"


def signature(*keys: bytes) -> BodySignature:
    return BodySignature(
        "survey_intake via acme",
        header="X-Acme",
        keys=keys,
        algorithm="sha256",
        spell=lambda digest: f"sha256={digest.hex()}",
        setting="ACME_SECRET",
    )


def signed(body: bytes, key: bytes = b"first-key") -> dict[str, str]:
    return {"x-acme": "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()}


def test_either_key_is_good_and_no_other() -> None:
    both = signature(b"first-key", b"second-key")
    both.check(signed(BODY), BODY)
    both.check(signed(BODY, b"second-key"), BODY)
    with pytest.raises(Forged, match="compare ACME_SECRET with what the sender signs with"):
        both.check(signed(BODY, b"third-key"), BODY)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "is missing"),
        ([(b"x-acme", b"sha256=aa"), (b"X-Acme", b"sha256=aa")], "came twice"),
        ({"x-acme": ""}, "is malformed"),
        ({"x-acme": "a" * 201}, "is malformed"),
        ({"x-acme": "sha256= aa"}, "is malformed"),
        ([(b"x-acme", b"\xff")], "is malformed"),
    ],
)
def test_a_header_is_there_once_and_well_formed(headers: object, problem: str) -> None:
    with pytest.raises(Unsigned, match=f"the header X-Acme {problem}"):
        signature(b"first-key").check(headers, BODY)  # type: ignore[arg-type]


@given(st.text(max_size=80), st.binary(max_size=80))
def test_whatever_comes_is_refused_in_order(value: str, body: bytes) -> None:
    with pytest.raises((Forged, Unsigned)):
        signature(b"first-key").check({"x-acme": value}, body)


def test_an_upper_case_digest_is_not_the_signature() -> None:
    with pytest.raises(Forged):
        signature(b"first-key").check({"x-acme": signed(BODY)["x-acme"].upper().replace("SHA", "sha")}, BODY)


def test_a_replay_is_known_by_the_ids_it_carries() -> None:
    assert signed_id(BODY, "event_id") == "e-1"
    assert signed_id(b'{"event_id": "e-1", "object_id": "7"}', "event_id", "object_id") == "e-1/7"
    assert signed_id(b'{"event_id": "e", "object_id": "1/7"}', "event_id", "object_id") == "e/1%2F7"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"",
        b"[]",
        b"{}",
        *(b'{"event_id": %b}' % odd for odd in (b"null", b'""', b'"a\\nb"', b"7", b"{}", b'"%b"' % (b"x" * 201))),
        b'{"event_id": "a", "event_id": "b"}',
    ],
)
def test_without_an_id_it_is_known_by_its_content(body: bytes) -> None:
    assert signed_id(body, "event_id") == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert signed_id(body + b" ", "event_id") != signed_id(body, "event_id")


def test_two_ids_are_both_needed() -> None:
    assert signed_id(b'{"event_id": "e-1"}', "event_id", "object_id").startswith("sha256:")


@pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors are not on this machine")
def test_the_published_descriptions() -> None:
    """What the vendors' own documents say of header, digest and key; they publish no vectors for these."""
    said = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert said["typeform"]["headers"] == ["Typeform-Signature"]
    assert said["typeform"]["alg"] == "'sha256='+base64(HMAC-SHA256(secret, raw body))"
    assert said["delighted"]["alg"] == "'sha256='+hex(HMAC-SHA256(api_key, raw body))"
    assert said["surveymonkey"]["alg"] == "base64(HMAC-SHA1(key='API_KEY&API_SECRET', raw body))"


SMALL = b'{"a":1}'


@pytest.mark.parametrize(
    ("vendor", "settings", "headers"),
    [
        ("typeform", {}, {"Typeform-Signature": "sha256=kCt8oPgPWPCfB78hO5Z8D0h3fCsjijv/rsTtllgWULw="}),
        (
            "delighted",
            {},
            {
                "X-Delighted-Webhook-Signature": (
                    "sha256=902b7ca0f80f58f09f07bf213b967c0f48777c2b238a3bffaec4ed96581650bc"
                )
            },
        ),
        (
            "surveymonkey",
            {"client_id": "app-client", "token": "t", "score": "1"},
            {"Sm-Apikey": "app-client", "Sm-Signature": "XlPKbXf84aQ5jppR/BExcMyHiSY="},
        ),
    ],
)
def test_small_vectors_made_by_openssl(vendor: str, settings: dict[str, str], headers: dict[str, str]) -> None:
    """`printf '{"a":1}' | openssl dgst -sha256 -hmac secret-1`, and -sha1 -hmac 'app-client&secret-1'."""
    integration = discover()[Capability.SURVEY_INTAKE][vendor]
    made = integration.connect(integration.config.model_validate({"secrets": ["secret-1"], **settings}))
    assert made.verify(headers, SMALL, NOON).webhook_id == f"sha256:{hashlib.sha256(SMALL).hexdigest()}"
    with pytest.raises(Forged):
        made.verify(headers, SMALL + b" ", NOON)
