"""Schedules and trajectories of the baselines against those of the reference implementation."""

import numpy as np
import pytest
from golden_vectors import GoldenSet
from optimizer_problems import golden_quadratic, optimizer_of, trajectory

import reference_algorithms

PAPER = "archived_paper_baselines/"
SUBMISSIONS = {PAPER + name: name for name in ("adamw", "nadamw", "momentum", "nesterov")}


def assert_trajectory(submission, record, golden: GoldenSet, rtol: float) -> None:
    start, grad_at = golden_quadratic(golden)
    rows = record["params_after_step"]
    optimizer = optimizer_of(
        submission, record["hyperparameters"], start, step_hint=record["step_hint"]
    )
    visited = trajectory(optimizer, start, grad_at, steps=rows[-1][0])
    for step, expected in rows:
        for name, values in expected.items():
            found = visited[step - 1][name].ravel()
            np.testing.assert_allclose(
                found[: len(values)], values, rtol=0, atol=rtol, err_msg=f"{name}, step {step}"
            )


@pytest.mark.parametrize("title", SUBMISSIONS)
def test_trajectory_is_that_of_the_reference(title: str, golden: GoldenSet):
    record = golden.load("protocol")["optimizers"][title]
    assert_trajectory(reference_algorithms.get(SUBMISSIONS[title]), record, golden, rtol=1e-6)
