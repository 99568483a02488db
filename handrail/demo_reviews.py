"""The scenes of reviews: many wait for a yes, one is left out, Prefect's form, facts that change, nobody decides."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pyotp

from handrail import demo_reviews_data as data
from handrail.demo_onboarding_data import Newcomer
from handrail.demo_outside import poll
from handrail.demo_prefect import JobRun
from handrail.demo_reviews_data import (
    CROWD,
    IN_PREFECT,
    LEFT_OUT,
    MOVED,
    VALUED,
    WAITED_FOR,
)
from handrail.demo_stage import Stage
from handrail.demo_story import Story
from handrail.failures import CommandFailed

_SETTLED = 120.0
"""Seconds within which what was decided has gone out, in stages."""

_ASKED = 90.0
"""Seconds within which an open review stands in Prefect."""

_QUIET = 3.0
"""Seconds that the mailbox is watched while nothing may come."""

_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
_JOB, _PLANS_ANEW, _SENDS = "onboarding-drip", "recovery-sweep", "dispatch-actions"
_AS_INTENDED, _TEAM = "as intended", "checked with the team"


class Reviewer:
    """Somebody on call: a phone that makes codes, and a browser on it."""

    def __init__(self, stage: Stage, name: str) -> None:
        made = stage.handrail("reviewers", "add", name, "--role", "on_call", "--role", "lead", "--show-secret")
        self.name = name
        self._codes = pyotp.TOTP(made["secret"])
        self._browser = httpx.Client(
            base_url=stage.gateway,
            headers={"user-agent": _PHONE, "sec-fetch-site": "same-origin"},
            trust_env=False,
            follow_redirects=True,
            timeout=15.0,
        )

    def code(self) -> str:
        """What the phone shows now."""
        return self._codes.now()

    def sign_in(self) -> None:
        """By a one-time code. Raises CommandFailed."""
        shown = self._read("/sign-in?to=/reviews")
        self._send("/sign-in", shown, name=self.name, code=self.code(), to="/reviews")

    def read(self, review: int) -> str:
        """The page of a review. Raises CommandFailed."""
        return self._read(f"/reviews/{review}")

    def leave_out(self, review: int, key: str) -> None:
        """Tick one, and press *Leave them out*."""
        self._send(f"/reviews/{review}/exclude", self.read(review), key=key)

    def decide(self, review: int, decision: str, reason: str) -> None:
        """Choose a reason, and press a button."""
        self._send(f"/reviews/{review}/decide", self.read(review), decision=decision, reason=reason)

    def _read(self, path: str) -> str:
        return _page(self._browser.get(path))

    def _send(self, path: str, shown: str, **said: str) -> str:
        hidden = {name: value for name in ("token", "seen") if (value := _hidden(shown, name)) is not None}
        return _page(self._browser.post(path, data={**hidden, **said}))


def valued(stage: Stage, story: Story) -> int:
    """A customer of the highest tier: a person says yes before a machine writes. Nobody will; the review's number."""
    taken = stage.handrail("import", "customers", str(data.write_valued(stage.directory)))
    story.expect(taken["accepted"] == len(VALUED), f"the import says {taken}")
    _tell_activated(stage, story, [WAITED_FOR])
    run = stage.prefect.run(_JOB)
    review = _asked_about(stage, 1)
    story.expect([rule["rule"] for rule in review["rules"]] == ["vip"], f"it waits by {review['rules']}")
    explained = stage.handrail("policy", "explain", WAITED_FOR.key("welcome"))
    story.facts |= {
        "review": review["review"],
        "deadline": review["deadline"],
        "run": run.as_json(),
        "explained": explained,
    }
    story.told = (
        "A customer of the highest tier is activated: by the demo's policy a person says yes before a machine writes, "
        f"in review {review['review']}, within {data.DEADLINE_MINUTES} minutes. The run says {run.state}"
    )
    return int(review["review"])


def crowd(stage: Stage, story: Story) -> tuple[JobRun, int]:
    """More newcomers at once than policy lets go by itself: all wait in one review, and nobody is written to."""
    _tell_activated(stage, story, CROWD)
    run = stage.prefect.run(_JOB)
    review = _asked_about(stage, len(CROWD))
    waiting = stage.prefect.suspended(review["review"], _ASKED)
    story.expect(waiting is not None, f"review {review['review']} is not asked in Prefect")
    sent = poll(lambda: next((one.ref for one in CROWD if _welcome(stage, one, 0)), None), _QUIET)
    story.expect(sent is None, f"{sent} has a welcome although nobody said yes")
    story.expect(review["risk"] == "medium", f"its risk is {review['risk']}")
    story.facts |= {
        "review": review["review"],
        "waiting_in_prefect": waiting,
        "run": run.as_json(),
        "rules": review["rules"],
    }
    story.told = (
        f"{len(CROWD)} customers are activated at once, and policy calls more than {data.CAP} many: their welcomes "
        f"wait in review {review['review']}, the run says {run.state}, and a suspended run asks people on call:\n"
        f"   {waiting}"
    )
    return run, review["review"]


