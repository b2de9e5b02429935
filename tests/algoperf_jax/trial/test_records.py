"""The record's files: the benchmark's columns, atomic replacement, refusal of another's folder."""

import csv
import os

import numpy as np
import pytest
from fake_time import FakeTime
from interruptions import Interrupt, InterruptIn
from toy_runs import run
from toy_workload import toy

from algoperf_jax.errors import TrialError, UserError
from algoperf_jax.files import read_json, write_json
from algoperf_jax.rules import Target
from algoperf_jax.trial import training
from algoperf_jax.trial.records import LOG_PERIOD_STEPS, check_folder, has_failed, trial_folder
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms import get

# The header of the reference implementation's files, with this workload's metrics.
EVALUATION_COLUMNS = [
    "accumulated_eval_time",
    "accumulated_logging_time",
    "accumulated_submission_time",
    "global_step",
    "preemption_count",
    "score",
    "test/loss",
    "test/num_examples",
    "test/score",
    "total_duration",
    "train/loss",
    "train/score",
    "validation/loss",
    "validation/num_examples",
    "validation/score",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The record of a short trial."""
    folder = tmp_path_factory.mktemp("record") / "trial"
    workload = toy(target=Target("score", "max", 1.0, 1.0))
    settings = Settings(max_steps=LOG_PERIOD_STEPS + 5, replicas=1)
    result = train(workload, get("adamw"), settings, folder=folder, now=FakeTime())
    assert result.outcome.status == "training complete", result.traceback
    return folder


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_evaluations_have_the_benchmark_s_columns(folder):
    found = rows(folder / "eval_measurements.csv")
    assert list(found[0]) == EVALUATION_COLUMNS
    assert [row["global_step"] for row in found] == ["1", "105"]


def test_measurements_hold_training_scalars_evaluations_and_a_last_row(folder):
    found = rows(folder / "measurements.csv")
    assert list(found[0])[:3] == ["global_step", "grad_norm", "loss"]
    assert [r["global_step"] for r in found if r["loss"]] == ["0", "100"]
    assert {k for k, v in found[-1].items() if v} == {"score", "global_step", "preemption_count"}


def test_configuration_point_and_outcome_are_written(folder):
    meta_data = read_json(folder / "meta_data.json")
    assert meta_data["configuration"]["submission"] == "adamw"
    assert meta_data["versions"]["jax"]
    assert read_json(folder / "hparams.json") == get("adamw").hyperparameters
    assert read_json(folder / "outcome.json")["status"] == "training complete"


def test_tensorboard_reads_the_scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    assert [event.step for event in events.Scalars("validation/score")] == [1, 105]
    # Training scalars every 100 steps, called by the steps completed before.
    assert [event.step for event in events.Scalars("loss")] == [0, 100]
    told = {row["global_step"]: row["loss"] for row in rows(folder / "measurements.csv")}
    for event in events.Scalars("loss"):
        assert event.value == pytest.approx(float(told[str(event.step)]), rel=1e-6)


def test_nothing_half_written_is_left(folder):
    assert not [path for path in folder.rglob("*") if path.suffix == ".tmp"]


def test_finished_trial_is_not_run_again(folder):
    configuration = read_json(folder / "meta_data.json")["configuration"]
    with pytest.raises(TrialError, match="ended: training complete.*--overwrite"):
        check_folder(folder, configuration)


def test_trial_of_an_earlier_version_of_the_file_is_told_as_such(folder):
    configuration = {**read_json(folder / "meta_data.json")["configuration"]}
    configuration["submission_source"] = "of the mended file"
    with pytest.raises(TrialError, match="earlier version of the submission's file") as raised:
        check_folder(folder, configuration)
    assert "of the mended file" not in str(raised.value)


def test_failed_trial_names_the_flag_that_runs_it_again(tmp_path):
    write_json(tmp_path / "meta_data.json", {"configuration": {}})
    for status, flag in (("failed", "--retry_failed"), ("reached", "--overwrite")):
        write_json(tmp_path / "outcome.json", {"status": status, "reason": "why"})
        assert has_failed(tmp_path) == (status == "failed")
        with pytest.raises(TrialError, match=f"ended: {status}, why; {flag} runs it again"):
            check_folder(tmp_path, {})


def test_folder_of_another_configuration_is_refused_with_what_differs(folder):
    configuration = {**read_json(folder / "meta_data.json")["configuration"], "seed": 7}
    with pytest.raises(TrialError, match="seed is 0 there and 7 here"):
        check_folder(folder, configuration)


def test_empty_folder_is_free(tmp_path):
    check_folder(tmp_path, {"seed": 0})


def test_garbled_meta_data_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "meta_data.json").write_text("{")
    with pytest.raises(UserError, match=r"meta_data\.json is not valid JSON"):
        check_folder(tmp_path, {})


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def full_disk(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_json(path, {"a": 2})
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_configuration_is_compared_as_it_was_written(tmp_path):
    point = {"b": (0.9, 0.99), "lr": np.float32(0.5), "x": float("nan")}
    write_json(tmp_path / "meta_data.json", {"configuration": {"hyperparameters": point}})
    check_folder(tmp_path, {"hyperparameters": point})
    with pytest.raises(UserError, match="hyperparameters is"):
        check_folder(tmp_path, {"hyperparameters": {**point, "b": (0.9, 0.95)}})


def test_record_refuses_what_json_cannot_hold(tmp_path):
    with pytest.raises(UserError, match="cannot hold"):
        write_json(tmp_path / "x.json", {"a": object()})


def test_layout_is_that_of_the_benchmark_s_logs(tmp_path):
    folder = trial_folder(tmp_path, "mini", "nadamw", 2, "ogbg", 3)
    assert folder == tmp_path / "mini/nadamw/study_2/ogbg_jax/trial_3"


def test_unwritable_folder_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the record to"):
        train(toy(), get("adamw"), folder=tmp_path / "file" / "trial")


def test_every_start_is_kept(tmp_path, monkeypatch):
    """Begun on one kind of device and resumed on another, the account tells both."""
    arguments = {"folder": tmp_path, "max_steps": 4, "eval_every_steps": 2}
    for kind, step in (("V100", 0), ("A100", 2)):
        environment = {"device_kind": kind}
        monkeypatch.setattr(training, "describe_environment", lambda found=environment: found)
        if step == 0:
            with pytest.raises(Interrupt):
                run(reporter=InterruptIn(3), **arguments)
        else:
            run(**arguments)
        account = read_json(tmp_path / "meta_data.json")
        assert account["device_kind"] == kind
        assert account["starts"][-1] == {"step": step, "device_kind": kind}
    assert [start["device_kind"] for start in account["starts"]] == ["V100", "A100"]


def test_an_outcome_alone_is_that_of_a_trial_that_died_early(tmp_path):
    """As a supervisor writes it: the next start must not train beside it."""
    write_json(tmp_path / "outcome.json", {"status": "failed", "reason": "killed"})
    with pytest.raises(TrialError, match="ended: failed, killed; --retry_failed"):
        run(folder=tmp_path, max_steps=1)
    workload = toy(target=Target("score", "max", 1.0, 1.0))
    settings = Settings(max_steps=1, replicas=1)
    train(workload, get("adamw"), settings, folder=tmp_path, retry_failed=True)
    assert read_json(tmp_path / "outcome.json")["status"] == "training complete"


def test_retrying_leaves_a_failed_trial_of_another_configuration_alone(tmp_path):
    configuration = {"seed": 0, "submission_source": "old"}
    write_json(tmp_path / "meta_data.json", {"configuration": configuration})
    write_json(tmp_path / "outcome.json", {"status": "failed", "reason": "why"})
    check_folder(tmp_path, {"seed": 0, "submission_source": "mended"}, retry_failed=True)
    with pytest.raises(TrialError, match="another configuration: seed is 0 there and 1 here"):
        check_folder(tmp_path, {"seed": 1, "submission_source": "mended"}, retry_failed=True)
