"""The door of a history: deliveries as a survey tool sends and signs them, and what their sender was told."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any, NamedTuple

from hypothesis import strategies as st
from ledger_outside import REFS
from pydantic import SecretStr
from sqlalchemy import select

from integrations.survey_intake.standard import StandardConfig, StandardIntake
from services.intake import Answer, receive_webhook
from services.wiring import Handrail
from store.database import Database
from store.tables import metadata

SOURCE = "standard"
SAID_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""Before any clock of a history, however often it is set back."""
_KEY = b"k" * 32
_QUARANTINE = metadata.tables["quarantine"]


class Delivery(NamedTuple):
    """What a survey tool sends; the same response may come in two envelopes, and corrected."""

    ref: str
    number: int
    envelope: int
    score: int
    words: str
    is_broken: bool

    @property
    def response(self) -> str:
        """The answer's own id."""
        return f"{self.ref}-{self.number}"

    @property
    def webhook_id(self) -> str:
        """The delivery's id."""
        return f"{self.response}-{self.envelope}"

    @property
    def acknowledgement(self) -> str:
        """The key of what the customer hears, if this calls for it."""
        return f"survey/{SOURCE}/{self.response}/acknowledgement"

    @property
    def calls_for_a_case(self) -> bool:
        """A bad score, or words of distress at any score."""
        return not self.is_broken and (self.score <= 6 or bool(self.words))

    @property
    def body(self) -> bytes:
        """The bytes that are signed."""
        data: dict[str, Any] = {
            "response_id": self.response,
            "kind": "nps",
            "score": 99 if self.is_broken else self.score,
            "comment": self.words or None,
            "answered_at": f"{SAID_AT:%Y-%m-%dT%H:%M:%SZ}",
            "customer": {"ref": self.ref},
        }
        return json.dumps({"type": "survey.responded", "timestamp": data["answered_at"], "data": data}).encode()


_SAID = [(2, "", False), (2, "", False), (9, "", False), (9, "my father passed away", False), (2, "", True)]
DELIVERIES = st.sampled_from([Delivery(*who, *said) for who, said in product(product(REFS, range(3), range(2)), _SAID)])


def intake() -> StandardIntake:
    """The survey tool as an installation knows it."""
    return StandardIntake(StandardConfig(secrets=[SecretStr("whsec_" + base64.b64encode(_KEY).decode())]))


class Door:
    """Delivers, and holds each answer to what was answered before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.told: dict[str, tuple[bytes, Answer]] = {}
        self.kept: set[tuple[str, bytes]] = set()
        """What must be in quarantine: once each, byte for byte."""

    def deliver(self, handrail: Handrail, deliveries: Sequence[Delivery]) -> list[tuple[Answer, bool, bool]]:
        """Deliveries that come in together; what each was told, whether it was the first of its id, and kept."""
        answers = self._post(handrail, [(one.webhook_id, one.body) for one in deliveries])
        return [self._told(one, answer) for one, answer in zip(deliveries, answers, strict=True)]

    def _told(self, delivery: Delivery, answer: Answer) -> tuple[Answer, bool, bool]:
        first, known = self.told.get(delivery.webhook_id), len(self.kept)
        if first is None:
            self.told[delivery.webhook_id] = (delivery.body, answer)
            assert answer.http_status == 202
            assert answer.body["status"] == ("quarantined" if delivery.is_broken else "accepted")
        else:
            self._check_repeat(answer, first[1])
        if delivery.is_broken if first is None else first[0] != delivery.body:
            self.kept.add((delivery.webhook_id, delivery.body))
        return answer, first is None, len(self.kept) > known

    def deliver_all_again(self, handrail: Handrail) -> None:
        """Every first delivery once more, byte for byte: each is answered as it was (P22)."""
        answers = self._post(handrail, [(webhook_id, body) for webhook_id, (body, _) in self.told.items()])
        for answer, (_, first) in zip(answers, self.told.values(), strict=True):
            self._check_repeat(answer, first)

    def check_quarantine(self, database: Database) -> None:
        """Nothing is lost of what broke its contract, and nothing is there twice."""
        with database.read() as connection:
            rows = connection.execute(select(_QUARANTINE.c.origin, _QUARANTINE.c.body)).all()
        assert sorted((row.origin, bytes(row.body)) for row in rows) == sorted(self.kept)

    def _post(self, handrail: Handrail, signed: Sequence[tuple[str, bytes]]) -> list[Answer]:
        async def all_at_once() -> list[Answer]:
            return await asyncio.gather(
                *(
                    receive_webhook(handrail, SOURCE, _signature(webhook_id, body, handrail.clock()), body)
                    for webhook_id, body in signed
                )
            )

        return self._loop.run_until_complete(all_at_once())

    @staticmethod
    def _check_repeat(answer: Answer, first: Answer) -> None:
        """P6: equal answers but for `duplicate`."""
        assert not answer.urgent
        assert (answer.http_status, answer.body) == (first.http_status, {**first.body, "duplicate": True})


def _signature(webhook_id: str, body: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    signed = b".".join((webhook_id.encode(), stamp.encode(), body))
    signature = base64.b64encode(hmac.digest(_KEY, signed, hashlib.sha256)).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
