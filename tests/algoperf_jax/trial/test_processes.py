"""A job of two processes against one process with the same replicas."""

import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from toy_workload import toy

from algoperf_jax.files import read_json
from algoperf_jax.rules import Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms import get

PROGRAM = Path(__file__).parent / "job_process.py"


def test_two_processes_equal_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "trial"
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(port), "2", str(index), str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)

    expected = train(
        toy(target=Target("score", "max", 1.0, 1.0)),
        get("nadamw"),
        Settings(max_steps=6, eval_every_steps=3, replicas=4),
    )
    losses = [row["validation/loss"] for row in expected.ledger.evaluations]
    for index in range(2):
        found = np.load(f"{out}-{index}.npz")
        # A float32 holds neither 1e6 + 1e-9 nor its difference from 1e6.
        assert float(found["agreed"]) == 1e6 + 1e-9 > 1e6
        assert found["losses"] == pytest.approx(losses, rel=1e-5)
        for i, leaf in enumerate(jax.tree.leaves(expected.state)):
            np.testing.assert_allclose(found[str(i)], leaf, rtol=1e-5, atol=1e-6)
    assert read_json(out / "outcome.json")["status"] == "training complete"
    assert read_json(out / "meta_data.json")["process_count"] == 2
