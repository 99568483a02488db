"""Standard Webhooks: our verification against the published vector and an independent signer."""

import base64
import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook

from integrations.errors import Forged, SignatureRefused, Stale, Unsigned
from integrations.survey_intake.standard import StandardConfig, StandardIntake

# The test vector of the specification's own Python library.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SENT_AT = datetime.fromtimestamp(1614265330, UTC)

OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def intake(*secrets: str) -> StandardIntake:
    config = StandardConfig.model_validate(
        {"secrets": list(secrets or (SECRET,))}, context={"variables": {"secrets": "SURVEY_SECRET"}}
    )
    return StandardIntake(config)


def signed(secret: str, body: str = BODY.decode(), identifier: str = "msg_1", at: datetime = SENT_AT) -> dict[str, str]:
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, at, body),
    }


def with_header(name: str, value: str) -> dict[str, str]:
    return {**HEADERS, name: value}


def test_the_published_vector() -> None:
    verified = intake().verify(HEADERS, BODY, SENT_AT)
    assert verified.webhook_id == HEADERS["webhook-id"]
    assert verified.sent_at == SENT_AT


def test_header_names_ignore_case_and_may_come_as_bytes() -> None:
    assert intake().verify({name.title(): value for name, value in HEADERS.items()}, BODY, SENT_AT)
    pairs = [(b"Host", b"x"), *((name.upper().encode(), value.encode()) for name, value in HEADERS.items())]
    assert intake().verify(pairs, BODY, SENT_AT)


@given(
    body=st.text(max_size=300),
    identifier=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=60
    ),
    key=st.binary(min_size=24, max_size=64),
)
def test_an_independent_signer_is_believed_and_any_other_body_is_not(body: str, identifier: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed(secret, body, identifier)
    assert intake(secret).verify(headers, body.encode(), SENT_AT).webhook_id == identifier
    with pytest.raises(Forged):
        intake(secret).verify(headers, body.encode() + b" ", SENT_AT)
    with pytest.raises(Forged):
        intake(OTHER).verify(headers, body.encode(), SENT_AT)


def test_while_secrets_change_both_are_good_in_any_order_and_amount() -> None:
    both = intake(OTHER, SECRET)
    assert both.verify(signed(SECRET), BODY, SENT_AT)
    assert both.verify(signed(OTHER), BODY, SENT_AT)
    several = f"v1a,c2lnbg== v1,AAAA {signed(OTHER)['webhook-signature']} {signed(SECRET)['webhook-signature']}"
    for secret in (SECRET, OTHER):
        headers = {**signed(SECRET), "webhook-signature": several}
        assert intake(secret).verify(headers, BODY, SENT_AT)


@pytest.mark.parametrize(
    ("seconds", "is_stale"), [(0, False), (300, False), (301, True), (300.001, True), (10**9, True)]
)
@pytest.mark.parametrize("direction", [1, -1])
def test_three_hundred_seconds_either_way(seconds: float, direction: int, is_stale: bool) -> None:
    now = SENT_AT + direction * timedelta(seconds=seconds)
    if not is_stale:
        assert intake().verify(HEADERS, BODY, now)
        return
    with pytest.raises(Stale, match="ago" if direction > 0 else "in the future"):
        intake().verify(HEADERS, BODY, now)


def test_a_forged_old_one_is_called_forged() -> None:
    with pytest.raises(Forged):
        intake(OTHER).verify(HEADERS, BODY, SENT_AT + timedelta(days=1))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({name: value for name, value in HEADERS.items() if name != missing} for missing in HEADERS),
        *(with_header(name, "") for name in HEADERS),
        *(with_header(name, "x" * 5000) for name in HEADERS),
        *({**HEADERS, name.upper(): value} for name, value in HEADERS.items()),
        with_header("webhook-id", "zażółć"),
        with_header("webhook-id", "has space"),
        with_header("webhook-id", "msg.1614265330"),
        with_header("webhook-id", "msg\n1"),
        with_header("webhook-timestamp", "1614265330.0"),
        with_header("webhook-timestamp", "-1614265330"),
        with_header("webhook-timestamp", "+1614265330"),
        with_header("webhook-timestamp", "١٦١٤٢٦٥٣٣٠"),
        with_header("webhook-timestamp", "nan"),
        with_header("webhook-timestamp", "1" * 13),
        with_header("webhook-timestamp", "2021-02-25T15:02:10Z"),
        with_header("webhook-signature", HEADERS["webhook-signature"].replace("v1,", "v1a,")),
        with_header("webhook-signature", HEADERS["webhook-signature"].removeprefix("v1,")),
        with_header("webhook-signature", "v2," + "A" * 43 + "="),
        with_header("webhook-signature", "v1;abc"),
        with_header("webhook-signature", "v1,ł"),
        [(b"webhook-id", b"\xff"), (b"webhook-timestamp", b"1614265330"), (b"webhook-signature", b"v1,x")],
    ],
)
def test_headers_that_are_missing_doubled_oversized_or_malformed(headers: Any) -> None:
    with pytest.raises(Unsigned):
        intake().verify(headers, BODY, SENT_AT)


