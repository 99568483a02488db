"""The demo: scenes played on a real stack, and judged by what the sandbox received and has on record."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from handrail import demo_answers as answers
from handrail import demo_endings as endings
from handrail import demo_onboarding as onboarding
from handrail import demo_operations as operations
from handrail import demo_reviews as reviews
from handrail.demo_endings_data import Feeds
from handrail.demo_prefect import JobRun
from handrail.demo_reviews_data import PAGE_REVIEWER, PREFECT_REVIEWER
from handrail.demo_stage import Stage, staged
from handrail.demo_story import Story
from handrail.demo_telling import as_document, tell, tell_scene, tell_where_to_look
from handrail.failures import CommandFailed
from handrail.speech import say_json, warn

_NO_RUN = {
    job: JobRun(name, "", "", "Unknown", "no run was seen to its end")
    for job, name in (
        ("survey", "survey-escalation"),
        ("expiry", "expiry-detection"),
        ("onboarding", "onboarding-drip"),
        ("review", "onboarding-drip"),
    )
}


@dataclass
class Play:
    """What later scenes need of earlier ones."""

    stage: Stage
    stories: dict[str, list[Story]] = field(default_factory=dict)
    """By job."""

    runs: dict[str, JobRun] = field(default_factory=lambda: dict(_NO_RUN))
    """By job: the run that tells of its scenes, as it last ended."""

    feeds: Feeds | None = None
    """The files of the scenes of endings."""

    asked: dict[str, int] = field(default_factory=dict)
    """Scene → the review it has opened."""

    on_call: dict[str, reviews.Reviewer] = field(default_factory=dict)
    """Those who decide, by name."""

    def reviewer(self, name: str) -> reviews.Reviewer:
        """Somebody who may decide; added when they are first needed, as from then on pages ask who is there."""
        if name not in self.on_call:
            self.on_call[name] = reviews.Reviewer(self.stage, name)
        return self.on_call[name]


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens. It raises nothing: what is amiss stands in its story."""

    job: str
    name: str
    title: str
    act: Callable[[Play, Story], None]

    def play(self, play: Play) -> None:
        """Let it happen, and tell it."""
        warn(f"… {self.title}")
        story = Story(self.name, self.title)
        play.stories.setdefault(self.job, []).append(story)
        try:
            self.act(play, story)
        except (CommandFailed, httpx.HTTPError) as problem:
            story.complain(str(problem) or type(problem).__name__)
        tell_scene(sum(map(len, play.stories.values())), story)


def _alone(act: Callable[[Stage, Story], None]) -> Callable[[Play, Story], None]:
    """A scene that needs nothing of others."""
    return lambda play, story: act(play.stage, story)


def _angry_at_night(play: Play, story: Story) -> None:
    play.runs["survey"] = answers.angry_at_night(play.stage, story)


def _same_again(play: Play, story: Story) -> None:
    delivered = play.stories["survey"][0].deliveries
    if not delivered:
        raise CommandFailed("the first scene delivered nothing that could come again")
    answers.same_again(play.stage, story, delivered[0])


def _retry_pressed(play: Play, story: Story) -> None:
    play.runs["survey"] = operations.retry_pressed(play.stage, story, play.runs["survey"])


def _data_in(play: Play, story: Story) -> None:
    play.feeds = endings.data_in(play.stage, story)


def _endings_found(play: Play, story: Story) -> None:
    play.runs["expiry"] = endings.endings_found(play.stage, story, _feeds(play))


def _activated(play: Play, story: Story) -> None:
    play.runs["onboarding"] = onboarding.activated(play.stage, story)


def _valued(play: Play, story: Story) -> None:
    play.asked["valued"] = reviews.valued(play.stage, story)


def _crowd(play: Play, story: Story) -> None:
    play.runs["review"], play.asked["crowd"] = reviews.crowd(play.stage, story)


def _one_left_out(play: Play, story: Story) -> None:
    reviews.one_left_out(play.stage, story, _review(play, "crowd"), play.reviewer(PAGE_REVIEWER))


def _decided_in_prefect(play: Play, story: Story) -> None:
    reviews.decided_in_prefect(play.stage, story, play.reviewer(PREFECT_REVIEWER))


def _gone_stale(play: Play, story: Story) -> None:
    reviews.gone_stale(play.stage, story, play.reviewer(PAGE_REVIEWER))


