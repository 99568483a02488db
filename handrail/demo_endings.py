"""The scenes of what is about to end: data through its gates, endings found, and one that was renewed meanwhile."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from data_contracts.policy import load_policy
from domain.actions import State
from domain.entitlements import expiry_key
from handrail import demo_endings_data as data
from handrail.demo_endings_data import AWAKE, RENEWS_MEANWHILE, Feeds
from handrail.demo_outside import poll
from handrail.demo_prefect import JobRun
from handrail.demo_stage import Stage
from handrail.demo_story import Story
from services.settings import ROOT

_SETTLED = 90.0
"""Seconds within which what is due has gone out: a busy machine sends in the next minute's run."""

_MOVING = {State.PLANNED, State.READY, State.CLAIMED, State.SENDING}

_ME = ("--by", "demo")


def data_in(stage: Stage, story: Story) -> Feeds:
    """Customers, what they bought, what they have that ends: three files, each through its gate."""
    feeds = data.write_feeds(stage.directory, datetime.now(UTC))
    files = {"customers": feeds.customers, "purchases": feeds.purchases, "entitlements": feeds.entitlements}
    taken = {name: stage.handrail("import", name, str(file)) for name, file in files.items()}
    for name, told in taken.items():
        story.expect(told["gate"]["verdict"] == "pass", f"the gate of {name} says {told['gate']}")
        story.expect(not told["quarantined"], f"in quarantine of {name}: {told['bad']}")
    story.facts |= {
        "imported": {name: {"rows": told["accepted"], "gate": told["gate"]["id"]} for name, told in taken.items()}
    }
    story.told = (
        f"{taken['customers']['accepted']} customers in four countries, {taken['purchases']['accepted']} real "
        f"purchases, {taken['entitlements']['accepted']} subscriptions, policies and supplies: each file passed a gate"
    )
    return feeds