def one_left_out(stage: Stage, story: Story, review: int, who: Reviewer) -> None:
    """On a phone: one customer is left out, the others are approved, and go out a few at first."""
    who.sign_in()
    page = who.read(review)
    story.expect('name="viewport"' in page, "the page is not made for a phone")
    began = datetime.now(UTC)
    who.leave_out(review, LEFT_OUT.key("welcome"))
    who.decide(review, "approve", _AS_INTENDED)
    others = [one for one in CROWD if one is not LEFT_OUT]
    missing = _sent_out(stage, others)
    story.expect_effect(_welcome(stage, others[0], 0), "message", others[0].ref, began)
    story.expect(not missing, f"no welcome for {', '.join(missing)}")
    story.bulk += [one.key("welcome") for one in others[1:]]
    story.expect(_welcome(stage, LEFT_OUT, 0) is None, f"{LEFT_OUT.ref} was left out, and has a welcome")
    ended = stage.prefect.ended_review(review, _ASKED)
    story.expect(ended is not None and who.name in ended, f"the suspended run says {ended!r}")
    told = stage.handrail("reviews", "show", str(review))
    story.expect((told["state"], told["decided_by"]) == ("approved", who.name), f"it is {told['state']}")
    story.facts |= {"arrived": len(others) - len(missing), "released": told["released"], "run_says": ended}
    story.told = (
        f"{who.name} signs in on a phone with a one-time code, leaves out one customer who has just complained, and "
        f"approves: {len(CROWD) - 1} welcomes arrive, 3 of them first; the suspended run ended: {ended}"
    )


def decided_in_prefect(stage: Stage, story: Story, who: Reviewer) -> None:
    """The same kind of question, answered in the form of the suspended run."""
    _tell_activated(stage, story, [IN_PREFECT])
    stage.prefect.run(_JOB)
    number = _asked_about(stage, 1, of=IN_PREFECT)["review"]
    waiting = stage.prefect.suspended(number, _ASKED)
    if waiting is None:
        raise CommandFailed(f"review {number} is not asked in Prefect")
    bare = stage.prefect.resume(number, {})
    story.expect(bare == "REJECT", f"Prefect answered {bare} to an empty form")
    began = datetime.now(UTC)
    said = {"decision": "approve", "reviewer": who.name, "code": who.code(), "reason": _AS_INTENDED}
    resumed = stage.prefect.resume(number, said)
    story.expect(resumed == "ACCEPT", f"Prefect answered {resumed} to the form")
    _sent_out(stage, [IN_PREFECT])
    story.expect_effect(_welcome(stage, IN_PREFECT, 0), "message", IN_PREFECT.ref, began)
    ended = stage.prefect.ended_review(number, _ASKED)
    story.expect(ended is not None and who.name in ended, f"the run says {ended!r}")
    story.facts |= {"review": number, "run_says": ended}
    story.told = (
        f"{who.name} decides in Prefect's own form, with a code from the phone: an empty form is refused, the filled "
        f"one counts. The run ended: {ended}"
    )


def gone_stale(stage: Stage, story: Story, who: Reviewer) -> None:
    """The customer's address changes while people still think: it is planned anew, and asked anew."""
    _tell_activated(stage, story, [MOVED])
    stage.prefect.run(_JOB)
    first = _asked_about(stage, 1, of=MOVED)["review"]
    address = "jan.benes@nova-adresa.example.com"
    stage.handrail("import", "customers", str(data.write_valued(stage.directory, moved_to=address)))
    stage.prefect.run(_PLANS_ANEW)
    second = poll(lambda: _another(stage, first), _SETTLED, every=1.0)
    if second is None:
        raise CommandFailed(f"the address changed, and nobody was asked anew about {MOVED.ref}")
    began = datetime.now(UTC)
    who.decide(second, "approve", _TEAM)
    _sent_out(stage, [MOVED])
    mail = _welcome(stage, MOVED, 0)
    story.expect_effect(mail, "message", MOVED.ref, began)
    to = mail and mail.item.get("to")
    story.expect(to == address, f"it went to {to}")
    old = stage.handrail("reviews", "show", str(first))["state"]
    story.expect(old == "superseded", f"the first review is {old}")
    story.facts |= {"asked": [first, second], "first": old}
    story.told = (
        f"The address of a customer changes while review {first} waits: nothing is left of it, the welcome is planned "
        f"anew and asked in review {second}; approved, it goes to the new address"
    )


