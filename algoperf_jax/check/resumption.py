"""Whether a trial that was broken off and resumed ends as one that never was."""

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from algoperf_jax.check.source import Finding
from algoperf_jax.submission import Submission
from algoperf_jax.trial.progress import Silent
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import Workload

STEPS = 3
BROKEN_STEP = 2
"""Broken off here, a trial goes on from its checkpoint of the step before."""


class _Break(BaseException):
    pass


class _BreakingReporter(Silent):
    def stepped(self, step: int, logs: Mapping[str, float], elapsed_seconds: float) -> None:
        if step == BROKEN_STEP:
            raise _Break


def check_resumption(
    workload: Workload,
    submission: Submission,
    settings: Settings,
    folder: Path,
    cache_dir: Path,
) -> list[Finding]:
    """Trains three steps twice, once broken off in the second and resumed; compares the states.

    The clock stands still, so that what depends on time does so alike.

    Args:
      workload, submission: of the training, which is known to succeed.
      settings: rules and tuning; the number of steps is replaced.
      folder: for the record; empty or not there.
      cache_dir: where embedded data are expanded.
    """
    # A target met on the way would end the trial.
    beyond = workload.target.out_of_reach
    target = dataclasses.replace(workload.target, validation=beyond, test=beyond)
    workload = dataclasses.replace(workload, target=target)
    settings = dataclasses.replace(settings, max_steps=STEPS, eval_every_steps=1)
    arguments: dict[str, Any] = {"cache_dir": cache_dir, "now": lambda: 0.0}
    whole = train(workload, submission, settings, reporter=Silent(), **arguments)
    with contextlib.suppress(_Break):
        breaking = _BreakingReporter()
        train(workload, submission, settings, folder=folder, reporter=breaking, **arguments)
    resumed = train(workload, submission, settings, folder=folder, reporter=Silent(), **arguments)
    leaves = jax.tree_util.tree_leaves_with_path(whole.state)
    for (path, a), b in zip(leaves, jax.tree.leaves(resumed.state), strict=True):
        if not np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True):
            text = (
                f"{workload.name}: a trial that was broken off and resumed ends with other numbers "
                f"at {jax.tree_util.keystr(path)}; what an algorithm remembers belongs into its "
                "state, or into what its hooks return, which checkpoints keep"
            )
            return [Finding("violation", text)]
    return []
