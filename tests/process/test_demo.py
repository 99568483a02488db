"""`handrail demo`: what newcomers see first works, and empties nothing but what a demo made."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_stack import HANDRAIL, free_base

SCENES = (
    *("angry_at_night", "same_again", "forged", "lost_answer", "broken_rows"),
    *("hardship", "second_bad_answer", "prefect_killed", "retry_pressed", "emergency_stop"),
)
ENDINGS = ("data_in", "endings_found", "renewed_meanwhile", "half_missing", "broken_batch", "nobody_answers")
ONBOARDING = (
    *("thirty_days", "activated", "second_device", "lesson_skipped"),
    *("unsubscribed", "replied", "goal_reached"),
)
REVIEWS = ("valued", "crowd", "one_left_out", "decided_in_prefect", "gone_stale", "nobody_decides")

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.CompletedProcess[str]]:
    """One demo from beginning to end; every test asks about another scene of it."""
    directory = tmp_path_factory.mktemp("stage") / "demo"
    command = (*HANDRAIL, "demo", "--once", "--data", str(directory), "--ports", str(free_base()))
    return subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)


@pytest.fixture
def document(told: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON line at the end."""
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


@pytest.fixture
def scenes(document: dict[str, Any]) -> dict[str, Any]:
    """What happened, scene by scene."""
    found: dict[str, Any] = document["survey"]["scenes"]
    return found


@pytest.fixture
def endings(document: dict[str, Any]) -> dict[str, Any]:
    """The same of the scenes about endings."""
    found: dict[str, Any] = document["expiry"]["scenes"]
    return found


@pytest.fixture
def onboarding(document: dict[str, Any]) -> dict[str, Any]:
    """The same of the scenes about onboarding."""
    found: dict[str, Any] = document["onboarding"]["scenes"]
    return found


@pytest.fixture
def asked(document: dict[str, Any]) -> dict[str, Any]:
    """The same of the scenes about reviews."""
    found: dict[str, Any] = document["review"]["scenes"]
    return found


def amiss(document: dict[str, Any]) -> list[str]:
    """What the demo says is not as it should be, in a line each."""
    jobs = [document[job]["scenes"] for job in ("survey", "expiry", "onboarding", "review")]
    problems = [f"{name}: {problem}" for job in jobs for name, scene in job.items() for problem in scene["problems"]]
    surprises = [f"nobody's story: {surprise}" for surprise in document["surprises"]]
    health = document["health"]
    return [*problems, *surprises, *([] if health["ok"] else [f"health: {health['state']}: {health['message']}"])]


def effects(scene: dict[str, Any]) -> list[str]:
    """What the outside received."""
    return [effect["what"] for effect in scene["effects"]]


