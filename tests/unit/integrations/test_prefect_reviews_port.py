"""Runs of reviews at Prefect, in the shapes a server of 3.8.8 was recorded with."""

from collections.abc import AsyncIterator

import httpx
import pytest
from prefect_double import API, RECORDED, PrefectDouble

from integrations.prefect_reviews import Form, Phase, PrefectReviewRuns, PrefectSilent, is_run, run_page


@pytest.fixture
def server() -> PrefectDouble:
    """A Prefect without runs."""
    return PrefectDouble()


@pytest.fixture
async def runs(server: PrefectDouble) -> AsyncIterator[PrefectReviewRuns]:
    """The adapter before it."""
    made = PrefectReviewRuns(API, transport=server)
    yield made
    await made.aclose()


async def test_a_run_is_begun_once_a_key(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    assert await runs.start(7, "review-7-1")
    assert await runs.start(7, "review-7-1")

    [run] = await runs.under_way()
    assert (run.review, run.phase, run.key) == (7, Phase.COMING, None)
    assert server.runs[run.id]["name"] == "review 7"
    server.put(run.id, "CRASHED")
    assert not await runs.start(7, "review-7-1"), "it is over: another key is needed"


async def test_a_recorded_run_is_read() -> None:
    recorded = httpx.MockTransport(lambda _: httpx.Response(200, json=RECORDED["runs"]["answer"]))
    runs = PrefectReviewRuns(API, transport=recorded)

    [run] = await runs.under_way()

    assert (run.review, run.phase, run.key) == (1, Phase.PAUSED, "suspended-1-1")
    assert run.since.tzinfo is not None
    await runs.aclose()


@pytest.mark.parametrize(
    ("kind", "phase"),
    [("SCHEDULED", Phase.COMING), ("PENDING", Phase.COMING), ("RUNNING", Phase.RUNNING), ("CANCELLING", Phase.RUNNING)],
)
async def test_states_are_read(runs: PrefectReviewRuns, server: PrefectDouble, kind: str, phase: Phase) -> None:
    server.add(1, kind)

    assert [run.phase for run in await runs.under_way()] == [phase]


@pytest.mark.parametrize("review", [None, "1", 1.0, True, [1]])
async def test_a_run_begun_for_no_review_is_none_of_ours(
    runs: PrefectReviewRuns, server: PrefectDouble, review: object
) -> None:
    server.add(review)

    assert [run.review for run in await runs.under_way()] == [None]


async def test_more_runs_than_one_answer_holds(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    made = {server.add(number) for number in range(450)}

    assert {run.id for run in await runs.under_way()} == made


async def test_forms(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    run = server.add(3)
    [paused] = await runs.under_way()
    assert await runs.form(paused) == Form(is_shown=True, is_answered=False)

    server.inputs[run] = {"suspended-3-1-response"}
    assert await runs.form(paused) == Form(is_shown=False, is_answered=True)
    await runs.drop_input(run, "suspended-3-1")
    await runs.drop_input(run, "suspended-3-1")
    assert await runs.form(paused) == Form(is_shown=False, is_answered=False)


async def test_a_run_is_woken_and_closed(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    one, other = server.add(1), server.add(2, "RUNNING")

    await runs.wake(one)
    await runs.close(other, "its process is gone", died=True)
    await runs.wake("11111111-1111-1111-1111-111111111111")  # somebody has deleted it meanwhile

    assert (server.state(one), server.state(other)) == ("SCHEDULED", "CRASHED")
    assert server.runs[one]["state"]["state_details"]["scheduled_time"]
    await runs.close(one, "asked elsewhere")
    assert server.runs[one]["state"]["message"] == "asked elsewhere"
    assert server.state(one) == "CANCELLED"


async def test_who_is_not_there_is_silent(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    server.is_silent = True

    with pytest.raises(PrefectSilent, match="ConnectError"):
        await runs.under_way()


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(200, text="<html>"), httpx.Response(401)])
async def test_so_is_who_answers_something_else(answer: httpx.Response) -> None:
    runs = PrefectReviewRuns(API, transport=httpx.MockTransport(lambda _: answer))

    with pytest.raises(PrefectSilent):
        await runs.under_way()
    await runs.aclose()


async def test_a_deployment_that_was_deleted_is_looked_up_again(runs: PrefectReviewRuns, server: PrefectDouble) -> None:
    await runs.start(1, "review-1-1")
    server.is_deployed = False
    with pytest.raises(PrefectSilent, match="HTTP 404"):
        await runs.start(2, "review-2-1")
    server.is_deployed = True

    assert await runs.start(2, "review-2-1")

    assert server.asked.count("GET /api/deployments/name/action-review/action-review".replace("/api", "")) == 2


async def test_basic_auth_is_sent() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=[])

    runs = PrefectReviewRuns(API, auth="care:a:secret", transport=httpx.MockTransport(answer))
    await runs.under_way()
    await runs.aclose()

    assert seen == [httpx.BasicAuth("care", "a:secret")._auth_header]


def test_only_a_runs_id_has_a_page() -> None:
    run = "fa632f3d-578c-4df6-9468-06f098dd87b5"

    assert run_page("http://ui.example", run) == f"http://ui.example/runs/flow-run/{run}"
    assert is_run(run)
    assert run_page("", run) is None
    assert [run_page("http://ui.example", name) for name in ("gateway", "Ewa Lis", f"{run}/..", f"{run}\n")] == [
        None
    ] * 4
