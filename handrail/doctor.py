"""What `handrail doctor` looks at: each check is one line, ok, warn or fail, with what to do."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import httpx
import yaml
from sqlalchemy.exc import DBAPIError

from data_contracts.policy import PolicyProblem, load_policy
from domain.actions import Capability, State
from domain.controls import EVERYTHING
from domain.instants import lasted
from domain.words import MISSPELT, how_many, nearest
from handrail.addresses import answers
from handrail.prefect_server import POOL, TAG
from handrail.problems import in_words
from integrations.errors import ConfigurationError
from integrations.registry import Configured, Roster, load_roster
from services.feeds import feeds_in_trouble
from services.on_call import duty
from services.reporting import LATE_FETCH_SECONDS, Standing, standing
from services.reviewers import undecidable
from services.settings import ROOT, Settings, load_settings
from store.database import Database
from store.schema import current, newest
from store.wordings import approved
from templates.library import TemplateProblem, load


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # a person should look
    FAIL = "fail"  # it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    check: str
    verdict: Verdict
    found: str
    do: str = ""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def examine() -> list[Finding]:
    """Every finding; changes nothing anywhere. Raises pydantic's ValidationError for settings that cannot be read."""
    settings, variables = load_settings()
    findings = [*_misspelt(variables), _policy(settings)]
    roster, finding = _roster(settings, variables)
    findings.append(finding)
    findings += _database(settings)
    if roster is not None:
        findings += [_links(settings, roster), _alerts(roster)]
        findings += asyncio.run(_integrations(roster))
    findings += [_gateway(settings), *_prefect(settings)]
    return findings


