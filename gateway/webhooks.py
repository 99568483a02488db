"""`POST /webhooks/{source}`: the one door for what survey tools send."""

import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from domain.words import did_you_mean
from gateway.bodies import BODY_CAP, TooLarge, capped_body
from integrations.errors import SignatureRefused
from services.intake import UnknownSource, receive_webhook

router = APIRouter()
_log = logging.getLogger("gateway.webhooks")

_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["event_id", "duplicate", "status", "problems"],
    "properties": {
        "event_id": {"type": "string"},
        "duplicate": {"type": "boolean", "description": "This webhook id was delivered before."},
        "status": {"type": "string", "enum": ["accepted", "quarantined"]},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {word: {"type": "string"} for word in ("path", "problem", "fix")},
            },
        },
    },
}


def _says(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ANSWER}}}


@router.post(
    "/webhooks/{source}",
    status_code=202,
    summary="Deliver one signed event",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "For the source `standard`: a Standard Webhooks delivery, signed over these raw bytes.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
    responses={
        202: _says("Durable. `quarantined` ones broke their contract and wait for a person."),
        400: _says("Signed, but not strict JSON; kept in quarantine."),
        401: {"description": "Unsigned, forged or stale; nothing is kept."},
        404: {"description": "No such source is configured."},
        413: {"description": f"Larger than {BODY_CAP} bytes."},
        503: {"description": "Could not be stored; deliver it again."},
    },
)
async def deliver(source: str, request: Request) -> JSONResponse:
    """Store one delivery and answer; what is urgent leaves right after, without making the sender wait."""
    metrics, urgent = request.app.state.metrics, request.app.state.urgent
    try:
        body = await capped_body(request)
        answer = await receive_webhook(request.app.state.handrail, source, request.headers.raw, body)
    except TooLarge:
        return _refuse(metrics, source, 413, "the body is too large", f"send at most {BODY_CAP} bytes per event")
    except UnknownSource:
        known = request.app.state.handrail.roster.intakes
        hint = did_you_mean(source, known)
        return _refuse(
            metrics,
            "unknown",
            404,
            f'no survey source "{source[:60]}"{hint}',
            f"configured: {', '.join(known) or 'none'}",
        )
    except SignatureRefused as refused:
        return _refuse(metrics, source, 401, str(refused), "sign the raw body with the source's secret")
    except DBAPIError:
        _log.exception("a delivery could not be stored")
        return _refuse(metrics, source, 503, "it could not be stored", "deliver it again in a minute")
    metrics.count_webhook(source, answer.body["status"])
    urgent.nudge(answer.urgent)
    return JSONResponse(answer.body, status_code=answer.http_status)


def _refuse(metrics: Any, source: str, status: int, problem: str, fix: str) -> JSONResponse:
    metrics.count_webhook(source, str(status))
    problems = [{"path": "", "problem": problem, "fix": fix}]
    headers = {"Retry-After": "60"} if status == 503 else None
    return JSONResponse({"status": "refused", "problems": problems}, status_code=status, headers=headers)