def nobody_decides(stage: Stage, story: Story, number: int) -> None:
    """Nobody has said anything in time: nothing is sent, and people on call are told."""

    def over() -> dict[str, Any] | None:
        shown: dict[str, Any] = stage.handrail("reviews", "show", str(number))
        return shown if shown["state"] == "expired" else None

    deadline = datetime.fromisoformat(stage.handrail("reviews", "show", str(number))["deadline"])
    time.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))
    expired = poll(over, _SETTLED, every=1.0)
    story.expect(expired is not None, f"review {number} is not over")
    key = WAITED_FOR.key("welcome")
    path = poll(lambda: _if_last(stage, key, "expired"), _SETTLED, every=1.0)
    story.expect(path is not None, f"the welcome of {WAITED_FOR.ref} still stands otherwise")
    story.expect(_welcome(stage, WAITED_FOR, _QUIET) is None, f"{WAITED_FOR.ref} has a welcome that nobody approved")
    ended = stage.prefect.ended_review(number, _ASKED)
    story.expect(ended is not None, "its suspended run still waits")
    alerts = poll(lambda: stage.outside.alerts(f"review/{number}/") or None, _SETTLED) or []
    story.expect(bool(alerts), "nobody on call was told")
    story.bulk += stage.outside.alerts("review/")
    story.facts |= {"review": number, "alerts": alerts, "moves": path, "run_says": ended}
    story.told = (
        f"About a customer of the highest tier nobody decides in the {data.DEADLINE_MINUTES} minutes of the demo's "
        f"policy: no mail, {len(alerts)} alerts to people on call, before and at the end; the suspended run "
        f"ended: {ended}"
    )


def _tell_activated(stage: Stage, story: Story, those: "list[Newcomer] | tuple[Newcomer, ...]") -> None:
    for one in those:
        now = datetime.now(UTC)
        at = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        told = {"customer": one.as_told(), "at": at, "product": "energy plan"}
        answered = stage.event("customer.activated", told)
        story.expect(answered == 202, f"the activation of {one.ref} was answered {answered}")


def _asked_about(stage: Stage, count: int, *, of: Newcomer | None = None) -> dict[str, Any]:
    """The open review of so many actions; `of` whose welcome is in it. Raises CommandFailed."""

    def found() -> dict[str, Any] | None:
        those = [one for one in stage.handrail("reviews") if one["state"] == "open" and one["count"] == count]
        if of is not None:
            in_it = _review_of(stage, of)
            those = [one for one in those if one["review"] == in_it]
        return those[0] if those else None

    review = poll(found, _ASKED, every=1.0)
    if review is None:
        raise CommandFailed(
            f"no open review of {count}: {[(one['state'], one['count']) for one in stage.handrail('reviews')]}"
        )
    return review


def _another(stage: Stage, first: int) -> int | None:
    """The open review in which the moved customer's welcome waits by now."""
    review = _review_of(stage, MOVED)
    is_open = review in {one["review"] for one in stage.handrail("reviews") if one["state"] == "open"}
    return review if is_open and review != first else None


def _review_of(stage: Stage, one: Newcomer) -> int | None:
    """The review that a welcome waits in, as its trace tells."""
    actions = stage.handrail("trace", one.key("welcome"))["actions"]
    reviews = [action["review"]["review"] for action in actions if action.get("review")]
    return reviews[0] if reviews else None


def _welcome(stage: Stage, one: Newcomer, seconds: float) -> Any:
    return stage.outside.find("mail", one.key("welcome"), seconds)


def _sent_out(stage: Stage, those: Sequence[Newcomer]) -> list[str]:
    """Quick run until each has a welcome, as nobody waits for the next minute's run; who has none after all."""

    def missing() -> list[str]:
        return [one.ref for one in those if _welcome(stage, one, 0) is None]

    def is_over() -> bool | None:
        stage.prefect.run(_SENDS)
        return True if not missing() else None

    poll(is_over, _SETTLED, every=1.0)
    return missing()


def _if_last(stage: Stage, key: str, state: str) -> list[str] | None:
    """The states an action went through, when it stands where it is waited for."""
    for action in stage.handrail("trace", key)["actions"]:
        path = [move["to"] for move in action["moves"]]
        if action["key"] == key and path[-1] == state:
            return path
    return None


def _hidden(page: str, name: str) -> str | None:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    return found and found[1]


def _page(answered: httpx.Response) -> str:
    if not answered.is_success:
        words = re.sub(r"<[^>]+>|\s+", " ", answered.text)
        raise CommandFailed(
            f"{answered.request.url.path} was answered {answered.status_code}: {' '.join(words.split())[:300]}"
        )
    return answered.text
