"""The scenes of those who run it: broken rows, Prefect killed, Retry pressed, everything stopped and started."""

import time
from datetime import UTC, datetime, timedelta

from domain.actions import acknowledgement_key, ticket_key
from handrail.demo_answers import SETTLED, SOON, expect_case, moves
from handrail.demo_outside import poll
from handrail.demo_prefect import JobRun
from handrail.demo_stage import EXAMPLES, Stage
from handrail.demo_story import Story

WHILE_PREFECT_IS_AWAY = ("r-2002", "r-2004", "r-2011")
"""Critical answers of three customers."""

_STOPPED = 4.0
"""Seconds that the stop is watched: the gateway looks for leftovers every two."""

_BACK = 90.0
"""Seconds after which a killed Prefect serves again, however busy the machine is."""

_ME = ("--by", "demo")


def broken_rows(stage: Stage, story: Story) -> None:
    """Good rows go on, broken ones wait with their reasons; one is repaired and replayed, as a person would."""
    file = stage.directory / "broken-rows.csv"
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    written = (EXAMPLES / file.name).read_text(encoding="utf-8")
    file.write_text(written.replace("2026-11-20", yesterday), encoding="utf-8")
    imported = stage.handrail("import", "surveys", str(file))
    counts = {name: imported[name] for name in ("accepted", "quarantined")}
    story.expect(counts == {"accepted": 2, "quarantined": 3}, f"the import says {imported}")
    waiting = {row["id"]: row["problems"][0] for row in stage.handrail("quarantine")}
    misspelt = [row_id for row_id, problem in waiting.items() if problem["path"] == "kind"]
    story.expect(len(waiting) == 3 and len(misspelt) == 1, f"in quarantine: {list(waiting.values())}")
    if not misspelt:
        return
    wrong, corrected = str(misspelt[0]), stage.directory / "corrected-row.csv"
    row = stage.handrail("quarantine", "show", wrong)["current"]
    corrected.write_text(row.replace(",nsp,", ",nps,"), encoding="utf-8")
    stage.handrail("quarantine", "repair", wrong, str(corrected), "--reason", "kind misspelt by the export", *_ME)
    replayed_at = datetime.now(UTC)
    verdict = stage.handrail("quarantine", "replay", wrong, *_ME)["rows"][0]["verdict"]
    story.expect(verdict == "accepted", f"the replay was {verdict}")
    ticket = stage.outside.find("tickets", ticket_key("1012", 1), SETTLED)
    story.expect_effect(ticket, "ticket", "1012", replayed_at)
    message = stage.outside.find_acknowledgement("import", "r-4003", SETTLED)
    story.expect_effect(message, "message", "1012", replayed_at)
    left = [problem["problem"] for problem in (row["problems"][0] for row in stage.handrail("quarantine"))]
    story.expect(len(left) == 2, f"still in quarantine: {left}")
    story.facts |= {**counts, "repaired": int(wrong), "replayed": verdict, "left": left}
    story.told = (
        "Five rows: two taken, three waiting with their reasons. One misspelt word was corrected and replayed: "
        f"it was a bad answer, so ticket and mail left at once; {len(left)} still wait for somebody"
    )


def prefect_killed(stage: Stage, story: Story) -> None:
    """Nothing that customers notice depends on Prefect."""
    stage.kill("prefect")
    killed = time.monotonic()
    story.expect(not stage.prefect.is_up(), "Prefect serves although it was killed")
    deliveries = [story.expect_answer(stage.answer(response), http=202) for response in WHILE_PREFECT_IS_AWAY]
    for delivery in deliveries:
        expect_case(stage, story, delivery)
    story.expect(not stage.prefect.is_up(), "Prefect was back before it was over: this shows nothing")
    story.expect(bool(poll(lambda: stage.prefect.is_up() or None, _BACK, every=0.2)), "Prefect did not come back")
    story.facts |= {"prefect_back_after_s": round(time.monotonic() - killed, 1)}
    slowest = max((effect.after_ms for effect in story.effects), default=0)
    story.told = (
        f"Killed with kill -9 while {len(deliveries)} bad answers came in: all tickets and mails left without it, the "
        f"slowest after {slowest} ms; Prefect is back by itself"
    )


def retry_pressed(stage: Stage, story: Story, run: JobRun) -> JobRun:
    """The run looks once more, sees what came meanwhile, and sends nothing twice."""
    before = stage.outside.written()
    again = stage.prefect.retry(run)
    shown = stage.prefect.shown(again)
    more = stage.outside.written() - before
    missed = [key for key in _keys_of_outage() if shown.get(key) != "done"]
    story.expect(again.ok, f"the run ended as {again.state}: {again.message}")
    story.expect(not more, f"the outside received more: {sorted(key for key, _ in more)}")
    story.expect(not missed, f"it does not show as done: {', '.join(missed)}")
    story.facts |= {"run": again.as_json(), "shown": len(shown), "sent": sum(more.values())}
    story.told = (
        f"Retry of the first scene's run: {again.state}, it shows all {len(shown)} actions, those of Prefect's "
        "absence among them, and nothing was sent again"
    )
    return again


def emergency_stop(stage: Stage, story: Story) -> None:
    """While everything is stopped an answer is taken and waits; after the start it goes out, once."""
    stage.handrail("stop", "--reason", "the demo shows it", *_ME)
    try:
        delivery = story.expect_answer(stage.answer("r-2009"), http=202)
        keys = (ticket_key(delivery.customer, 1), acknowledgement_key("standard", delivery.response))
        seen = poll(lambda: next((key for key in keys if _is_out(stage, key)), None), _STOPPED)
        story.expect(seen is None, f"{seen} went out while everything was stopped")
        waited = {key: path[-1] for key, path in moves(stage, delivery.response).items()}
        story.expect(set(waited) == set(keys) and "done" not in waited.values(), f"while stopped: {waited}")
    finally:
        started_at = datetime.now(UTC)
        stage.handrail("start", "--reason", "it was shown", *_ME)
    for what, found in (
        ("ticket", stage.outside.find("tickets", keys[0], SETTLED)),
        ("message", stage.outside.find_acknowledgement("standard", delivery.response, SOON)),
    ):
        story.expect_effect(found, what, delivery.customer, started_at)
    story.facts |= {"while_stopped": waited}
    story.told = (
        "Stopped: the answer was accepted, and for four seconds nothing left the house. "
        "Started: ticket and mail went out, once"
    )


def _is_out(stage: Stage, key: str) -> bool:
    return stage.outside.written()[key, "created"] > 0


def _keys_of_outage() -> list[str]:
    return [acknowledgement_key("standard", response) for response in WHILE_PREFECT_IS_AWAY]