def _nobody_decides(play: Play, story: Story) -> None:
    reviews.nobody_decides(play.stage, story, _review(play, "valued"))


def _review(play: Play, scene: str) -> int:
    if scene not in play.asked:
        raise CommandFailed(f"the scene {scene} has opened no review")
    return play.asked[scene]


def _with_feeds(act: Callable[[Stage, Story, Feeds], None]) -> Callable[[Play, Story], None]:
    """A scene that needs the files which were imported."""
    return lambda play, story: act(play.stage, story, _feeds(play))


def _feeds(play: Play) -> Feeds:
    if play.feeds is None:
        raise CommandFailed("nothing was imported that could end")
    return play.feeds


SCENES = (
    Scene("survey", "angry_at_night", "An angry answer at 22:40", _angry_at_night),
    Scene("survey", "same_again", "The same again", _same_again),
    Scene("survey", "forged", "A forgery", _alone(answers.forged)),
    Scene("survey", "lost_answer", "The ticket desk's answer is lost", _alone(answers.lost_answer)),
    Scene("survey", "broken_rows", "A file with broken rows", _alone(operations.broken_rows)),
    Scene("survey", "hardship", "A fair score, but words of hardship", _alone(answers.hardship)),
    Scene("survey", "second_bad_answer", "A second bad answer joins the case", _alone(answers.second_bad_answer)),
    Scene("survey", "prefect_killed", "Prefect is killed while answers arrive", _alone(operations.prefect_killed)),
    Scene("survey", "retry_pressed", "Retry is pressed on a finished run", _retry_pressed),
    Scene("survey", "emergency_stop", "Emergency stop, and start", _alone(operations.emergency_stop)),
    Scene("expiry", "data_in", "Customers, purchases and endings come through their gates", _data_in),
    Scene("expiry", "endings_found", "What is about to end becomes tasks and calls", _endings_found),
    Scene("expiry", "renewed_meanwhile", "Renewed between plan and send", _alone(endings.renewed_meanwhile)),
    Scene("expiry", "half_missing", "A file with half of its rows missing", _with_feeds(endings.half_missing)),
    Scene("expiry", "broken_batch", "One row in a hundred is broken", _with_feeds(endings.broken_batch)),
    Scene("expiry", "nobody_answers", "Nobody picks up the phone", _with_feeds(endings.nobody_answers)),
    Scene("onboarding", "thirty_days", "Thirty days of onboarding on a virtual clock", _alone(onboarding.thirty_days)),
    Scene("onboarding", "activated", "Customers are activated", _activated),
    Scene("onboarding", "second_device", "A second device", _alone(onboarding.second_device)),
    Scene("onboarding", "lesson_skipped", "Who knows it already is not taught", _alone(onboarding.lesson_skipped)),
    Scene("onboarding", "unsubscribed", "One click, and silence", _alone(onboarding.unsubscribed)),
    Scene("onboarding", "replied", "A reply stops the journey", _alone(onboarding.replied)),
    Scene("onboarding", "goal_reached", "Settled in", _alone(onboarding.goal_reached)),
    Scene("review", "valued", "A valued customer waits for a person's yes", _valued),
    Scene("review", "crowd", "Too many at once: all wait", _crowd),
    Scene("review", "one_left_out", "Approved on a phone, but for one", _one_left_out),
    Scene("review", "decided_in_prefect", "Decided in Prefect's form", _decided_in_prefect),
    Scene("review", "gone_stale", "The facts change while people think", _gone_stale),
    Scene("review", "nobody_decides", "Nobody decides in time", _nobody_decides),
)


def run_demo(directory: Path, base: int, *, once: bool) -> bool:
    """Play every scene and tell what happened; True when all of it did. Without `once` it stays up until Ctrl-C."""
    with staged(directory, base) as stage:
        play = Play(stage)
        for scene in SCENES:
            scene.play(play)
        warn("… how the integrations are")
        health = stage.prefect.run("integration-health")
        told = [story for stories in play.stories.values() for story in stories]
        surprises = stage.outside.surprises([key for story in told for key in story.keys])
        document = as_document(play.stories, surprises, play.runs, health)
        tell(stage, surprises, play.runs, health)
        if not once:
            tell_where_to_look(stage)
            with suppress(KeyboardInterrupt):
                stage.wait_until_stopped()
    if once:
        say_json(document)
    return bool(document["ok"])
