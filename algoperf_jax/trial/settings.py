"""What is chosen for a trial, beside workload and submission."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from algoperf_jax.errors import UserError
from algoperf_jax.rules import DEFAULT_RULES, Tuning


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is chosen for a trial, beside workload and submission.

    Attributes:
      rules: name of the rule set.
      tuning: `"external"` for one given point, `"self"` for the self-tuning budget.
      hyperparameters: values that replace those of the submission's default point.
      seed: of the experiment; study and trial are folded into it.
      study, trial: which study (from 0) and which of its trials (from 1) this is.
      replicas: None for the accelerators of the rule set at full scale and one per device at mini.
      batch_size: global; None for the submission's choice, or else the workload's.
      max_steps: ends the training after so many steps.
      stop_at: `"validation"` ends at the validation target, `"both"` goes on to the test target.
      eval_every_steps: evaluates after so many steps rather than after so much time, which makes
        a run reproducible to the last row, and its times no longer the benchmark's.
      data_dir: where the full-scale data lie.
      checkpoint_every_seconds: wall time between two checkpoints, which follow evaluations; None
        for one after each evaluation. The end of a trial is always kept.
      compilation_cache: folder of JAX's persistent compilation cache, which takes compilation off
        the clock from the second time on: for development, at scale full it does not count. None
        for none, whatever the environment says.
    """

    rules: str = DEFAULT_RULES
    tuning: Tuning = "external"
    hyperparameters: Mapping[str, Any] | None = None
    seed: int = 0
    study: int = 0
    trial: int = 1
    replicas: int | None = None
    batch_size: int | None = None
    max_steps: int | None = None
    stop_at: Literal["validation", "both"] = "validation"
    eval_every_steps: int | None = None
    data_dir: Path | None = None
    checkpoint_every_seconds: float | None = None
    compilation_cache: Path | None = None

    def __post_init__(self) -> None:
        for name, choices in (("tuning", ("external", "self")), ("stop_at", STOP_AT)):
            if getattr(self, name) not in choices:
                raise UserError(
                    f"{name}: {getattr(self, name)!r} given, it is one of {', '.join(choices)}"
                )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name not in ("seed", "study", "trial"):
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise UserError(f"{name}: {value!r} given, an int is needed")
            if value < least:
                raise UserError(f"{name}: {value} given, at least {least} is needed")
            if value > LARGEST:
                raise UserError(f"{name}: {value} given, it has to be below 2**32")
        every = self.checkpoint_every_seconds
        if every is not None and not (isinstance(every, int | float) and every >= 0):
            raise UserError(
                f"checkpoint_every_seconds: {every!r} given, a number of seconds is needed, 0 for "
                "a checkpoint after every evaluation"
            )


STOP_AT = ("validation", "both")
LARGEST = 2**32 - 1
"""Of all whole numbers; what is folded into a random key has 32 bits."""
_LEAST = {
    "seed": 0,
    "study": 0,
    "trial": 1,
    "replicas": 1,
    "batch_size": 1,
    "max_steps": 1,
    "eval_every_steps": 1,
}
