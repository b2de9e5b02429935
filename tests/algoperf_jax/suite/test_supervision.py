"""Supervised processes: however one ends, that trial alone has ended, and its record says how."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from algoperf_jax.files import read_json, write_csv, write_json
from algoperf_jax.suite.processes import LocalProcesses
from algoperf_jax.suite.supervision import Busy, Child, Job, supervise

SLEEP = "import time; time.sleep(60)"


def job_of(tmp_path, code, name="trial", budget=60.0, grace=60.0):
    program = tmp_path / f"{name}.py"
    program.write_text(code)
    return Job(
        label=name,
        workload="toy",
        command=(str(program), "--flag"),
        folder=tmp_path / name,
        log=tmp_path / "logs" / f"{name}.log",
        budget_seconds=budget,
        grace_seconds=grace,
    )


def end_of(job):
    return supervise(job, patience_seconds=0.0, poll_seconds=0.02)


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_outcome_of_the_trial_itself_counts_whatever_the_exit_status(tmp_path):
    code = (
        "import json, os, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[0]).with_suffix('')\n"
        "folder.mkdir()\n"
        "outcome = {'status': 'reached', 'reason': ' '.join(sys.argv[1:])}\n"
        "(folder / 'outcome.json').write_text(json.dumps(outcome))\n"
        "os._exit(11)\n"
    )
    ended = end_of(job_of(tmp_path, code))
    assert (ended.status, ended.reason) == ("reached", "--flag")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no luck')", "ended with status 1 and no outcome: RuntimeError: no"),
        ("import os; os.kill(os.getpid(), 9)", "killed .SIGKILL., as .* when memory runs out"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("", "ended with status 0 and no outcome: it wrote nothing"),
    ],
)
def test_a_death_without_an_outcome_is_recorded_as_failed(tmp_path, code, reason):
    job = job_of(tmp_path, code)
    ended = end_of(job)
    assert ended.status == "failed"
    outcome = read_json(job.folder / "outcome.json")
    assert outcome["status"] == "failed"
    assert outcome["reason"] == ended.reason
    assert re.search(reason, ended.reason)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; print('error: no such data'); sys.exit(2)", "refused"),
        ("import sys; print('error: it is in use'); sys.exit(3)", "blocked"),
        ("import sys; sys.exit(130)", "interrupted"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "interrupted"),
    ],
)
def test_refusals_and_interruptions_are_not_outcomes(tmp_path, code, status):
    job = job_of(tmp_path, code)
    ended = end_of(job)
    assert ended.status == status
    assert not job.folder.exists()
    said = {"refused": "no such data", "blocked": "it is in use"}
    assert ended.reason == said.get(status, ended.reason)


def test_a_process_that_hangs_past_its_budget_is_killed_and_recorded(tmp_path):
    job = job_of(tmp_path, SLEEP, budget=0.3, grace=0.2)
    began = time.monotonic()
    ended = end_of(job)
    assert ended.status == "failed"
    assert "without an end" in ended.reason
    assert time.monotonic() - began < 20
    assert read_json(job.folder / "outcome.json")["reason"] == ended.reason


def test_time_for_evaluations_does_not_count_towards_the_limit(tmp_path):
    job = job_of(tmp_path, SLEEP, budget=100.0, grace=10.0)
    now = [0.0]
    child = Child(job, now=lambda: now[0])
    row = {
        "accumulated_eval_time": 50.0,
        "accumulated_logging_time": 5.0,
        "accumulated_submission_time": 90.0,
        "global_step": 3,
    }
    write_json(job.folder.parent / "meta_data.json", {})
    job.folder.mkdir()
    write_csv(job.folder / "eval_measurements.csv", list(row), [row])
    now[0] = 164.0  # 109 s of it beside evaluations and records
    assert child.poll() is None
    now[0] = 166.0
    assert child.poll().status == "failed"


def test_a_trial_is_run_by_one_process_at_a_time(tmp_path):
    job = job_of(tmp_path, SLEEP)
    child = Child(job)
    with pytest.raises(Busy, match=r"at work on this trial and writes .*trial\.log"):
        end_of(job)
    child.kill()
    assert child.poll().status == "failed"


def test_a_process_ends_with_its_supervisor(tmp_path):
    job = job_of(tmp_path, f"import os; print(os.getpid(), flush=True); {SLEEP}")
    code = f"from {Child.__module__} import *\nsupervise({job!r}, 0.0)"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code.replace("PosixPath", "__import__('pathlib').Path")]
    )
    wait_for(lambda: job.log.exists() and job.log.read_text().strip())
    child = int(job.log.read_text())
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not alive(child))


def test_an_interrupt_reaches_a_process_whose_supervisor_blocks_interrupts(tmp_path):
    job = job_of(tmp_path, f"print('begun', flush=True); {SLEEP}")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = Child(job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    wait_for(lambda: job.log.read_text())
    child.interrupt()
    child.wait(20.0)
    assert child.poll().status == "interrupted"


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_local_engine_runs_as_many_as_it_has_slots_and_stops_them(tmp_path):
    engine = LocalProcesses(2, {**os.environ, "CUDA_VISIBLE_DEVICES": "4,5,6,7"}, gpus_per_trial=2)
    show = f"import os; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); {SLEEP}"
    jobs = [job_of(tmp_path, show, name) for name in ("first", "second")]
    for job in jobs:
        engine.start(job)
    assert engine.free == 0
    wait_for(lambda: all(job.log.read_text().strip() for job in jobs))
    assert [job.log.read_text().strip() for job in jobs] == ["4,5", "6,7"]
    engine.stop()
    assert engine.free == 2
    assert not any(job.folder.exists() for job in jobs)
    assert all("KeyboardInterrupt" in job.log.read_text() for job in jobs)
