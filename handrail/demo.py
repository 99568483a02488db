"""The demo: ten scenes played on a real stack, and judged by what the sandbox received and has on record."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from handrail import demo_answers as answers
from handrail import demo_operations as operations
from handrail.demo_prefect import JobRun
from handrail.demo_stage import Stage, staged
from handrail.demo_story import Story
from handrail.demo_telling import as_document, tell, tell_scene, tell_where_to_look
from handrail.failures import CommandFailed
from handrail.speech import say_json, warn

_NO_RUN = JobRun("survey-escalation", "", "", "Unknown", "no run was seen to its end")


@dataclass
class Play:
    """What later scenes need of earlier ones."""

    stage: Stage
    stories: list[Story] = field(default_factory=list)
    survey: JobRun = _NO_RUN
    """The run of the first scene, as it last ended."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens. It raises nothing: what is amiss stands in its story."""

    name: str
    title: str
    act: Callable[[Play, Story], None]

    def play(self, play: Play) -> None:
        """Let it happen, and tell it."""
        warn(f"… {self.title}")
        story = Story(self.name, self.title)
        play.stories.append(story)
        try:
            self.act(play, story)
        except (CommandFailed, httpx.HTTPError) as problem:
            story.complain(str(problem) or type(problem).__name__)
        tell_scene(len(play.stories), story)


def _alone(act: Callable[[Stage, Story], None]) -> Callable[[Play, Story], None]:
    """A scene that needs nothing of others."""
    return lambda play, story: act(play.stage, story)


def _angry_at_night(play: Play, story: Story) -> None:
    play.survey = answers.angry_at_night(play.stage, story)


def _same_again(play: Play, story: Story) -> None:
    delivered = play.stories[0].deliveries
    if not delivered:
        raise CommandFailed("the first scene delivered nothing that could come again")
    answers.same_again(play.stage, story, delivered[0])


def _retry_pressed(play: Play, story: Story) -> None:
    play.survey = operations.retry_pressed(play.stage, story, play.survey)


SCENES = (
    Scene("angry_at_night", "An angry answer at 22:40", _angry_at_night),
    Scene("same_again", "The same again", _same_again),
    Scene("forged", "A forgery", _alone(answers.forged)),
    Scene("lost_answer", "The ticket desk's answer is lost", _alone(answers.lost_answer)),
    Scene("broken_rows", "A file with broken rows", _alone(operations.broken_rows)),
    Scene("hardship", "A fair score, but words of hardship", _alone(answers.hardship)),
    Scene("second_bad_answer", "A second bad answer joins the case", _alone(answers.second_bad_answer)),
    Scene("prefect_killed", "Prefect is killed while answers arrive", _alone(operations.prefect_killed)),
    Scene("retry_pressed", "Retry is pressed on a finished run", _retry_pressed),
    Scene("emergency_stop", "Emergency stop, and start", _alone(operations.emergency_stop)),
)


def run_demo(directory: Path, base: int, *, once: bool) -> bool:
    """Play every scene and tell what happened; True when all of it did. Without `once` it stays up until Ctrl-C."""
    with staged(directory, base) as stage:
        play = Play(stage)
        for scene in SCENES:
            scene.play(play)
        warn("… how the integrations are")
        health = stage.prefect.run("integration-health")
        surprises = stage.outside.surprises([key for story in play.stories for key in story.keys])
        document = as_document(play.stories, surprises, play.survey, health)
        tell(stage, surprises, play.survey, health)
        if not once:
            tell_where_to_look(stage)
            with suppress(KeyboardInterrupt):
                stage.wait_until_stopped()
    if once:
        say_json(document)
    return bool(document["ok"])
