"""The options of a suite."""

import dataclasses
from pathlib import Path

from algoperf_jax.rules import Tuning


@dataclasses.dataclass(frozen=True)
class SuiteChoices:
    """Submission, rules and extent of a suite, and the folder of its records.

    Attributes:
      submission: as `train.py` takes it: a name, a file or an import path.
      scale: `"mini"` or `"full"`.
      rules: name of the rule set.
      tuning: `"external"` or `"self"`.
      studies, trials: how many; None for the defaults of `plan.extent`.
      search_space: JSON file to draw points from; None for the submission's own space.
      seed: decides points and every random draw.
      replicas, max_steps, eval_every_steps: as `train.py` takes them; None where not given.
      checkpoint_every_seconds: as `train.py` takes it; no part of what identifies a trial.
      data_dir: the benchmark's data sets; None at scale mini.
      cache_dir: where embedded data are unpacked; None for the default.
      experiment_dir: where records are kept.
      grace_seconds: how long a trial may run past its budget, evaluations left out; None for the
        scale's `supervision.GRACE_SECONDS`.
    """

    submission: str
    scale: str = "mini"
    rules: str = "v0.5"
    tuning: Tuning = "external"
    studies: int | None = None
    trials: int | None = None
    search_space: Path | None = None
    seed: int = 0
    replicas: int | None = None
    max_steps: int | None = None
    eval_every_steps: int | None = None
    checkpoint_every_seconds: float | None = None
    data_dir: Path | None = None
    cache_dir: Path | None = None
    experiment_dir: Path = Path("experiments")
    grace_seconds: float | None = None
