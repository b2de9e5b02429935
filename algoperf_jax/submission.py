"""The contract of a submission: an optax factory plus optional pure hooks.

An algorithm uses the lowest layer that suffices:

1. `optimizer` alone, any optax transformation. The kit owns forward, backward, reduction over
   replicas and the application of updates; the transformation sees the gradient of the mean loss
   over the global batch.
2. Small hooks beside it: `batch_size`, `objective`, `eval_view`, `select`.
3. A custom `step` that owns its forward and backward passes, and `control`, a decision of the
   host between steps.
"""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import optax

from algoperf_jax.control import Control
from algoperf_jax.errors import UserError
from algoperf_jax.files import check_plain_name
from algoperf_jax.objective_ranges import OBJECTIVE_RANGES, check_objective_value
from algoperf_jax.parameters import Params
from algoperf_jax.problem import Hyperparameters, Problem, TrainState, make_hyperparameters
from algoperf_jax.selection import SelectFn, next_batch
from algoperf_jax.workload import Batch, BatchNormMode, ModelState

Scalar = jax.Array | float


ScalarOrSchedule = Scalar | Callable[[jax.Array, Mapping[str, jax.Array]], Scalar]
"""A number, or a function `(step, knobs) -> scalar` that is traced into the step."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """How the training loss is formed.

    Numbers out of range are refused here, and those that a schedule returns while it is traced or,
    where they are computed on the device, when the step's logs are read.

    Attributes:
      dropout_rate: at least 0 and below 1; None for the workload's default.
      label_smoothing: alpha, at least 0 and below 1.
      grad_clip: None, or c above 0: the gradient times `min(c / (||g|| + 1e-6), 1)`, the
        benchmark's form.

    Raises:
      UserError: a number is out of its range, or a field is none.
    """

    dropout_rate: ScalarOrSchedule | None = None
    label_smoothing: ScalarOrSchedule = 0.0
    grad_clip: ScalarOrSchedule | None = None

    def __post_init__(self) -> None:
        for name in OBJECTIVE_RANGES:
            if not callable(value := getattr(self, name)):
                check_objective_value(name, value)


def objective_from_hyperparameters(hyperparameters: Hyperparameters) -> Objective:
    """The default hook: the objective's fields by their names, where a point has them."""
    return Objective(
        dropout_rate=getattr(hyperparameters, "dropout_rate", None),
        label_smoothing=getattr(hyperparameters, "label_smoothing", 0.0),
        grad_clip=getattr(hyperparameters, "grad_clip", None),
    )


class Gradient(NamedTuple):
    """The mean loss over the global batch and its gradient, equal on all replicas.

    Attributes:
      loss: float32 scalar.
      n_valid: float32 scalar, number of valid entries in the global batch.
      model_state: the statistics after the forward pass, averaged over replicas.
      grads: tree like `params`; None where only the value was asked for.
      per_example: the losses `[replicas, ...]`, or None where they were not asked for.
    """

    loss: jax.Array
    n_valid: jax.Array
    model_state: ModelState
    grads: Params
    per_example: jax.Array | None


class ValueAndGradFn(Protocol):
    """The mean loss over the global batch and its gradient; equal on all replicas.

    What it returns may be differentiated by parameters, model state, dropout rate and label
    smoothing, in both modes, to any order and under `vmap`, on any number of devices.

    Args:
      params: where the gradient is taken.
      model_state: the batch-norm statistics that the forward pass begins with.
      batch: this device's part of the global batch, as the step was given it.
      rng: the step's key, or one derived from it; each replica folds its index into it.
      batch_norm: whether batch norm takes the batch's statistics and updates the running ones
        (`"update"`), takes the batch's alone (`"batch"`), or the running ones (`"running"`).
      dropout_rate: scalar; None for the workload's default.
      label_smoothing: scalar in [0, 1].
      per_example: whether to return the single losses too.

    Raises:
      UserError: an unknown `batch_norm`, with those there are.
    """

    def __call__(
        self,
        params: Params,
        model_state: ModelState,
        batch: Batch,
        rng: jax.Array,
        *,
        batch_norm: BatchNormMode = "update",
        dropout_rate: Scalar | None = None,
        label_smoothing: Scalar = 0.0,
        per_example: bool = False,
    ) -> Gradient: ...


class ValueFn(ValueAndGradFn, Protocol):
    """The same without the gradient, which is None in what it returns; see `ValueAndGradFn`."""


