"""What can be stopped, and whom a stop holds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.actions import acknowledgement_key, message_acknowledgement_key, page_key, recovery_survey_key, ticket_key
from domain.controls import EVERYTHING, JOBS, Part, Scope, Stop, held_by, holding, job_of, part_of, read_stops
from domain.entitlements import expiry_key
from domain.erasure import erasure_key
from domain.journeys import journey_key

NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)
NAMED = {"mail": "mail via sendgrid", "crm": "crm via hubspot"}
FLOWS = Path(__file__).parents[3] / "flows"


@pytest.mark.parametrize(
    ("key", "job"),
    [
        (acknowledgement_key("standard", "r-1"), "survey-escalation"),
        (message_acknowledgement_key("standard", "m-1"), "survey-escalation"),
        (ticket_key("C-1", 1), "survey-escalation"),
        (page_key("C-1", 1, "nobody"), "survey-escalation"),
        (recovery_survey_key("C-1", 1, 1), "survey-escalation"),
        (expiry_key("E-1", "2026-04-01", "task"), "expiry-detection"),
        (journey_key("onboarding", "C-1", 1, "welcome"), "onboarding-drip"),
        ("review/7/alert/50/Ewa Lis", "action-review"),
        (erasure_key("C-1", "crm via hubspot"), None),
        ("customer/C-1/call-me/2026-03-04", None),
        ("survey", "survey-escalation"),
        ("surveys/standard/r-1", None),
    ],
)
def test_an_action_belongs_to_the_job_its_key_begins_with(key: str, job: str | None) -> None:
    assert job_of(key) == job


def test_every_job_is_a_flow() -> None:
    flows = {path.stem.replace("_", "-") for path in FLOWS.glob("*.py")}
    assert {job for job in JOBS.values() if job != "action-review"} <= flows


@pytest.mark.parametrize(
    ("part", "holds"),
    [
        (EVERYTHING, True),
        (Part(Scope.JOB, "expiry-detection"), True),
        (Part(Scope.JOB, "onboarding-drip"), False),
        (Part(Scope.KIND, "call"), True),
        (Part(Scope.KIND, "task"), False),
        (Part(Scope.INTEGRATION, "voice via vonage"), True),
        (Part(Scope.INTEGRATION, "mail via sendgrid"), False),
    ],
)
def test_a_stop_holds_what_is_of_its_part(part: Part, holds: bool) -> None:
    stop = Stop(part, "wrong dates", "Ewa Lis", NOW)
    assert (holding([stop], "expiry/E-1/2026-04-01/call", "call", "voice via vonage") is stop) is holds


def test_what_it_holds_says_why() -> None:
    stop = Stop(Part(Scope.JOB, "expiry-detection"), "wrong dates", "Ewa Lis", NOW)
    assert stop.why_held == "stopped: job expiry-detection (Ewa Lis: wrong dates)"
    assert stop.why_held.startswith(held_by(stop.part))


def test_stops_are_kept_as_they_were() -> None:
    stops = (
        Stop(Part(Scope.JOB, "expiry-detection"), "wrong dates", "Ewa Lis", NOW),
        Stop(Part(Scope.KIND, "call"), "the voice is off", "Jan Nowak", NOW),
    )
    assert read_stops([stop.as_json() for stop in stops]) == stops


@pytest.mark.parametrize(
    ("scope", "name", "part"),
    [
        (Scope.ALL, " ", EVERYTHING),
        (Scope.JOB, "onboarding-drip", Part(Scope.JOB, "onboarding-drip")),
        (Scope.KIND, " task_note ", Part(Scope.KIND, "task_note")),
        (Scope.INTEGRATION, "mail", Part(Scope.INTEGRATION, "mail via sendgrid")),
        (Scope.INTEGRATION, "mail via sendgrid", Part(Scope.INTEGRATION, "mail via sendgrid")),
    ],
)
def test_a_part_is_named_as_people_say_it(scope: Scope, name: str, part: Part) -> None:
    assert part_of(scope, name, NAMED) == part


@pytest.mark.parametrize(
    ("scope", "name", "says"),
    [
        (Scope.ALL, "call", "everything has no name"),
        (Scope.JOB, "expiry-detektion", 'did you mean "expiry-detection"'),
        (Scope.JOB, "", "there is action-review, expiry-detection, onboarding-drip or survey-escalation"),
        (Scope.KIND, "calls", 'did you mean "call"'),
        (Scope.INTEGRATION, "mial", 'did you mean "mail"'),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(scope: Scope, name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        part_of(scope, name, NAMED)
