"""`handrail prefect apply`: the server holds what the repository declares, however often it is applied."""

import pytest
from prefect_stage import Server, eventually, free_port

from handrail.failures import CommandFailed
from handrail.prefect_apply import apply

pytestmark = pytest.mark.prefect

JOBS = [
    "dispatch-actions",
    "expiry-detection",
    "import-data",
    "integration-health",
    "onboarding-drip",
    "poll-surveys",
    "recovery-sweep",
    "survey-escalation",
]
ON_DEMAND = ["action-review", "emergency-stop", "replay-quarantine"]
ALL = sorted(JOBS + ON_DEMAND)


def names(server: Server, what: str) -> list[str]:
    return sorted(each["name"] for each in server.post(f"/{what}/filter"))


def test_the_server_has_what_is_declared(applied: Server) -> None:
    assert names(applied, "deployments") == ALL
    assert names(applied, "automations") == [
        "handrail.answer.critical",
        "handrail.customer.activated",
        "handrail.data.arrived",
        "handrail: a run failed",
        "handrail: a run is late",
        "handrail: no worker is online",
    ]
    assert applied.get("/work_pools/handrail")["concurrency_limit"] == 10


def test_parameters_are_typed_and_described(applied: Server) -> None:
    for job in ALL:
        for name, parameter in applied.named("deployments", job)["parameter_openapi_schema"]["properties"].items():
            assert parameter.get("description"), f"{job}: {name} is not described"
            assert {"type", "anyOf", "$ref"} & parameter.keys(), f"{job}: {name} has no type"


def test_schedules_make_runs(applied: Server) -> None:
    """The scheduler fails on each pass with SQLAlchemy 2.1, and says so in the server's log alone."""

    def jobs_with_runs() -> bool:
        runs = applied.post("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        return len({run["deployment_id"] for run in runs if run["auto_scheduled"]}) == len(JOBS)

    eventually(jobs_with_runs, 40, "a scheduled run of each job")


def test_applied_again_it_changes_nothing_but_what_is_not_declared(applied: Server) -> None:
    flow = applied.post("/flows/", {"name": "an-old-job"})
    applied.post("/deployments/", {"name": "an-old-job", "flow_id": flow["id"], "tags": ["handrail"]})
    applied.post("/deployments/", {"name": "somebody-elses", "flow_id": flow["id"], "tags": []})
    late = applied.named("automations", "handrail: a run is late")
    an_old_one = {name: late[name] for name in ("trigger", "actions")} | {"name": "handrail: an old one"}
    applied.post("/automations/", an_old_one)
    applied.patch(f"/automations/{late['id']}", {"enabled": False})
    applied.patch("/work_pools/handrail", {"is_paused": True})
    sweep = applied.named("deployments", "recovery-sweep")
    applied.patch(f"/deployments/{sweep['id']}/schedules/{sweep['schedules'][0]['id']}", {"active": False})
    applied.post(f"/deployments/{applied.named('deployments', 'dispatch-actions')['id']}/pause_deployment")
    before = {each["name"]: each["id"] for each in applied.post("/deployments/filter")}

    apply(applied.api)

    after = {each["name"]: each["id"] for each in applied.post("/deployments/filter")}
    assert after == {name: before[name] for name in (*ALL, "somebody-elses")}
    assert len(names(applied, "automations")) == 6
    assert applied.named("automations", "handrail: a run is late")["id"] == late["id"]
    assert applied.named("automations", "handrail: a run is late")["enabled"] is False
    assert applied.named("automations", "handrail: a run failed")["enabled"] is True
    assert applied.get("/work_pools/handrail")["is_paused"] is True
    assert applied.named("deployments", "dispatch-actions")["paused"] is True
    assert [each["active"] for each in applied.named("deployments", "recovery-sweep")["schedules"]] == [False]
    assert [each["active"] for each in applied.named("deployments", "survey-escalation")["schedules"]] == [True]
    applied.patch("/work_pools/handrail", {"is_paused": False})
    applied.post(f"/deployments/{after['dispatch-actions']}/resume_deployment")
    applied.patch(f"/automations/{late['id']}", {"enabled": True})
    sweep = applied.named("deployments", "recovery-sweep")  # its schedule has another id now
    applied.patch(f"/deployments/{sweep['id']}/schedules/{sweep['schedules'][0]['id']}", {"active": True})


def test_nobody_there_is_said_with_what_to_do() -> None:
    address = f"http://127.0.0.1:{free_port()}/api"

    with pytest.raises(CommandFailed, match=f"no Prefect server answers at {address}.*handrail up"):
        apply(address)