@dataclasses.dataclass(frozen=True)
class StepContext:
    """What a custom step is given beside state and batch.

    A step runs on every device: its batch holds this device's replicas `[lanes, ...]` and is meant
    to be handed on to `value_and_grad`, whose results are equal on all devices.

    Attributes:
      problem: the facts of the workload.
      hyperparameters: the trial's point.
      optimizer: what the submission's `optimizer` made, as it made it.
      objective: what its `objective` made.
      phase: the static value that `control` has set, None at first.
      knobs: the scalars that `control` has set.
      elapsed_fraction: float32 scalar, submission time so far over the budget.
      value_and_grad, value: the loss with and without its gradient; see their protocols.
    """

    problem: Problem
    hyperparameters: Hyperparameters
    optimizer: optax.GradientTransformation
    objective: Objective
    phase: Any
    knobs: Mapping[str, jax.Array]
    elapsed_fraction: jax.Array
    value_and_grad: ValueAndGradFn
    value: ValueFn


@dataclasses.dataclass(frozen=True)
class Submission:
    """A training algorithm.

    Attributes:
      optimizer: `(hyperparameters, problem) -> optax.GradientTransformation[ExtraArgs]`. Its
        `update` is offered, by keyword: `value`, `grad`, `value_fn(params)`, `grad_fn(params, i)`
        (both on the same batch and rng, batch norm in mode `batch`), `step`, `rng`, `knobs` and
        `elapsed_fraction`; it takes those it names.
      name: what records and folders call it; letters, digits, `_ . + -` and inner spaces.
      description: one line.
      hyperparameters: its default point; a given point must have the same names.
      batch_size: `workload_name -> global batch size`, or None (a KeyError of the name is one,
        too) where it has none of its own, which leaves it to the workload. At full scale it is
        asked for the workload's name, then for that of its base; at scale mini for `<name>_mini`
        alone, as sizes for the benchmark do not fit there. Anything else that it raises is an
        error.
      objective: `hyperparameters -> Objective`.
      eval_view: `(state, hyperparameters) -> (params, model_state)` to evaluate with, from the
        whole `TrainState`; training goes on from the state it had.
      select: `(batches, carry, moment) -> (batch, carry)`, the batch of the next step; see
        `selection.SelectFn`.
      step: `(context, state, batch, rng) -> (state, logs)` in place of the stock step. Like an
        update it is free of side effects: on a copy of the state it is run off the clock, too,
        where compilation is not charged.
      control: a decision of the host between steps.
      search_space: the tuning search space as JSON data, or None.
      file: what it was loaded from, filled in by `reference_algorithms.get`; see `identity`.
    """

    optimizer: Callable[[Hyperparameters, Problem], optax.GradientTransformation]
    name: str = "unnamed"
    description: str = ""
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    batch_size: Callable[[str], int | None] | None = None
    objective: Callable[[Hyperparameters], Objective] = objective_from_hyperparameters
    eval_view: Callable[[TrainState, Hyperparameters], tuple[Params, ModelState]] | None = None
    select: SelectFn = next_batch
    step: Callable[[StepContext, TrainState, Batch, jax.Array], tuple[TrainState, dict]] | None = (
        None
    )
    control: Control | None = None
    search_space: Any = None
    file: Path | None = None

    def __post_init__(self) -> None:
        check_plain_name(self.name, "submission")

    def point(self, given: Mapping[str, Any] | None) -> Hyperparameters:
        """The default point with the given values in place.

        Raises:
          UserError: a given name that the submission does not take, with those it takes, or a
            value that is no finite number, or no switch, where the default is one.
        """
        unknown = [name for name in given or {} if name not in self.hyperparameters]
        if unknown:
            raise UserError(
                f"submission {self.name!r} takes no hyperparameter {unknown[0]!r}; it takes "
                f"{', '.join(self.hyperparameters) or 'none'}"
            )
        for name, value in (given or {}).items():
            default = self.hyperparameters[name]
            for kind, is_one in (("a finite number", _is_number), ("True or False", _is_switch)):
                if is_one(default) and not is_one(value):
                    raise UserError(
                        f"submission {self.name!r}: hyperparameter {name!r} is {kind}, {value!r} "
                        "was given"
                    )
        return make_hyperparameters({**self.hyperparameters, **(given or {})})


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not _is_switch(value) and math.isfinite(value)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)
