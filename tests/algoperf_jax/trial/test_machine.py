"""Errors of the machine end the process and leave the trial; those of a submission end the trial.

The right end of a trial that was broken off is that of the same trial without a break.
"""

import dataclasses
import errno
import os

import jax
import numpy as np
import pytest
from fake_time import FakeTime
from toy_runs import OUT_OF_REACH, run, sgd
from toy_workload import toy

from algoperf_jax.errors import DataError, MachineError, UserError
from algoperf_jax.files import read_json
from algoperf_jax.trial import archive, records
from algoperf_jax.trial.checkpoints import Checkpoints
from algoperf_jax.trial.machine import is_of_the_machine, machine_work
from algoperf_jax.trial.progress import Silent
from algoperf_jax.trial.row_files import RowFile

SETTINGS = {"max_steps": 12, "eval_every_steps": 4}


def system_error(number):
    return OSError(number, os.strerror(number), "/there")


@pytest.fixture(scope="module")
def unbroken():
    return run(**SETTINGS)


def assert_resumes(folder, unbroken):
    """The trial in the folder has no outcome, and comes to the same end as the unbroken one."""
    assert read_json(folder / "outcome.json") is None
    result = run(folder=folder, **SETTINGS)
    assert result.outcome.status == "training complete"
    jax.tree.map(np.testing.assert_array_equal, result.state, unbroken.state)


class RaisesIn(Silent):
    """A reporter with a fault of its own."""

    def __init__(self, method, error, after=0):
        self._calls_left = after
        self._error = error
        setattr(self, method, self._raise)

    def _raise(self, *_):
        if not self._calls_left:
            raise self._error
        self._calls_left -= 1


@pytest.mark.parametrize("method, after", [("started", 0), ("stepped", 9), ("evaluated", 2)])
@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), KeyError("x")])
def test_a_reporter_that_raises_leaves_the_trial(tmp_path, unbroken, method, after, error):
    with pytest.raises(MachineError, match="cannot report progress: .*the same command goes on"):
        run(folder=tmp_path, reporter=RaisesIn(method, error, after), **SETTINGS)
    assert_resumes(tmp_path, unbroken)


def test_a_reporter_that_raises_at_the_end_costs_no_result(tmp_path):
    with pytest.warns(UserWarning, match="too late"):
        result = run(folder=tmp_path, reporter=RaisesIn("ended", KeyError("too late")), **SETTINGS)
    assert result.outcome.status == "training complete"
    assert read_json(tmp_path / "outcome.json")["status"] == "training complete"


@pytest.mark.parametrize(
    "written", ["meta_data.json", "eval_measurements.csv", "measurements.csv", "outcome.json"]
)
def test_a_full_disk_leaves_the_trial(tmp_path, unbroken, monkeypatch, written):
    write_json, write_rows = records.write_json, RowFile.write

    def on_a_full_disk(path, *arguments):
        if path.name == written:
            raise system_error(errno.ENOSPC)
        write_json(path, *arguments)

    def rows_on_a_full_disk(file, rows):
        if file._path.name == written and len(rows) > 1:
            raise system_error(errno.ENOSPC)
        write_rows(file, rows)

    with monkeypatch.context() as patch:
        patch.setattr(records, "write_json", on_a_full_disk)
        patch.setattr(RowFile, "write", rows_on_a_full_disk)
        with pytest.raises(MachineError, match="cannot write the record: No space left .*: /there"):
            run(folder=tmp_path, **SETTINGS)
    assert_resumes(tmp_path, unbroken)


