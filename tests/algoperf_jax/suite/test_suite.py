"""A planned suite: its jobs, what binds it, what is still to be done."""

from pathlib import Path

import pytest
from toy_runs import sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.files import write_json
from algoperf_jax.suite.choices import SuiteChoices
from algoperf_jax.suite.suite import (
    check,
    discard,
    discard_failed,
    plan_suite,
    remaining,
    score_command,
    write_plan,
)
from algoperf_jax.trial.lock import sole_use

SPACE = {"learning_rate": {"min": 0.01, "max": 0.1, "scaling": "log"}}
TRAIN = Path("/somewhere/train.py")


@pytest.fixture
def planned(tmp_path):
    """Plans trials of a toy workload; their records lie below `tmp_path`."""

    def plan(**changes):
        fields = {"submission": "sgd", "trials": 2, "experiment_dir": tmp_path, **changes}
        workloads = {"toys:first": toy(name="first")}
        return plan_suite(SuiteChoices(**fields), sgd(search_space=SPACE), workloads, TRAIN)

    return plan


def end(job, status):
    job.folder.mkdir(parents=True)
    write_json(job.folder / "outcome.json", {"status": status, "reason": "why"})


def test_each_trial_has_a_command_that_runs_it_and_a_folder_of_its_own(planned, tmp_path):
    suite = planned(grace_seconds=7.0)
    first, second = suite.jobs
    assert first.command[:2] == ("/somewhere/train.py", "--workload=toys:first")
    assert "--trial=1" in first.command
    assert "--trial=2" in second.command
    assert first.folder == tmp_path / "mini" / "sgd" / "study_0" / "first_jax" / "trial_1"
    assert first.grace_seconds == 7.0


def test_a_submission_in_a_file_is_found_from_any_folder(planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("")
    suite = planned(submission="mine.py:mine")
    assert f"--submission={tmp_path / 'mine.py'}:mine" in suite.jobs[0].command


def test_trials_that_have_ended_are_not_run_again(planned):
    suite = planned()
    end(suite.jobs[0], "reached")
    assert remaining(suite) == [suite.jobs[1]]


def test_another_plan_in_the_folder_is_refused(planned):
    write_plan(planned())
    check(planned())
    with pytest.raises(UserError, match="seed is 0 there and 1 here"):
        check(planned(seed=1))


def test_a_trial_of_another_point_is_refused(planned):
    suite = planned()
    record = suite.jobs[0].folder / "meta_data.json"
    record.parent.mkdir(parents=True)
    shared = {"scale": "mini", "submission": "sgd", "rules": "v0.5", "tuning": "external"}
    shared["submission_source"] = suite.agreement.source_sha256
    configuration = {**shared, "seed": 0, "hyperparameters": dict(suite.trials[0].point)}
    write_json(record, {"configuration": configuration})
    check(suite)
    write_json(record, {"configuration": {**configuration, "hyperparameters": {}}})
    with pytest.raises(UserError, match="hyperparameters is {} there and {'learning_rate'"):
        check(suite)


def test_failed_trials_are_discarded_on_request_and_others_kept(planned):
    suite = planned()
    for job, status in zip(suite.jobs, ("failed", "reached"), strict=True):
        end(job, status)
    discard_failed(suite)
    assert [job.folder.exists() for job in suite.jobs] == [False, True]


def test_discarding_removes_plan_studies_and_logs_and_nothing_else(planned):
    suite = planned()
    for name in ("study_0", "study_12", "logs", "mine"):
        (suite.home / name).mkdir(parents=True)
    write_plan(suite)
    discard(suite)
    assert [path.name for path in suite.home.iterdir()] == ["mine"]


def test_scoring_is_told_of_fewer_studies_than_the_rules_have(planned):
    suite = planned(scale="full", studies=2)
    assert score_command(suite).endswith("--tuning=external --scale=full --studies=2")
    assert "--studies" not in score_command(planned(scale="full"))


def test_nothing_is_discarded_while_a_trial_is_at_work(planned):
    suite = planned()
    first, second = (job.folder for job in suite.jobs)
    for job in suite.jobs:
        end(job, "failed")
    with sole_use(second), pytest.raises(UserError, match="trial_2: process .* is at work"):
        discard(suite)
    assert (first / "outcome.json").exists()
    discard(suite)
    assert not first.exists()
