"""Each survey tool's payloads as ours: which question is the score, whose words they are, what a person is told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_contracts.problems import ContractBroken
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from integrations.ports import Noted
from integrations.registry import discover

RECORDED = Path(__file__).parents[2] / "contract" / "recorded" / "survey_intake"


def intake(vendor: str, **settings: Any) -> Any:
    integration = discover()[Capability.SURVEY_INTAKE][vendor]
    given = json.loads((RECORDED / f"{vendor}.json").read_text(encoding="utf-8"))["settings"]
    return integration.connect(integration.config.model_validate({**given, **settings}))


def body(vendor: str) -> Any:
    seen = json.loads((RECORDED / f"{vendor}.json").read_text(encoding="utf-8"))
    if vendor == "surveymonkey":
        return {"event_type": "response_completed", "response": seen["archive"]["fetched"][0], "label": "2"}
    return json.loads(seen["body"])


def read(made: Any, event: Any) -> SurveyAnswered:
    said = made.read(json.dumps(event).encode())
    assert isinstance(said, SurveyAnswered)
    return said


def problem(made: Any, event: Any) -> tuple[str, str, str]:
    with pytest.raises(ContractBroken) as broken:
        made.read(json.dumps(event).encode())
    [found] = broken.value.problems
    return found.path, found.problem, found.fix


# -- on whose scale -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "score"), [("nps", 10), ("csat", 5), ("ces", 7)])
def test_typeform_scales_are_what_the_source_says(kind: str, score: int) -> None:
    event = body("typeform")
    event["form_response"]["answers"][0]["number"] = score
    answer = read(intake("typeform", kind=kind), event)
    assert (answer.kind, answer.score) == (kind, score)
    event["form_response"]["answers"][0]["number"] = score + 1
    path, words, fix = problem(intake("typeform", kind=kind), event)
    assert path == "form_response.answers"
    assert "not on the scale" in words
    assert "`scores` of this source" in fix


@pytest.mark.parametrize(("survey", "score"), [("nps", 0), ("csat", 1), ("ces", 7)])
def test_delighted_says_which_survey_it_was(survey: str, score: int) -> None:
    event = body("delighted")
    event["event_data"] |= {"survey_type": survey, "score": score}
    answer = read(intake("delighted"), event)
    assert (answer.kind, answer.score) == (survey, score)


def test_a_survey_type_without_a_scale_of_ours_is_noted_not_guessed() -> None:
    event = body("delighted")
    event["event_data"]["survey_type"] = "smileys"
    noted = intake("delighted").read(json.dumps(event).encode())
    assert isinstance(noted, Noted)
    assert "smileys" in noted.why


def test_another_scale_is_put_on_ours_as_the_source_says() -> None:
    five_to_seven = {"1": 1, "2": 2, "3": 4, "4": 6, "5": 7}
    event = body("delighted")
    event["event_data"] |= {"survey_type": "ces", "score": 4}
    assert read(intake("delighted", scores=five_to_seven), event).score == 6


def test_typeform_choices_count_as_the_source_says() -> None:
    event = body("typeform")
    event["form_response"]["answers"][0] = {
        "type": "choice",
        "choice": {"label": "Spíš ne"},
        "field": {"id": "q", "type": "multiple_choice", "ref": "happy"},
    }
    made = intake("typeform", kind="csat", score="happy", scores={"Spíš ne": 2})
    assert read(made, event).score == 2
    assert problem(intake("typeform", kind="csat", score="happy"), event)[0] == "form_response.answers"


@pytest.mark.parametrize(
    ("label", "score"), [("2", 2), ("Not at all likely - 0", 0), ("10 - Na pewno", 10), ("Nie", None), ("2 z 10", None)]
)
def test_surveymonkey_choices_count_as_the_one_number_in_their_label(label: str, score: int | None) -> None:
    event = {**body("surveymonkey"), "label": label}
    if score is None:
        path, words, fix = problem(intake("surveymonkey", token="t"), event)
        assert (path, "3057839053" in words, "`scores`" in fix) == ("question 319352786", True, True)
    else:
        assert read(intake("surveymonkey", token="t"), event).score == score


def test_surveymonkey_choices_count_as_the_source_says() -> None:
    event = {**body("surveymonkey"), "label": None}
    assert read(intake("surveymonkey", token="t", kind="csat", scores={"3057839053": 1}), event).score == 1


def test_a_surveymonkey_slider_is_its_number() -> None:
    event = body("surveymonkey")
    event["response"]["pages"][0]["questions"][0]["answers"] = [{"text": "7"}]
    answer = read(intake("surveymonkey", token="t"), event)
    assert (answer.score, answer.comment) == (7, "Čekala jsem tři týdny.")


# -- which question, whose words ----------------------------------------------------------------------------------


def test_of_several_scales_the_source_must_name_one() -> None:
    event = body("typeform")
    second = {"type": "number", "number": 5, "field": {"id": "q9", "type": "rating", "ref": "stars"}}
    event["form_response"]["answers"].append(second)
    _, words, fix = problem(intake("typeform"), event)
    assert "recommend, stars" in words
    assert "`score` of this source" in fix
    assert read(intake("typeform", score="recommend"), event).score == 2
    assert read(intake("typeform", score="q9"), event).score == 5


def test_a_question_that_was_not_answered_is_named() -> None:
    assert "no answer to the question gone" in problem(intake("typeform", score="gone"), body("typeform"))[1]
    event = body("surveymonkey")
    event["response"]["pages"] = []
    assert problem(intake("surveymonkey", token="t"), event)[:2] == ("question 319352786", "has no answer")


def test_everything_they_wrote_is_kept_unless_the_source_names_one_question() -> None:
    event = body("typeform")
    more = {
        "type": "text",
        "text": "A telefon nikdo nebere.",
        "field": {"id": "q9", "type": "long_text", "ref": "else"},
    }
    event["form_response"]["answers"].append(more)
    assert read(intake("typeform"), event).comment == "Čekala jsem tři týdny.\n\nA telefon nikdo nebere."
    assert read(intake("typeform", comment="else"), event).comment == "A telefon nikdo nebere."

    event = body("delighted")
    further = [{"id": "4", "value": {"free_response": "A telefon."}}, {"id": "5", "value": {"scale": 3}}]
    event["event_data"]["additional_answers"] = further
    assert read(intake("delighted"), event).comment == "Čekala jsem tři týdny.\n\nA telefon."

    event = body("surveymonkey")
    event["response"]["pages"][0]["questions"][0]["answers"].append({"other_id": "9", "text": "Bo nikt nie oddzwania."})
    wanted = "Bo nikt nie oddzwania.\n\nČekala jsem tři týdny."
    assert read(intake("surveymonkey", token="t"), event).comment == wanted
    assert read(intake("surveymonkey", token="t", comment="319352787"), event).comment == "Čekala jsem tři týdny."


def test_no_words_are_no_words() -> None:
    event = body("delighted")
    event["event_data"]["comment"] = None
    assert read(intake("delighted"), event).comment is None


# -- who, and when ------------------------------------------------------------------------------------------------


def test_names_of_fields_are_the_sources_own() -> None:
    event = body("typeform")
    event["form_response"]["hidden"] = {"uid": "C-7", "phone": "+48601234567"}
    answer = read(intake("typeform", customer_ref="uid", customer_phone="phone"), event)
    assert (answer.customer.ref, answer.customer.phone) == ("C-7", "+48601234567")


@pytest.mark.parametrize("vendor", ["typeform", "delighted", "surveymonkey"])
def test_an_answer_without_the_customers_ref_says_how_to_send_it(vendor: str) -> None:
    event = body(vendor)
    kept = {
        "typeform": lambda: event["form_response"]["hidden"],
        "delighted": lambda: event["event_data"]["person_properties"],
        "surveymonkey": lambda: event["response"]["custom_variables"],
    }[vendor]()
    del kept["customer_ref"]
    settings = {"token": "t"} if vendor == "surveymonkey" else {}
    path, words, fix = problem(intake(vendor, **settings), event)
    assert path.endswith(".customer_ref")
    assert (words, "customer_ref" in fix) == ("is missing", True)


def test_delighted_knows_the_person_and_properties_win() -> None:
    event = body("delighted")
    event["event_data"]["person"] |= {"phone_number": "+420601123456"}
    event["event_data"]["person_properties"] |= {"customer_email": "work@example.com"}
    customer = read(intake("delighted"), event).customer
    assert (customer.name, customer.email, customer.phone) == ("Jana", "work@example.com", "+420601123456")


def test_times_are_instants() -> None:
    assert read(intake("delighted"), body("delighted")).answered_at == datetime(2026, 3, 1, 9, 29, 55, tzinfo=UTC)
    assert read(intake("typeform"), body("typeform")).answered_at == datetime(2026, 3, 1, 9, 29, 55, tzinfo=UTC)
    event = body("delighted")
    for odd in (-1, 2**40, "soon", True):
        event["event_data"]["created_at"] = odd
        assert problem(intake("delighted"), event)[0] == "event_data.created_at"


def test_an_answer_that_is_not_finished_is_noted() -> None:
    event = body("surveymonkey")
    event["response"]["response_status"] = "partial"
    noted = intake("surveymonkey", token="t").read(json.dumps(event).encode())
    assert isinstance(noted, Noted)


def test_ids_that_would_leave_the_path_are_refused() -> None:
    event = json.loads(json.loads((RECORDED / "surveymonkey.json").read_text(encoding="utf-8"))["body"])
    for odd in ("../../users/me", "1/2", "", "1?x", "٣"):
        event["object_id"] = odd
        assert problem(intake("surveymonkey", token="t"), event)[0] == "object_id"
    with pytest.raises(ValidationError):
        intake("typeform", forms=["../me"])


@pytest.mark.parametrize("vendor", ["typeform", "delighted", "surveymonkey"])
def test_secrets_are_one_or_two_and_not_to_be_guessed(vendor: str) -> None:
    settings = {"token": "t"} if vendor == "surveymonkey" else {}
    for odd in ([], ["long-enough-1"] * 3, ["short"]):
        with pytest.raises(ValidationError):
            intake(vendor, secrets=odd, **settings)