@pytest.mark.prefect
@pytest.mark.timeout(1260)
class TestOnce:
    """`handrail demo --once`."""

    def test_all_of_it_happens_and_everybody_is_told(
        self,
        told: subprocess.CompletedProcess[str],
        document: dict[str, Any],
        scenes: dict[str, Any],
        endings: dict[str, Any],
        onboarding: dict[str, Any],
        asked: dict[str, Any],
    ) -> None:
        assert amiss(document) == []
        assert told.returncode == 0, told.stderr
        jobs = [document[job]["ok"] for job in ("survey", "expiry", "onboarding", "review", "health")]
        assert (document["ok"], jobs, document["surprises"]) == (True, [True] * 5, [])
        assert (tuple(scenes), tuple(endings), tuple(onboarding)) == (SCENES, ENDINGS, ONBOARDING)
        assert tuple(asked) == REVIEWS
        played = [*scenes.values(), *endings.values(), *onboarding.values(), *asked.values()]
        for number, scene in enumerate(played, start=1):
            assert scene["ok"]
            assert scene["problems"] == []
            assert f"{number}. {scene['title']}\n   {scene['told']}\n" in told.stdout

    def test_a_crowd_goes_out_but_for_the_one_who_was_left_out(self, asked: dict[str, Any]) -> None:
        assert effects(asked["crowd"]) == []
        assert effects(asked["one_left_out"]) == ["message"]
        assert asked["one_left_out"]["arrived"] == asked["one_left_out"]["released"] == 21
        assert "Ewa Lis" in asked["one_left_out"]["run_says"]

    def test_what_is_decided_in_prefect_or_asked_anew_goes_out_once(self, asked: dict[str, Any]) -> None:
        assert "Jan Nowak" in asked["decided_in_prefect"]["run_says"]
        assert effects(asked["decided_in_prefect"]) == effects(asked["gone_stale"]) == ["message"]
        first, second = asked["gone_stale"]["asked"]
        assert first != second
        assert asked["gone_stale"]["first"] == "superseded"

    def test_what_nobody_decides_is_not_done_and_people_are_told(self, asked: dict[str, Any]) -> None:
        scene = asked["nobody_decides"]
        assert effects(scene) == []
        assert scene["moves"] == ["awaiting_review", "expired"]
        assert any("/alert/100/" in key for key in scene["alerts"])

    def test_at_night_a_mail_goes_out_and_no_text_message(self, scenes: dict[str, Any]) -> None:
        scene = scenes["angry_at_night"]
        assert effects(scene) == ["ticket", "message"]
        assert "/#mail=" in scene["effects"][1]["link"]
        assert "21:30" < scene["their_time"] < "23:50"
        assert scene["run"]["state"] == "Completed"
        assert {path[-1] for path in scene["moves"].values()} == {"done"}

    def test_the_same_again_changes_nothing(self, scenes: dict[str, Any]) -> None:
        scene = scenes["same_again"]
        assert [answer["duplicate"] for answer in scene["answers"]] == [True, True]
        assert effects(scene) == []
        assert set(scene["on_record"].values()) == {1}

    def test_a_forgery_is_refused(self, scenes: dict[str, Any]) -> None:
        assert [answer["http"] for answer in scenes["forged"]["answers"]] == [401]
        assert effects(scenes["forged"]) == []

    def test_a_lost_answer_makes_one_ticket(self, scenes: dict[str, Any]) -> None:
        scene = scenes["lost_answer"]
        assert scene["vendor"] == ["reset_after"]
        assert "uncertain" in scene["moves"]
        assert scene["moves"][-1] == "done"
        assert scene["tickets_on_record"] == 1

    def test_of_broken_rows_one_is_repaired_and_two_wait(self, scenes: dict[str, Any]) -> None:
        scene = scenes["broken_rows"]
        assert (scene["accepted"], scene["quarantined"], scene["replayed"]) == (2, 3, "accepted")
        assert len(scene["left"]) == 2
        assert effects(scene) == ["ticket", "message"]

    def test_hardship_gets_a_person_and_no_more_machines(self, scenes: dict[str, Any]) -> None:
        scene = scenes["hardship"]
        assert scene["template"] == "acknowledgement-distress"
        assert scene["no_automatic_contact"]

    def test_a_second_bad_answer_joins_the_case(self, scenes: dict[str, Any]) -> None:
        scene = scenes["second_bad_answer"]
        assert effects(scene) == ["note", "message"]
        assert (scene["ticket"], scene["priority"]) == ("case/1006/1/ticket", "critical")

    def test_while_prefect_is_dead_everything_urgent_leaves(self, scenes: dict[str, Any]) -> None:
        assert effects(scenes["prefect_killed"]) == ["ticket", "message"] * 3

    def test_retry_sends_nothing_and_shows_what_came_meanwhile(self, scenes: dict[str, Any]) -> None:
        scene = scenes["retry_pressed"]
        assert scene["run"]["run"] == scenes["angry_at_night"]["run"]["run"]
        assert (scene["run"]["state"], scene["sent"]) == ("Completed", 0)
        assert scene["shown"] > len(scenes["angry_at_night"]["moves"])

    def test_what_waited_for_the_start_goes_out_after_it(self, scenes: dict[str, Any]) -> None:
        scene = scenes["emergency_stop"]
        assert [answer["http"] for answer in scene["answers"]] == [202]
        assert len(scene["while_stopped"]) == 2
        assert "done" not in scene["while_stopped"].values()
        assert effects(scene) == ["ticket", "message"]
        assert all(effect["after_ms"] >= 0 for effect in scene["effects"])

    def test_every_ending_that_is_due_is_accounted_for_once(self, endings: dict[str, Any]) -> None:
        assert set(endings["data_in"]["imported"]) == {"customers", "purchases", "entitlements"}
        found = endings["endings_found"]
        assert sum(found["became"].values()) == found["due_by_the_file"] > 50
        assert found["supplies_by_estimate"] > 0
        assert effects(found) == ["call"]

    def test_who_renewed_meanwhile_is_not_contacted(self, endings: dict[str, Any]) -> None:
        scene = endings["renewed_meanwhile"]
        assert (scene["planned"], scene["ended"]) == ("ready", "skipped")
        assert scene["reason"].startswith("renewed until ")

    def test_half_a_batch_is_halted_and_broken_rows_wait(self, endings: dict[str, Any]) -> None:
        assert endings["half_missing"]["verdict"] == "halt"
        assert len(endings["half_missing"]["why"]) == 1
        batch = endings["broken_batch"]
        assert (batch["quarantined"], batch["replayed"]) == (12, "accepted")
        assert endings["nobody_answers"]["next_call_at"]

    def test_a_month_goes_by_in_a_minute_and_contacts_nobody(self, onboarding: dict[str, Any]) -> None:
        month = onboarding["thirty_days"]
        assert month["seconds"] < 60
        assert month["totals"]["customers"] == 300
        assert month["totals"]["messages"] > 900
        assert {"finished", "goal", "left"} <= set(month["totals"]["standing"])
        assert effects(month) == []

    def test_newcomers_are_welcomed_once_and_left_alone_when_they_ask(self, onboarding: dict[str, Any]) -> None:
        assert effects(onboarding["activated"]) == ["message"] * 5
        assert onboarding["second_device"]["welcomes_on_record"] == 1
        lessons = [
            onboarding[scene]["tomorrow_at_ten"]["sent"] for scene in ("lesson_skipped", "unsubscribed", "replied")
        ]
        assert lessons == [4, 3, 2]
        assert onboarding["lesson_skipped"]["tomorrow_at_ten"]["why"].startswith("not needed any more")
        assert effects(onboarding["goal_reached"]) == ["message"]
        assert onboarding["goal_reached"]["stand"] == {"active": 2, "finished": 0, "goal": 1, "left": 2}


def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("everything", encoding="utf-8")

    refused = subprocess.run(
        (*HANDRAIL, "demo", "--once", "--data", str(tmp_path)), capture_output=True, text=True, timeout=60, check=False
    )

    assert refused.returncode == 1
    assert "no demo made it" in refused.stderr
    assert json.loads(refused.stdout)["ok"] is False
    assert precious.read_text(encoding="utf-8") == "everything"
