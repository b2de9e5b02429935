"""The table: counts by workload, time left, plain lines without a terminal."""

import io

import pytest

from algoperf_jax.files import write_csv
from algoperf_jax.suite.progress_table import (
    ProgressTable,
    SuiteProgress,
    as_text,
    drawing,
    duration,
    progress_of,
)
from algoperf_jax.suite.supervision import Ended, Job


@pytest.fixture
def jobs(tmp_path):
    return [
        Job(f"{w} trial {t}", w, ("x.py",), tmp_path / f"{w}{t}", tmp_path / "log", 100.0, 1.0)
        for w in ("ogbg", "wmt")
        for t in (1, 2)
    ]


def evaluated(folder, seconds, evaluation=0.0):
    folder.mkdir(exist_ok=True)
    row = {
        "accumulated_eval_time": evaluation,
        "accumulated_logging_time": 0.0,
        "accumulated_submission_time": seconds,
        "global_step": 7,
    }
    write_csv(folder / "eval_measurements.csv", list(row), [row])


def test_rows_count_trials_by_state(jobs):
    states = ["reached", "running", "failed", "budget exhausted"]
    progress = SuiteProgress(jobs, {j.label: s for j, s in zip(jobs, states, strict=True)})
    ogbg, wmt, everything = (row.cells() for row in progress.rows())
    assert ogbg == ("ogbg", "2", "1", "1", "1", "0", "0", "<= 2 min")
    assert wmt == ("wmt", "2", "0", "2", "0", "1", "1", "0 s")
    assert everything[:7] == ("all", "4", "1", "3", "1", "1", "1")


def test_time_left_counts_open_budgets_and_the_share_of_evaluations(jobs):
    evaluated(jobs[0].folder, seconds=40.0, evaluation=20.0)
    states = ["running", "to do", "unfinished", "failed"]
    progress = progress_of(jobs, {j.label: s for j, s in zip(jobs, states, strict=True)})
    # One slot: 60 + 100 + 100 s of budgets, and half as much again for evaluations.
    assert progress.left_seconds(1) == pytest.approx(1.5 * 260)
    # Two: 100 s beside the 60, then 100 s in the slot that falls free after 60.
    assert progress.left_seconds(2) == pytest.approx(1.5 * 160)


def test_without_a_terminal_events_are_lines_and_the_table_comes_last(jobs):
    out = io.StringIO()
    progress = SuiteProgress(jobs, dict.fromkeys([j.label for j in jobs], "to do"))
    table = ProgressTable(progress, out)
    table.started(jobs[0])
    evaluated(jobs[0].folder, seconds=30.0)
    table.refresh([jobs[0]], 1)
    table.ended(Ended(jobs[0], "reached", "the target was met", 41.0))
    table.skipped(jobs[1], "no data")
    table.close()
    text = out.getvalue()
    assert text.startswith(
        "started: ogbg trial 1\nreached: ogbg trial 1 after 41 s: the target was met\n"
        "done 1 of 4: 1 reached, 0 missed, 0 failed; 0 running"
    )
    assert text.endswith(as_text(progress, 1))
    assert "\x1b" not in text


def test_a_lost_trial_is_open_again(jobs):
    progress = SuiteProgress(jobs, dict.fromkeys([j.label for j in jobs], "to do"))
    table = ProgressTable(progress, io.StringIO())
    table.started(jobs[0])
    table.ended(Ended(jobs[0], "lost", "its node died", 41.0))
    assert progress.states[jobs[0].label] == "unfinished"


def test_the_live_table_shows_what_is_running(jobs):
    from rich.console import Console

    evaluated(jobs[0].folder, seconds=30.0)
    progress = progress_of(jobs, {j.label: "running" if j is jobs[0] else "to do" for j in jobs})
    console = Console(file=io.StringIO(), width=100)
    console.print(drawing(progress, jobs[:1], 1))
    assert "ogbg trial 1: step 7, 30 s of 2 min" in console.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (99, "99 s"), (300, "5 min"), (7200, "2.0 h")]
)
def test_durations_are_given_in_the_unit_that_suits_them(seconds, text):
    assert duration(seconds) == text
