"""The contract of `control`: a decision of the host between steps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from algoperf_jax import contracts
from algoperf_jax.errors import UserError

if TYPE_CHECKING:  # a submission has a control, so at run time the import is the other way round
    from algoperf_jax.problem import Hyperparameters, Problem, TrainState


class Evaluation(NamedTuple):
    """One evaluation as `control` sees it; test metrics are not for the algorithm.

    Attributes:
      step: completed steps.
      elapsed_seconds: submission time.
      metrics: values on the training subset and the validation split, `"validation/loss"`.
    """

    step: int
    elapsed_seconds: float
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Progress:
    """What `control` is told.

    Attributes:
      problem: the facts of the workload.
      hyperparameters: the trial's point.
      step: completed steps.
      elapsed_seconds, budget_seconds: submission time used and allowed.
      logs: scalars of the newest finished step, `loss` and `grad_norm` among them.
      evaluations: all evaluations so far.
      phase, knobs, host_state: as the last directive left them.
      state: reads the training state as host arrays; waits for the device.
      initial_state: makes the state this trial began with, again.
    """

    problem: Problem
    hyperparameters: Hyperparameters
    step: int
    elapsed_seconds: float
    budget_seconds: float
    logs: Mapping[str, float]
    evaluations: Sequence[Evaluation]
    phase: Any
    knobs: Mapping[str, float]
    host_state: Any
    state: Callable[[], TrainState]
    initial_state: Callable[[], TrainState]


@dataclasses.dataclass(frozen=True)
class Directive:
    """What `control` decides; a field left at None changes nothing.

    Attributes:
      phase: a string or number, static in the step (one compilation for each).
      knobs: scalars by name, traced in the step (no compilation).
      state: a training state that replaces the present one; its `step` is ignored.
      host_state: numpy arrays or numbers by name, kept and checkpointed for the next decision.
      stop: True ends the training with one last evaluation.
    """

    phase: str | int | float | None = None
    knobs: Mapping[str, float] | None = None
    state: TrainState | None = None
    host_state: Mapping[str, Any] | None = None
    stop: bool = False

    def check(self, knobs: Mapping[str, float], state_types: TrainState) -> None:
        """Raises a `UserError` for what could not be carried out or kept in a checkpoint.

        Args:
          knobs: the knobs there are.
          state_types: shapes and dtypes of the training state.
        """
        if self.phase is not None and not isinstance(self.phase, str | int | float):
            raise UserError(f"control: a phase is a string or a number, found {self.phase!r}")
        unknown = [name for name in self.knobs or {} if name not in knobs]
        if unknown:
            raise UserError(
                f"control: there is no knob {unknown[0]!r}; declare it with Control(knobs=...), "
                f"declared are {', '.join(knobs) or 'none'}"
            )
        for name, value in (self.knobs or {}).items():
            _check_knob(name, value)
        if self.state is not None:
            contracts.check_same_tree(self.state[1:], state_types[1:], "control: the state it sets")
        for name, value in (self.host_state or {}).items():
            if not np.size(value) or np.asarray(value).dtype.kind not in "biufc":
                raise UserError(
                    f"control: host_state[{name!r}] is {value!r}; an array with elements or a "
                    "number is needed"
                )


@dataclasses.dataclass(frozen=True)
class Control:
    """A decision of the host at a declared cadence, on the clock.

    Attributes:
      decide: `Progress -> Directive | None`.
      every_steps: call it after every so many steps, at least 1.
      after_eval: call it after each evaluation; this or `every_steps` has to be chosen.
      knobs: the knobs' first values; a directive changes values, never names.
      survives_nan: a loss that is not a number does not fail the trial, because `decide` will see
        it and restart.
    """

    decide: Callable[[Progress], Directive | None]
    every_steps: int | None = None
    after_eval: bool = False
    knobs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    survives_nan: bool = False

    def __post_init__(self) -> None:
        if self.every_steps is None and not self.after_eval:
            raise UserError(
                "control: it would never be called; choose every_steps=N or after_eval=True"
            )
        every = self.every_steps
        if every is not None and (isinstance(every, bool) or not isinstance(every, int)):
            raise UserError(f"control: every_steps: {every!r} given, an int is needed")
        if every is not None and every < 1:
            raise UserError(f"control: every_steps: {every} given, at least 1 is needed")
        for name, value in self.knobs.items():
            _check_knob(name, value)


def knob_values(knobs: Mapping[str, Any]) -> dict[str, float]:
    """Knobs as Python numbers, which records can hold; NumPy's and JAX's scalars among them."""
    return {name: float(value) for name, value in knobs.items()}


def _check_knob(name: str, value: Any) -> None:
    """Raises a `UserError` unless the value is a finite number."""
    try:
        finite = math.isfinite(value)
    except TypeError:
        finite = False
    if not finite:
        raise UserError(f"control: knob {name!r} is {value!r}; a finite number is needed")
