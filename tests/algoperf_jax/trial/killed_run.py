"""A trial for `test_resume.py` to kill: `python killed_run.py FOLDER STEPS [STEPS_AT_KILL]`."""

import os
import signal
import sys
from pathlib import Path

# This file's own folder bears the package's name; the package has to come first.
TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from fake_time import FakeTime
from toy_runs import each_batch_twice
from toy_workload import toy

from algoperf_jax.rules import Target
from algoperf_jax.submission import Submission
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms import get


def main(folder, steps, killed_at=None):
    def select(batches, carry, moment):
        if moment.step == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return each_batch_twice(batches, carry, moment)

    nadamw = get("nadamw")
    submission = Submission(
        optimizer=nadamw.optimizer,
        hyperparameters=nadamw.hyperparameters | {"dropout_rate": 0.1},
        name="nadamw",
        select=select,
    )
    result = train(
        toy(target=Target("score", "max", 1.0, 1.0)),
        submission,
        Settings(max_steps=steps, eval_every_steps=5, replicas=2),
        folder=Path(folder),
        now=FakeTime(),
    )
    assert result.outcome.status == "training complete", result.traceback


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
