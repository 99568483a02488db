"""Telling the gateway how a call ended, as a telephone vendor does: a signed webhook, the same one when told again."""

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import SecretStr

from handrail.sandbox.items import Call
from integrations.standard_webhooks import signature_headers

_SECONDS = 5.0


class Telling:
    """Where calls that ended are told of."""

    def __init__(self, address: str, secret: SecretStr) -> None:
        """`address` of the gateway's webhook, and the secret of its source."""
        self._address, self._secret = address, secret

    async def tell(self, call: Call) -> dict[str, Any]:
        """How the gateway answered: its `status` code and `answer`, or the `problem` why there is none."""
        now = datetime.now(UTC)
        data = {"call": call.key, "outcome": call.outcome, "ended_at": call.ended_at, "said": call.said}
        event = {"type": "call.ended", "timestamp": call.ended_at, "data": data}
        body = json.dumps(event, ensure_ascii=False).encode()
        # Known by when it ended too: the ids begin anew with a new record.
        webhook_id = f"{call.id}-{call.ended_at}".replace(".", "-")
        headers = signature_headers(self._secret.get_secret_value(), webhook_id, int(now.timestamp()), body)
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=_SECONDS)) as http,
                http.post(self._address, data=body, headers=headers) as answered,
            ):
                return {"status": answered.status, "answer": (await answered.text())[:2000]}
        except (ClientError, TimeoutError) as problem:
            return {"problem": f"the gateway could not be told ({type(problem).__name__}): end the call again"}