def endings_found(stage: Stage, story: Story, feeds: Feeds) -> JobRun:
    """Every ending that is due becomes one task, one call, or a skip with its reason; judged by the outside."""
    policy = load_policy((ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8"), "policy.yaml")
    due = data.due(feeds, policy, datetime.now(UTC))
    began = datetime.now(UTC)
    run = stage.prefect.run("expiry-detection")
    story.expect(run.state in {"Completed", "NeedsPeople"}, f"the run ended as {run.state}: {run.message}")
    call = expiry_key(feeds.called, _occurrence(due, feeds.called), "call", 1)
    story.expect_effect(stage.outside.find("calls", call, _SETTLED), "call", AWAKE, began)
    stands = poll(lambda: _settled(stage), _SETTLED, every=1.0) or _standing(stage)
    about = {ref_and_day: _what(stands, *ref_and_day) for ref_and_day in due}
    missing = sorted(f"{ref} {day}" for (ref, day), what in about.items() if what is None)
    story.expect(not missing, f"due, and nothing was done or said about it: {', '.join(missing[:5])}")
    made = {
        key: times
        for (key, change), times in stage.outside.written().items()
        if key.startswith("expiry/") and change == "created"
    }
    twice = sorted(key for key, times in made.items() if times > 1)
    story.expect(not twice, f"more than once at the outside: {', '.join(twice)}")
    story.bulk += sorted((made.keys() | _calls_to_come(stands)) - {call})
    supplies = sum(key.startswith("expiry/supply") for key in stands)
    story.expect(supplies > 0, "no supply of anybody runs out")
    counts = Counter(what for what in about.values() if what)
    story.facts |= {
        "due_by_the_file": len(due),
        "became": dict(counts),
        "supplies_by_estimate": supplies,
        "at_the_outside": len(made),
        "run": run.as_json(),
    }
    words = ", ".join(f"{count} {_of_one(what) if count == 1 else what}" for what, count in counts.most_common())
    story.told = (
        f"{len(due)} endings due by the file itself, each of them accounted for: {words}; {supplies} supplies more, by "
        f"estimate. {len(made)} tasks and calls at the outside, none twice; one phone rings where it is noon"
    )
    return run


def renewed_meanwhile(stage: Stage, story: Story) -> None:
    """Planned, and renewed before it was sent: nobody is contacted."""
    now = datetime.now(UTC)
    told = data.renewing(now, renewed=False)
    key = expiry_key(str(told["ref"]), str(told["ends_on"]), "task")
    stage.handrail("stop", "--reason", "so that something comes between plan and send", *_ME)
    try:
        story.expect(stage.event("entitlement.created", told) == 202, "the event was not accepted")
        stage.prefect.run("expiry-detection")
        planned = _standing(stage).get(key)
        story.expect(planned is not None, "the ending was not planned")
        again = data.renewing(datetime.now(UTC), renewed=True)
        story.expect(stage.event("entitlement.renewed", again) == 202, "the renewal was not accepted")
    finally:
        stage.handrail("start", "--reason", "it was shown", *_ME)
    ended = poll(lambda: _if_over(_standing(stage).get(key)), _SETTLED, every=1.0)
    reached = [what for what in stage.outside.written() if what[0] == key]
    story.expect(
        ended is not None and ended["state"] in {"skipped", "cancelled"},
        f"it stands as {ended or _standing(stage).get(key)}",
    )
    story.expect(not reached, "somebody was told of an ending that is none any more")
    story.facts |= {
        "planned": planned and planned["state"],
        "ended": ended and ended["state"],
        "reason": ended and ended["reason"],
    }
    why = ended and ended["reason"]
    story.told = f"{RENEWS_MEANWHILE}'s subscription was planned, then renewed: {why}; nobody was contacted"


def half_missing(stage: Stage, story: Story, feeds: Feeds) -> None:
    """A file with half of its rows changes nothing, and says why."""
    file = data.half(feeds, datetime.now(UTC))
    before = len(_standing(stage))
    code, told = stage.told("import", "entitlements", str(file))
    gate = told.get("gate", {})
    wrong = [one for one in gate.get("findings", []) if not one["passed"] and one["severity"] == "critical"]
    story.expect(code == 1 and gate.get("verdict") == "halt", f"exit {code}, the gate says {gate.get('verdict')}")
    story.expect(told.get("accepted") == 0, f"{told.get('accepted')} rows were taken")
    again = stage.handrail("run", "expiry-detection", "--dry-run")
    story.expect(len(_standing(stage)) == before, "something was planned because of it")
    story.facts |= {
        "verdict": gate.get("verdict"),
        "why": [f"{one['asks']} {one['found']}; expected {one['expected']}" for one in wrong],
        "gate": gate.get("id"),
    }
    story.facts |= {"dry_run": again}
    story.told = f"Half of the rows were missing: halted, nothing changed. {'; '.join(story.facts['why'])}"


def broken_batch(stage: Stage, story: Story, feeds: Feeds) -> None:
    """One row in a hundred is broken: the others go on, one is corrected and replayed through a gate of its own."""
    file, expected = data.broken(feeds, datetime.now(UTC))
    told = stage.handrail("import", "purchases", str(file))
    story.expect(told["quarantined"] == expected, f"{told['quarantined']} rows in quarantine, not {expected}")
    waiting = [row for row in stage.handrail("quarantine") if row["origin"].startswith(file.name)]
    if not waiting:
        story.complain("none of its rows waits in quarantine")
        return
    wrong = str(waiting[0]["id"])
    fixed = stage.directory / "corrected-purchase.csv"
    fixed.write_text(data.corrected(stage.handrail("quarantine", "show", wrong)["current"]), encoding="utf-8")
    stage.handrail("quarantine", "repair", wrong, str(fixed), "--reason", "amounts in words by the export", *_ME)
    verdict = stage.handrail("quarantine", "replay", wrong, *_ME)["rows"][0]["verdict"]
    story.expect(verdict == "accepted", f"the replay was {verdict}")
    story.facts |= {"accepted": told["accepted"], "quarantined": told["quarantined"], "replayed": verdict}
    story.told = (
        f"{told['accepted']} rows taken, {told['quarantined']} broken ones wait with their reasons "
        f"({waiting[0]['problems'][0]['problem']}); one was corrected and replayed"
    )


def nobody_answers(stage: Stage, story: Story, feeds: Feeds) -> None:
    """The voicebot reached nobody: the next window is planned, not another call at once."""
    first = next(
        (key for key in _standing(stage) if key.startswith(f"expiry/{feeds.called}/") and key.endswith("/call/1")), None
    )
    if first is None:
        story.complain("there is no call that could have ended")
        return
    now = datetime.now(UTC)
    ended = {"call": first, "outcome": "no_answer", "ended_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    story.expect(stage.event("call.ended", ended) == 202, "the event was not accepted")
    second = poll(lambda: _standing(stage).get(f"{first[:-1]}2"), _SETTLED, every=1.0)
    story.expect(second is not None and second["state"] == State.READY, f"the next call stands as {second}")
    due_at = None if second is None else datetime.fromisoformat(second["due_at"])
    story.expect(due_at is not None and due_at > now, f"the next call is due at {due_at}")
    story.facts |= {"next_call_at": second and second["due_at"]}
    story.told = f"Nobody picked up: the next call waits for tomorrow's hours of theirs, {second and second['due_at']}"


def _occurrence(due: set[tuple[str, str]], ref: str) -> str:
    return next((day for found, day in due if found == ref), "")


def _standing(stage: Stage) -> dict[str, dict[str, Any]]:
    """The actions about endings, by key."""
    return {
        row["key"]: row for row in stage.handrail("actions", "--limit", "100000") if row["key"].startswith("expiry/")
    }


def _settled(stage: Stage) -> dict[str, dict[str, Any]] | None:
    """The same once no task is on its way any more."""
    stands = _standing(stage)
    return None if any(row["kind"] == "task" and row["state"] in _MOVING for row in stands.values()) else stands


def _calls_to_come(stands: dict[str, dict[str, Any]]) -> set[str]:
    """The keys of calls that are not made yet: their hour may come while later scenes play."""
    return {key for key, row in stands.items() if row["kind"] == "call" and row["state"] in _MOVING}


def _what(stands: dict[str, dict[str, Any]], ref: str, day: str) -> str | None:
    """What became of one ending, in a word or two."""
    for what in (("task",), ("call", 1)):
        row = stands.get(expiry_key(ref, day, *what))
        if row is not None:
            word = str(what[0])
            return {"done": f"{word}s done", "skipped": "skipped", "ready": f"{word}s waiting for their hour"}.get(
                row["state"], f"{word}s {row['state']}"
            )
    return None


def _of_one(what: str) -> str:
    """`tasks done`, said of one."""
    things, _, became = what.partition(" ")
    return f"{things.removesuffix('s')} {became}" if became else what


def _if_over(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return row if row is not None and row["state"] in {"skipped", "cancelled", "done"} else None
