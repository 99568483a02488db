"""The benchmarks still run, and say what they measured as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.process
@pytest.mark.slow
def test_survey_latency_measures_the_floor_and_the_whole_stack() -> None:
    asked = ["--seconds", "1", "--rates", "5", "--skip-prefect"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "survey_latency.py"), *asked], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["system"] for line in lines] == ["floor", "handrail"]
    for line in lines:
        assert (line["answers"], line["lost"], line["doubled"], line["not_accepted"]) == (5, 0, 0, 0)
        assert 0 < line["both_effects_p50_ms"] <= line["both_effects_p99_ms"] <= line["both_effects_max_ms"]
        assert line["prefect"] is False


@pytest.mark.process
@pytest.mark.slow
def test_survey_rate_searches_and_measures_half_beside_the_floors() -> None:
    asked = ["--seconds", "1", "--start", "10", "--most", "15", "--databases", "sqlite", "--skip-prefect"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "survey_rate.py"), *asked], capture_output=True, text=True, timeout=115
    )
    assert done.returncode == 0, done.stderr
    *lines, least = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["system"] for line in lines[-3:]] == ["floor", "floor with one committed row", "handrail"]
    assert [line["rate_per_second"] for line in lines] == [10, 15, 15, 7.5, 7.5, 7.5]
    assert all(line["lost"] == line["doubled"] == 0 for line in lines)
    assert lines[-1]["highest_sustained_per_second"] == lines[-1]["floor_highest_sustained_per_second"] == 15
    assert (least["step"], least["answers"]) == ("least", 8)
    assert least["statements_per_answer"] > least["transactions_per_answer"] > 0
    assert 0 < least["least_cpu_ms"] < least["ours_cpu_ms"]


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_dispatch_is_measured_beside_bare_clients_and_one_task_per_customer() -> None:
    asked = ["--messages", "150", "--bare", "200", "--tasks", "10", "--databases", "sqlite", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "dispatch.py"), *asked, "--ready", "300", "--memory-sent", "50"],
        capture_output=True,
        text=True,
        timeout=390,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    port = ["bare_port", "bare_port"]
    assert [line["benchmark"] for line in lines] == [
        *("bare_aiohttp", "bare_aiohttp", "task_per_customer"),
        *(*port, "least"),
        *(*port, "dispatch"),
        *(*port, "dispatch"),
        "dispatch_memory",
    ]
    assert [line["messages"] for line in lines] == [200, 2000, 10, *(200, 200, 150) * 2, 2000, 2000, 150, 50]
    assert all(line["messages_per_second"] > 0 for line in lines)
    assert all(line["cpu_seconds_per_1000"] > 0 for line in lines)
    assert all(line["memory_peak_mb"] > 10 for line in lines)
    sent = [line for line in lines if line["benchmark"] == "dispatch"]
    assert [(line["batch"], line["lost"], line["doubled"]) for line in sent] == [(1, 0, 0), (100, 0, 0)]
    assert all(line["times_a_task_per_customer"] > 0 for line in sent)  # a busy machine may turn any ratio round
    for place, line in enumerate(lines):
        if "of_the_bare_client" in line:
            around = [each["messages_per_second"] for each in lines[place - 2 : place]]
            assert line["port_before_and_after"] == around
            share = line["messages_per_second"] / (sum(around) / 2)
            assert line["of_the_bare_client"] == pytest.approx(share, abs=0.001)


@pytest.mark.process
@pytest.mark.slow
def test_the_gate_is_measured_beside_a_bare_run_of_its_suite() -> None:
    asked = ["--rows", "2000", "--rounds", "2", "--databases", "sqlite"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gate.py"), *asked], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    [line] = map(json.loads, done.stdout.splitlines())
    assert (line["rows"], line["in_quarantine"], line["verdict"]) == (2000, 20, "pass")
    assert line["ratio"] > 0
    assert line["sqlite_applied"]["new_rows_per_second"] > 0


@pytest.mark.timeout(300)
def test_endings_are_measured_beside_bare_sql() -> None:
    asked = ["--rows", "5000", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "expiry.py"), *asked], capture_output=True, text=True, timeout=290
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    measured = ["filled", "bare insert-select", "detect and plan", "bare look"]
    reruns = ["rerun by its marks", "rerun over the whole window"]
    writes = ["small writes alone", "small writes meanwhile"]
    assert [line["what"] for line in lines] == [*measured, *reruns, *writes, *measured, *reruns]
    planned = [line for line in lines if line["what"] == "detect and plan"]
    assert [(line["database"], line["actions"]) for line in planned] == [("sqlite", 50), ("postgresql", 50)]
    assert all(line["ratio"] > 0 for line in planned)  # a busy machine may turn any ratio round


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_planning_a_journey_is_measured_beside_putting_its_messages_into_words() -> None:
    asked = ["--enrolments", "2000", "--rendered", "100"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "drip.py"), *asked], capture_output=True, text=True, timeout=290
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["database"] for line in lines] == ["sqlite"] * 7 + ["postgresql"] * 7
    for filled, idle, planned, in_air, made, words, sent in (lines[:7], lines[7:]):
        assert filled["seconds"] > 0 < idle["cpu_ms_a_run"]
        assert (planned["due"], planned["planned"], planned["skipped"]) == (200, 200, 0)
        assert planned["times_as_long_as_rendering"] > 0  # a busy machine may turn any ratio round
        assert planned["memory_peak_mb"] > 10
        assert (in_air["due"], in_air["planned"]) == (0, 0)
        assert made["messages"] == words["messages"] == 100
        assert made["rows_per_cpu_second"] > 0 < words["rows_per_cpu_second"]
        assert sent["sent"] == 200


@pytest.mark.process
@pytest.mark.slow
def test_a_simulation_is_measured() -> None:
    asked = ["--customers", "60", "--days", "3", "--spread-days", "1", "--events", "20"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "simulate.py"), *asked], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    [line] = map(json.loads, done.stdout.splitlines())
    assert (line["customers"], line["events"], line["processes"]) == (60, 12, 2)
    assert line["messages"] > 60
    assert line["seconds"] > 0


@pytest.mark.process
@pytest.mark.slow
def test_a_review_is_opened_shown_decided_and_settled() -> None:
    asked = ["--sizes", "300", "--databases", "sqlite"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "review.py"), *asked], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    [line] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (line["database"], line["actions"]) == ("sqlite", 300)
    for measured in ("opened", "first_page", "decided", "settled", "audited", "bare_count_and_hash"):
        assert line[f"{measured}_seconds"] > 0
    assert line["memory_peak_mb"] > 10