@pytest.mark.parametrize(
    "signature",
    ["v1,", "v1,AAAA", "v1,====", "v1,g0hM9SsE", HEADERS["webhook-signature"].rstrip("="), "v1,v1," + "A" * 43],
)
def test_signatures_that_do_not_fit(signature: str) -> None:
    with pytest.raises(Forged):
        intake().verify(with_header("webhook-signature", signature), BODY, SENT_AT)


def test_what_is_signed_cannot_be_cut_differently() -> None:
    """Without a ban on full stops, one signature would fit another id, time and body."""
    headers = signed(SECRET, body='1614265330.{"a": 1}', identifier="msg_1")
    shifted = {**headers, "webhook-id": f"msg_1.{headers['webhook-timestamp']}"}
    with pytest.raises(Unsigned):
        intake().verify(shifted, b'{"a": 1}', SENT_AT)


@given(st.dictionaries(st.sampled_from([*HEADERS, "host"]), st.text(max_size=60)), st.binary(max_size=60))
def test_whatever_comes_is_refused_in_order(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        intake().verify(headers, body, SENT_AT)


@pytest.mark.parametrize("timestamp", ["0", "999999999999"])
def test_the_far_ends_of_time_are_stale(timestamp: str) -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"msg_1.{timestamp}.".encode(), hashlib.sha256)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
    with pytest.raises(Stale):
        intake().verify(headers, b"", SENT_AT)


def test_the_refusals_tell_an_operator_what_to_do_and_no_secret() -> None:
    with pytest.raises(Forged, match="compare SURVEY_SECRET with the sender's secret") as forged:
        intake(OTHER).verify(HEADERS, BODY, SENT_AT)
    assert OTHER.removeprefix("whsec_") not in str(forged.value)
    with pytest.raises(Unsigned, match="the header webhook-id is missing"):
        intake().verify({}, BODY, SENT_AT)
    with pytest.raises(Stale, match="signed 400 s ago: a replay, or check both clocks"):
        intake().verify(HEADERS, BODY, SENT_AT + timedelta(seconds=400))


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"),
        ("whsec_not base64 at all, no", "is not base64"),
        ("whsec_ł", "is not base64"),
        ("whsec_", "stands for 0 bytes"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "stands for 23 bytes"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "stands for 65 bytes"),
    ],
)
def test_a_secret_that_is_none_is_named_without_being_shown(secret: str, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        StandardConfig.model_validate({"secrets": [secret]})
    assert problem in str(refused.value)
    assert len(secret) < 8 or secret not in str(refused.value)


def test_padding_may_be_left_out_as_other_implementations_allow() -> None:
    secret = "whsec_" + base64.b64encode(os.urandom(32)).decode().rstrip("=")
    assert intake(secret).verify(signed(secret), BODY, SENT_AT)


@pytest.mark.parametrize("count", [0, 3])
def test_there_are_one_or_two_secrets(count: int) -> None:
    with pytest.raises(ValidationError):
        StandardConfig.model_validate({"secrets": [SECRET] * count})