@pytest.mark.parametrize("method", ["save", "close"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_trial(
    tmp_path, unbroken, monkeypatch, method
):
    class FullDisk(Checkpoints):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            manager, real = self._manager, getattr(self._manager, method)

            def on_a_full_disk(*arguments, **more):
                if method == "close" or manager.latest_step() == 4:
                    raise ValueError(f"RESOURCE_EXHAUSTED: {os.strerror(errno.ENOSPC)} [28]")
                real(*arguments, **more)

            setattr(manager, method, on_a_full_disk)

        def save(self, *arguments):
            super().save(*arguments)
            self.wait()

    with monkeypatch.context() as patch:
        patch.setattr(archive, "Checkpoints", FullDisk)
        with pytest.raises(MachineError, match="cannot write a checkpoint: .*No space left"):
            run(folder=tmp_path, **SETTINGS)
    assert_resumes(tmp_path, unbroken)


def test_a_checkpoint_that_the_machine_cannot_read_stays(tmp_path, unbroken, monkeypatch):
    with pytest.raises(MachineError):
        run(folder=tmp_path, reporter=RaisesIn("stepped", KeyError(), after=9), **SETTINGS)

    def unreadable(self, step):
        raise ValueError("reading") from system_error(errno.EIO)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_read", unreadable)
        with pytest.raises(MachineError, match="cannot read the checkpoint .*8: Input/output"):
            run(folder=tmp_path, **SETTINGS)
    assert (tmp_path / "checkpoints" / "8").exists()
    assert not (tmp_path / "unreadable_checkpoints").exists()
    assert_resumes(tmp_path, unbroken)


@pytest.mark.parametrize(
    "error", [system_error(errno.EIO), system_error(errno.ENOENT), DataError("torn"), KeyError(1)]
)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_data_that_cannot_be_read_leave_the_trial(tmp_path, unbroken, split, error):
    workload = toy(target=OUT_OF_REACH)
    opened = dict.fromkeys(("train", "validation"), 0)

    class Torn:
        def __init__(self, batches):
            self._batches = batches
            self._drawn = 0

        def __next__(self):
            self._drawn += 1
            if self._drawn == (6 if split == "train" else 1):
                raise error
            return next(self._batches)

        def __getattr__(self, name):
            return getattr(self._batches, name)

    def dataset(of, *arguments, **more):
        batches = workload.dataset(of, *arguments, **more)
        opened[of] = opened.get(of, 0) + 1
        # The first look at an evaluation split comes before training.
        torn = of == split and (split == "train" or opened[of] == 4)
        return Torn(batches) if torn else batches

    with pytest.raises(MachineError, match="no failure of the submission"):
        run(dataclasses.replace(workload, dataset=dataset), folder=tmp_path, **SETTINGS)
    assert_resumes(tmp_path, unbroken)


def test_errors_of_the_submission_still_fail_the_trial(tmp_path):
    def select(batches, carry, moment):
        if moment.step == 5:
            (tmp_path / "no such file").read_text()
        return next(batches), carry

    result = run(submission=sgd(select=select), folder=tmp_path / "trial", **SETTINGS)
    assert result.outcome.status == "failed"
    assert "FileNotFoundError" in result.outcome.reason
    assert read_json(tmp_path / "trial" / "outcome.json")["status"] == "failed"


def test_a_disk_that_fills_in_a_hook_leaves_the_trial(tmp_path, unbroken):
    def select(batches, carry, moment):
        if moment.step == 5:
            raise RuntimeError("my log") from system_error(errno.ENOSPC)
        return next(batches), carry

    with pytest.raises(MachineError, match="No space left"):
        run(submission=sgd(select=select), folder=tmp_path, **SETTINGS)
    assert read_json(tmp_path / "outcome.json") is None


def test_without_a_folder_the_error_is_the_same():
    with pytest.raises(MachineError):
        run(now=FakeTime(), reporter=RaisesIn("stepped", BrokenPipeError()), **SETTINGS)


def test_a_user_error_passes_machine_work_as_it_is():
    with pytest.raises(UserError, match="^mend it$") as raised, machine_work("write"):
        raise UserError("mend it")
    assert not is_of_the_machine(raised.value)


@pytest.mark.parametrize(
    "error, expected",
    [
        (system_error(errno.ENOSPC), True),
        (system_error(errno.ENOENT), False),
        (OSError("no number"), False),
        (ValueError("the words alone: Input/output error"), False),
        (ExceptionGroup("saving", [KeyError(), system_error(errno.EDQUOT)]), True),
        (FloatingPointError("loss"), False),
    ],
)
def test_is_of_the_machine(error, expected):
    assert is_of_the_machine(error) == expected


def test_the_system_s_words_count_in_what_the_kit_does_itself():
    error = ValueError("tensorstore: DATA_LOSS: Input/output error [5]")
    assert is_of_the_machine(error, in_words=True)


def test_an_error_in_handling_one_of_the_machine_is_the_submission_s():
    try:
        try:
            raise system_error(errno.EIO)
        except OSError:
            raise KeyError("a mistake of its own")  # noqa: B904
    except KeyError as error:
        assert not is_of_the_machine(error)


def test_a_reporter_without_a_method_leaves_the_trial(tmp_path, unbroken):
    class Half:
        def started(self, trial, folder, ledger): ...

    with pytest.raises(MachineError, match="report progress.*stepped"):
        run(folder=tmp_path, reporter=Half(), **SETTINGS)
    assert_resumes(tmp_path, unbroken)
