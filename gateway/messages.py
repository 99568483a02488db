"""`POST /messages/{source}`: the one door for what customers write, in a web form or by mail."""

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from domain.words import did_you_mean
from gateway.bodies import BODY_CAP, TooLarge, capped_body
from integrations.errors import SignatureRefused
from services.intake import UnknownSource
from services.triage import receive_message
from store.crash_points import reached
from store.database import in_short

router = APIRouter()
_log = logging.getLogger("gateway.messages")

MAIL = "message/rfc822"
MAIL_CAP = 10 * 1024 * 1024
"""Bytes of a raw mail (10 MB): its attachments are not kept, but they come along."""


@router.post(
    "/messages/{source}",
    status_code=202,
    summary="Deliver one signed message of a customer",
    openapi_extra={
        "parameters": [{"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {
            "required": True,
            "description": "Signed as Standard Webhooks over these raw bytes: a web form's JSON, or a mail as it came.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                MAIL: {"schema": {"type": "string", "format": "binary"}},
            },
        },
    },
    responses={
        202: {"description": "Durable. `quarantined` ones broke their contract and wait for a person."},
        400: {"description": "Signed, but not strict JSON; kept in quarantine."},
        401: {"description": "Unsigned, forged or stale; nothing is kept."},
        404: {"description": "No such source is configured."},
        413: {"description": f"Larger than {BODY_CAP} bytes (JSON) or {MAIL_CAP} (a mail)."},
        503: {"description": "Could not be stored; deliver it again."},
    },
)
async def deliver(request: Request) -> Response:
    """Store one message and answer; a ticket it calls for leaves right after."""
    state, source = request.app.state, request.path_params["source"]
    known = state.handrail.roster.intakes
    label = f"messages/{source if source in known else 'unknown'}"  # strangers must not make up metrics
    is_mail = request.headers.get("content-type", "").partition(";")[0].strip().lower() == MAIL
    cap = MAIL_CAP if is_mail else BODY_CAP
    try:
        body = await capped_body(request, cap)
        answer = await receive_message(state.handrail, source, request.headers.raw, body, is_mail=is_mail)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    except TooLarge:
        refused = 413, "the body is too large", f"send at most {cap} bytes per message"
    except UnknownSource:
        problem = f'no source "{source[:60]}"{did_you_mean(source, known)}'
        refused = 404, problem, f"configured: {', '.join(known) or 'none'}"
    except SignatureRefused as forged:
        refused = 401, str(forged), "sign the raw body with the source's secret"
    except SQLAlchemyError as problem_there:
        _log.error("%s: a message could not be stored, and its sender was told so: %s", source, in_short(problem_there))
        refused = 503, "it could not be stored", "deliver it again in a minute"
    else:
        state.metrics.count_webhook(label, answer.body["status"])
        state.urgent.nudge(answer.urgent)
        reached("webhook.answers")
        return JSONResponse(answer.body, status_code=answer.http_status)
    status, problem, fix = refused
    state.metrics.count_webhook(label, str(status))
    problems = [{"path": "", "problem": problem, "fix": fix}]
    headers = {"Retry-After": "60"} if status == 503 else None
    return JSONResponse({"status": "refused", "problems": problems}, status_code=status, headers=headers)
