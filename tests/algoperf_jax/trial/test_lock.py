"""One process at a time works on a trial's folder."""

import dataclasses
import errno
import fcntl
import os
import shutil
import socket
import subprocess
import sys

import pytest
from toy_runs import run, sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.trial.archive import sole_use_by_job
from algoperf_jax.trial.lock import sole_use
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train

HOLD = """
import pathlib, sys, time
from algoperf_jax.trial.lock import sole_use
with sole_use(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path / "trial"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "trial")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("overwrite", [False, True])
def test_second_process_is_told_who_works_on_the_trial_and_touches_nothing(
    tmp_path, holder, overwrite
):
    folder = tmp_path / "trial"
    if overwrite:
        (folder / "meta_data.json").write_text("{}")
    before = sorted(folder.iterdir())
    said = rf"process {holder.pid} on {socket.gethostname()} is at work on this trial"
    with pytest.raises(UserError, match=said):
        train(toy(), sgd(), Settings(replicas=2, max_steps=1), folder=folder, overwrite=overwrite)
    assert sorted(folder.iterdir()) == before


def test_process_that_died_does_not_block(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert run(folder=tmp_path / "trial", max_steps=1).ledger.step == 1


def test_trial_that_ended_while_this_one_was_set_up_is_not_run_again(tmp_path):
    folder = tmp_path / "trial"

    def slow_dataset(*args, **kwargs):
        if not folder.exists():
            folder.mkdir()
            run(folder=folder, max_steps=1)
        return toy().dataset(*args, **kwargs)

    with pytest.raises(UserError, match="holds this trial already, ended"):
        run(toy(dataset=slow_dataset), folder=folder, max_steps=1)


def test_folder_that_was_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    folder, lock, removed = tmp_path / "trial", fcntl.flock, []

    def remove_then_lock(file, operation):
        if not removed:
            removed.append(shutil.rmtree(folder))
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with sole_use(folder):
        monkeypatch.setattr(fcntl, "flock", lock)
        with pytest.raises(UserError, match=f"process {os.getpid()} on"), sole_use(folder):
            pass


def test_file_system_without_locks_runs_trials_without(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert run(folder=tmp_path / "trial", max_steps=1).ledger.step == 1


def test_all_processes_of_a_job_learn_that_the_folder_is_taken(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class SecondProcess:
        process_index: int = 1

        def max_over_processes(self, number):
            return max(number, 1.0)  # the first process found it taken

    with (
        pytest.raises(UserError, match="process 0 of this job may not use it"),
        sole_use_by_job(tmp_path / "trial", SecondProcess()),
    ):
        pass
