"""What is kept of a trial on disk: checkpoints at a distance, and what a resume makes of them."""

import csv
import dataclasses
import io

import jax
import pytest
from fake_time import FakeTime
from interruptions import Interrupt, InterruptIn
from toy_runs import OUT_OF_REACH, run, sgd, slow_selection
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.rules import Limits
from algoperf_jax.trial.archive import Archive, Snapshot
from algoperf_jax.trial.ledger import Ledger
from algoperf_jax.trial.progress import Lines, Silent
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import Trial
from algoperf_jax.trial.training import train


def checkpoints_in(folder):
    return sorted(int(entry.name) for entry in (folder / "checkpoints").iterdir())


def steps_in_the_record(folder):
    with open(folder / "eval_measurements.csv") as file:
        return [int(row["global_step"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("seconds", "steps"),
    # Evaluations at 4, 8, ..., 36 s: with 10 s between them, steps 1, 4 (12 s later), 7 and the end
    # are kept; of these the newest two remain.
    [(None, [8, 9]), (10.0, [7, 9]), (1000.0, [1, 9])],
)
def test_checkpoints_keep_their_distance_and_the_end_is_always_kept(tmp_path, seconds, steps):
    now, folder = FakeTime(), tmp_path / "trial"
    settings = {"max_steps": 9, "eval_every_steps": 1, "checkpoint_every_seconds": seconds}
    run(submission=sgd(select=slow_selection(now, 4.0)), now=now, folder=folder, **settings)
    assert checkpoints_in(folder) == steps
    assert steps_in_the_record(folder) == list(range(1, 10))


def test_steps_after_the_last_evaluation_are_kept_at_the_end(tmp_path):
    now, folder = FakeTime(), tmp_path / "trial"
    # Steps end at 4, 8, ..., 28 s; evaluations follow steps 1 and 4.
    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 25.0, 10.0)})
    run(workload, sgd(select=slow_selection(now, 4.0)), now=now, folder=folder)
    assert checkpoints_in(folder) == [4, 7]


def test_resume_from_an_older_checkpoint_takes_the_rows_back_to_it(tmp_path):
    now, folder, seen = FakeTime(), tmp_path / "trial", []
    arguments = {"now": now, "folder": folder, "max_steps": 7, "eval_every_steps": 1}
    arguments["checkpoint_every_seconds"] = 10.0
    arguments["submission"] = sgd(select=slow_selection(now, 4.0))
    with pytest.raises(Interrupt):
        run(**arguments, reporter=InterruptIn(step=7))
    assert steps_in_the_record(folder) == [1, 2, 3, 4, 5, 6]

    class Noting(Silent):
        def stepped(self, step, logs, elapsed_seconds):
            seen.append(steps_in_the_record(folder))

    resumed = run(**arguments, reporter=Noting())
    assert seen[0] == [1, 2, 3, 4]
    assert steps_in_the_record(folder) == [1, 2, 3, 4, 5, 6, 7]
    assert resumed.ledger.step == 7


def test_distance_between_checkpoints_does_not_identify_a_trial(tmp_path):
    folder = tmp_path / "trial"
    arguments = {"folder": folder, "max_steps": 5, "eval_every_steps": 1}
    with pytest.raises(Interrupt):
        run(**arguments, reporter=InterruptIn(step=4))
    resumed = run(checkpoint_every_seconds=1e9, **arguments)
    assert (resumed.ledger.step, resumed.ledger.preemption_count) == (5, 1)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "60"])
def test_distance_that_is_none_is_refused(seconds):
    with pytest.raises(UserError, match="checkpoint_every_seconds: .* a number of seconds"):
        Settings(checkpoint_every_seconds=seconds)


def test_processes_write_a_checkpoint_when_one_of_them_has_waited_long_enough(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class WithASlowOther:
        process_index: int = 0

        def max_over_processes(self, number):
            return max(number, 60.0)

    archive = Archive(tmp_path, WithASlowOther(), FakeTime(), checkpoint_every_seconds=60.0)
    snapshots = []

    def snapshot():
        snapshots.append(1)
        return Snapshot({"w": jax.numpy.ones(3)}, {}, None)

    archive.restore({"w": jax.numpy.ones(3)})
    for step in (1, 2):
        archive.evaluated(Ledger(step=step), snapshot)
    archive.close()
    assert len(snapshots) == 2


def damage(folder, steps):
    for step in steps:
        (folder / "checkpoints" / str(step) / "ledger" / "metadata").write_text("{")


def test_trial_with_a_damaged_checkpoint_goes_on_from_the_one_before_and_says_so(tmp_path):
    folder, out = tmp_path / "trial", io.StringIO()
    arguments = {"max_steps": 6, "eval_every_steps": 1}
    # The file that defines an optimizer identifies the trial, so all three are sgd's.
    with pytest.raises(Interrupt):
        run(folder=folder, **arguments, reporter=InterruptIn(step=4))
    damage(folder, [3])
    settings = Settings(replicas=2, **arguments)
    reporter = Lines(out)
    resumed = train(
        toy(target=OUT_OF_REACH),
        sgd(),
        settings,
        folder=folder,
        now=FakeTime(),
        reporter=reporter,
    )
    unbroken = run(**arguments)
    assert "the checkpoint of step 3 cannot be read (JSONDecodeError: " in out.getvalue()
    assert "goes back to step 2" in out.getvalue()
    (told,) = read_json(folder / "outcome.json")["unreadable_checkpoints"]
    assert told["step"] == 3
    for a, b in zip(*map(jax.tree.leaves, (resumed.state, unbroken.state)), strict=True):
        assert (a == b).all()
    assert steps_in_the_record(folder) == [1, 2, 3, 4, 5, 6]


def test_trial_whose_checkpoints_are_all_damaged_has_not_failed(tmp_path):
    folder = tmp_path / "trial"
    arguments = {"folder": folder, "max_steps": 6, "eval_every_steps": 1}
    with pytest.raises(Interrupt):
        run(**arguments, reporter=InterruptIn(step=4))
    damage(folder, [2, 3])
    with pytest.raises(UserError, match="no checkpoint in .* can be read .*--overwrite"):
        run(**arguments)
    assert not (folder / "outcome.json").exists()
    assert steps_in_the_record(folder) == [1, 2, 3]


def test_error_before_an_interrupted_trial_is_restored_does_not_fail_it(tmp_path, monkeypatch):
    folder = tmp_path / "trial"
    arguments = {"folder": folder, "max_steps": 6, "eval_every_steps": 1}
    with pytest.raises(Interrupt):
        run(**arguments, reporter=InterruptIn(step=4))

    def no_memory(trial):
        raise MemoryError("none left")

    monkeypatch.setattr(Trial, "initial_state", no_memory)
    with pytest.raises(UserError, match="cannot resume .*: MemoryError: none left"):
        run(**arguments)
    assert not (folder / "outcome.json").exists()


def test_failed_trial_says_how_long_it_ran(tmp_path):
    now, folder, taken = FakeTime(), tmp_path / "trial", []

    def select(batches, carry, moment):
        now.advance(4.0)
        taken.append(1)
        if len(taken) == 3:
            raise ValueError("no more of this")
        return next(batches), carry

    result = run(submission=sgd(select=select), now=now, folder=folder)
    outcome = read_json(folder / "outcome.json")
    assert (outcome["status"], outcome["submission_seconds"], outcome["step"]) == ("failed", 12, 2)
    assert result.ledger.submission_seconds == 12
    with open(folder / "measurements.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert (float(last["score"]), int(last["global_step"])) == (12.0, 2)
