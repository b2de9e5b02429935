"""A killed and resumed trial against an unbroken one: parameters bit for bit, rows, data order."""

import csv
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parent / "killed_run.py"
STEPS = 40


def start(folder, *arguments):
    command = [sys.executable, str(PROGRAM), str(folder), str(STEPS), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def final_state(folder):
    """All arrays of the newest checkpoint, by path, and its ledger."""
    import orbax.checkpoint as ocp

    manager = ocp.CheckpointManager(folder / "checkpoints")
    arguments = ocp.args.Composite(state=ocp.args.StandardRestore(), ledger=ocp.args.JsonRestore())
    assert manager.latest_step() == STEPS
    found = manager.restore(STEPS, args=arguments)
    return found.state, found.ledger


def evaluation_rows(folder):
    """The evaluation rows without the number of interruptions, which is meant to differ."""
    with open(folder / "eval_measurements.csv") as file:
        return [
            {k: v for k, v in r.items() if k != "preemption_count"} for r in csv.DictReader(file)
        ]


def assert_same_run(folder, unbroken):
    state, ledger = final_state(folder)
    expected, expected_ledger = final_state(unbroken)
    assert state.keys() == expected.keys()
    for name in state:
        np.testing.assert_array_equal(state[name], expected[name], err_msg=name)
    assert evaluation_rows(folder) == evaluation_rows(unbroken)
    # The position in the data and the number of steps are those of a run without a break.
    assert ledger["stream"] == expected_ledger["stream"]
    assert ledger["ledger"]["step"] == expected_ledger["ledger"]["step"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "trial"
    process = start(folder)
    assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    return folder


def test_killed_between_evaluations_and_between_the_two_uses_of_a_batch(tmp_path, unbroken):
    # Killed after 17 and after 23 steps. It goes on from the evaluations after 15 and 20: every
    # batch is used twice, so the one that step 15 used first is carried through the first break.
    folder = tmp_path / "trial"
    assert start(folder, 17).wait(timeout=300) == -9
    assert start(folder, 23).wait(timeout=300) == -9
    process = start(folder)
    assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    assert_same_run(folder, unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_moments(seed, tmp_path, unbroken):
    """Kills at any moment, while files and checkpoints are written too."""
    folder = tmp_path / "trial"
    generator = random.Random(seed)
    for _ in range(4):
        process = start(folder)
        deadline = time.monotonic() + generator.uniform(2.0, 7.0)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        process.wait()
        if (folder / "outcome.json").exists():
            shutil.rmtree(folder)  # it had ended; begin again rather than test nothing
    process = start(folder)
    assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    assert_same_run(folder, unbroken)
