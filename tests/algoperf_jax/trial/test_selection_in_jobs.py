"""What `select` carries, kept by a job of two processes and taken up by one."""

import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from toy_runs import ECHOING_SETTINGS, each_batch_twice, run, sgd

PROGRAM = Path(__file__).parent / "echoing_job.py"


@pytest.mark.slow  # test_processes runs jobs, test_selection resumes what a hook carries
def test_trial_of_two_processes_goes_on_in_one_between_the_two_uses_of_a_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(port), "2", str(index), str(tmp_path / "trial")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)

    echoing = sgd(select=each_batch_twice)
    resumed = run(submission=echoing, folder=tmp_path / "trial", **ECHOING_SETTINGS)
    unbroken = run(submission=echoing, **ECHOING_SETTINGS)
    assert resumed.ledger.preemption_count == 1
    # The order of additions is another one.
    for x, y in zip(*(jax.tree.leaves(r.state) for r in (resumed, unbroken)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