def _misspelt(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like one of ours and are none: whoever set them believes that they count."""
    ours = [f"HANDRAIL_{name.upper()}" for name in Settings.model_fields]
    for name in sorted(variables):
        if name.startswith("HANDRAIL_") and name not in ours and (meant := nearest(name, ours, close=MISSPELT)):
            yield Finding("settings", Verdict.WARN, f"{name} is set, and nobody reads it", f"did you mean {meant}?")


def _policy(settings: Settings) -> Finding:
    try:
        load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    except (OSError, PolicyProblem) as problem:
        return Finding(
            "policy", Verdict.FAIL, in_words(problem) or str(problem), "correct the file HANDRAIL_POLICY names"
        )
    return Finding("policy", Verdict.OK, str(settings.policy))


def _roster(settings: Settings, variables: Any) -> tuple[Roster | None, Finding]:
    try:
        text = settings.integrations.read_text(encoding="utf-8")
        roster = load_roster(text, variables, str(settings.integrations), lease_seconds=settings.lease_seconds)
    except (OSError, ConfigurationError) as problem:
        return None, Finding(
            "integrations",
            Verdict.FAIL,
            in_words(problem) or str(problem),
            "correct the file HANDRAIL_INTEGRATIONS names, or set what it asks for",
        )
    return roster, Finding("integrations", Verdict.OK, str(settings.integrations))


def _links(settings: Settings, roster: Roster) -> Finding:
    """Whether what we write of our own accord can offer its way out; without one it does not leave."""
    if settings.link_secrets:
        return Finding("links to customers", Verdict.OK, "signed")
    if roster.of(Capability.MAIL) is None:
        return Finding("links to customers", Verdict.OK, "not signed; nothing needs them without mail")
    words = "no secret to sign them with: no message of a journey leaves, other proactive mail has no one-click way out"
    return Finding("links to customers", Verdict.FAIL, words, "set HANDRAIL_LINK_SECRET (`openssl rand -hex 32`)")


async def _integrations(roster: Roster) -> list[Finding]:
    try:
        return list(await asyncio.gather(*(_integration(configured) for configured in roster)))
    finally:
        await roster.aclose()


async def _integration(configured: Configured) -> Finding:
    health = await configured.port.check()
    if health.ok:
        return Finding(configured.name, Verdict.OK, f"answered in {health.latency_ms} ms")
    return Finding(configured.name, Verdict.FAIL, health.problem, "nothing is lost: its actions wait until it answers")


def _database(settings: Settings) -> Iterator[Finding]:
    database = Database(settings.database)
    where = database.url.render_as_string(hide_password=True)
    try:
        if database.is_sqlite and not (settings.database_url or (settings.data / "handrail.db").exists()):
            yield Finding("database", Verdict.FAIL, f"no file at {where}", "run `handrail db upgrade` or `handrail up`")
            return
        revision = current(database)
        if revision != newest():
            words = f"{where} has schema {revision}, this version needs {newest()}"
            yield Finding("database", Verdict.FAIL, words, "run `handrail db upgrade`")
            return
        yield Finding("database", Verdict.OK, f"{where}, schema {revision}")
        yield _wordings(database)
        yield from _ledger(standing(database, now=datetime.now(UTC)))
        yield from _feeds(database, settings)
        yield from _on_call(database, settings)
    except DBAPIError as problem:
        yield Finding("database", Verdict.FAIL, f"{where}: {problem.orig}", "look at HANDRAIL_DATABASE_URL")
    finally:
        database.close()


def _wordings(database: Database) -> Finding:
    try:
        wanted = {(template.name, template.language): template.hash for template in load()}
    except TemplateProblem as problem:
        return Finding("templates", Verdict.FAIL, str(problem), "correct the files in templates/messages")
    with database.read() as connection:
        in_use = approved(connection)
    missing = sorted(f"{name} ({language})" for name, language in wanted if (name, language) not in in_use)
    if missing:
        return Finding("templates", Verdict.FAIL, f"not published: {', '.join(missing)}", "run `handrail db upgrade`")
    waiting = sum(in_use[at] != wanted[at] for at in wanted)
    if waiting:
        words = (
            f"{how_many(waiting, 'changed wording is', 'changed wordings are')} not in use: what was approved last is"
        )
        return Finding("templates", Verdict.WARN, words, "run `handrail db upgrade`, then have them approved")
    return Finding("templates", Verdict.OK, f"{len(wanted)} published and approved")


def _ledger(now: Standing) -> Iterator[Finding]:
    for stop in now.stops:
        how = f"on, nothing is sent: stopped by {stop.by}: {stop.reason}"
        if stop.part != EVERYTHING:
            how = f"{stop.part.words} is stopped by {stop.by}: {stop.reason}"
        yield Finding("kill switch", Verdict.WARN, how, "ask them; `handrail start` when it is safe")
    if not now.stops:
        yield Finding("kill switch", Verdict.OK, "off")
    opened = sorted(name for name, is_open in now.breakers.items() if is_open)
    yield _counted(
        "breakers", len(opened), f"open: {', '.join(opened)}", "see that integration's line; it closes by itself"
    )
    yield _counted(
        "quarantine",
        now.quarantined,
        how_many(now.quarantined, "waits for a person", "wait for a person"),
        "`handrail quarantine`, or the gateway's page /quarantine",
    )
    yield _counted(
        "messages",
        now.messages_waiting,
        how_many(now.messages_waiting, "waits for a person", "wait for a person"),
        "`handrail triage list`",
    )
    yield from _reviews(now)
    yield _fetching(now)
    for state, do in _PEOPLE.items():
        count = sum(number for (_, at), number in now.actions.items() if at == state)
        yield _counted(str(state), count, how_many(count, "action"), do)
    if now.oldest_urgent_seconds > _LATE_SECONDS:
        words = f"the oldest urgent action has been due for {lasted(now.oldest_urgent_seconds)}"
        yield Finding("urgent actions", Verdict.WARN, words, "is the gateway running, and does its integration answer?")


def _reviews(now: Standing) -> Iterator[Finding]:
    reviews, do = now.reviews, "`handrail reviews`, or the gateway's page /reviews"
    words = how_many(reviews.waiting, "waits for a decision", "wait for a decision")
    words = f"{words}, the oldest for {lasted(now.oldest_review_seconds)}"
    yield _counted("reviews", reviews.waiting, words, do)
    if reviews.halted:
        words = f"approved, and stopped by themselves: {', '.join(map(str, reviews.halted))}"
        yield Finding("reviews", Verdict.WARN, words, "look why; a reviewer lets them go on or cancels the rest")
    if reviews.expired:
        words = f"nobody decided {reviews.expired} in time since yesterday: nothing of them was done"
        yield Finding("reviews", Verdict.WARN, words, "`handrail on-call`: was the right person told?")


def _on_call(database: Database, settings: Settings) -> Iterator[Finding]:
    """Whoever is told must be able to decide."""
    try:
        policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    except (OSError, PolicyProblem):
        return  # its own line says so
    told = duty(database, policy.reviews.on_call, at=datetime.now(UTC), weeks=1)
    if told.strangers:
        words = f"told of reviews, and no reviewers: {', '.join(sorted(told.strangers))}"
        yield Finding(
            "on call", Verdict.WARN, words, "`handrail reviewers add NAME`, or correct reviews.on_call in the policy"
        )
    else:
        yield Finding("on call", Verdict.OK, f"{told.now}, then {told.then or 'nobody else'}")
    gaps = undecidable(database, policy.reviews)
    for words in gaps:
        yield Finding("reviewers", Verdict.WARN, words, "`handrail reviewers add NAME --role ROLE`: else they expire")
    if not gaps:
        yield Finding("reviewers", Verdict.OK, "enough for every risk class")


def _alerts(roster: Roster) -> Finding:
    configured = roster.of(Capability.ALERT)
    if configured is not None:
        return Finding("alerts", Verdict.OK, f"by {configured.vendor}")
    words = "no alert integration: nobody is called, neither for a case nor for a review"
    return Finding("alerts", Verdict.WARN, words, "add one to the file HANDRAIL_INTEGRATIONS names")


def _feeds(database: Database, settings: Settings) -> Iterator[Finding]:
    try:
        policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    except (OSError, PolicyProblem):
        return  # its own line says so
    with database.read() as connection:
        troubles = feeds_in_trouble(connection, policy, now=datetime.now(UTC))
    yield from (Finding("data", Verdict.WARN, trouble.problem, trouble.do) for trouble in troubles)
    if not troubles:
        yield Finding("data", Verdict.OK, "no feed is halted or stale")


def _fetching(now: Standing) -> Finding:
    """Answers that a survey tool only told of: on their way for a moment, or its API does not give them out."""
    if not now.fetching:
        return Finding("fetching", Verdict.OK, "none")
    each = [f"{those.count} of {those.source}{_told(those.problem)}" for those in now.fetching]
    words = f"answers told of and not here yet: {', '.join(each)}; the oldest for {lasted(now.oldest_fetch_seconds)}"
    if now.oldest_fetch_seconds < LATE_FETCH_SECONDS:
        return Finding("fetching", Verdict.OK, words)
    do = "is the gateway running, and is the tool's API key good? They are tried again by themselves"
    return Finding("fetching", Verdict.WARN, words, do)


def _told(problem: str | None) -> str:
    return f" ({problem})" if problem else ""


_LATE_SECONDS = 30.0
_PEOPLE = {
    State.UNCERTAIN: "the next sweep settles what can be settled; `handrail actions --state uncertain`",
    State.NEEDS_HUMAN: "`handrail actions --state needs_human`, then `handrail actions settle`",
    State.FAILED: "`handrail actions --state failed`, then `handrail actions settle`",
}


def _counted(check: str, count: int, found: str, do: str) -> Finding:
    return Finding(check, Verdict.WARN, found, do) if count else Finding(check, Verdict.OK, "none")


def _gateway(settings: Settings) -> Finding:
    address = f"http://{_reachable(settings.gateway_host)}:{settings.gateway_port}"
    if answers(address, "/readyz", timeout=3.0):
        return Finding("gateway", Verdict.OK, f"ready at {address}")
    if answers(address, "/healthz", timeout=3.0):
        return Finding(
            "gateway", Verdict.FAIL, f"{address} runs and is not ready", f"ask {address}/readyz for the reason"
        )
    return Finding(
        "gateway", Verdict.FAIL, f"{address} does not answer", "start it with `handrail up` or `python -m gateway`"
    )


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared with, not bound to


def _prefect(settings: Settings) -> Iterator[Finding]:
    address = settings.prefect_api_url
    if not address:
        yield Finding("prefect", Verdict.WARN, "not configured", "without it the gateway sends urgent actions only")
        return
    auth = settings.prefect_auth.get_secret_value()
    credentials = httpx.BasicAuth(*auth.split(":", 1)) if auth else None
    try:
        with httpx.Client(base_url=address, auth=credentials, timeout=5.0, trust_env=False) as client:
            client.get("/health").raise_for_status()
            ours = {"deployments": {"tags": {"all_": [TAG]}}}
            deployed = client.post("/deployments/filter", json=ours).raise_for_status().json()
            pool = client.get(f"/work_pools/{POOL}")
    except (httpx.HTTPError, ValueError) as problem:
        yield Finding(
            "prefect",
            Verdict.WARN,
            f"{address} does not answer ({type(problem).__name__})",
            "critical answers are still served; start it, or correct HANDRAIL_PREFECT_API_URL and …_AUTH",
        )
        return
    yield Finding("prefect", Verdict.OK, f"answers at {address}")
    yield _deployments(deployed)
    if pool.is_success and pool.json()["status"] == "NOT_READY":
        words = f"no worker of the pool {POOL} is online: runs wait"
        yield Finding("workers", Verdict.WARN, words, f"`handrail up`, or `prefect worker start --pool {POOL}`")


def _deployments(deployed: Sequence[dict[str, Any]]) -> Finding:
    """What was deleted or paused at Prefect: urgent actions go on without it, everything else waits for it."""
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    missing = sorted({one["name"] for one in declared} - {one["name"] for one in deployed})
    if missing:
        words = f"not deployed, so nothing runs them: {', '.join(missing)}"
        return Finding("deployments", Verdict.FAIL, words, "run `handrail prefect apply`")
    scheduled = {one["name"] for one in declared if "schedules" in one}
    idle = sorted(
        one["name"]
        for one in deployed
        if one["paused"] or (one["name"] in scheduled and not any(s["active"] for s in one["schedules"]))
    )
    if idle:
        words = f"paused by somebody, so what is due waits: {', '.join(idle)}"
        return Finding("deployments", Verdict.WARN, words, "switch the schedule on again in Prefect's UI")
    words = f"{len(scheduled)} deployed and scheduled, {len(declared) - len(scheduled)} begun when asked for"
    return Finding("deployments", Verdict.OK, words)
