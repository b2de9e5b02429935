"""What a submission is told of its trial, and the state it trains."""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax

from algoperf_jax.errors import UserError
from algoperf_jax.parameters import Params
from algoperf_jax.workload import LossType, ModelState

Hyperparameters = Any  # a named tuple, fields in the order of the point that was given


def make_hyperparameters(point: Mapping[str, Any]) -> Hyperparameters:
    """The point as a named tuple `Hyperparameters`, fields in the point's order."""
    try:
        return collections.namedtuple("Hyperparameters", point.keys())(**point)
    except ValueError as error:
        raise UserError(f"hyperparameters {dict(point)}: {error}") from None


@dataclasses.dataclass(frozen=True)
class Problem:
    """What the rules let a submission know of its workload.

    Attributes:
      loss_type: what the loss is.
      target_metric, target_direction, target_value: the validation target.
      step_hint: number of steps a good algorithm needs; the horizon for schedules.
      budget_seconds: submission time until the trial ends, the rule set's factor applied.
      eval_period_seconds: submission time between evaluations.
      num_train_examples: size of the training split.
      batch_size: global batch size of this trial.
      num_replicas: into how many equal parts a batch is divided.
      default_dropout_rate: the workload's rate, used unless the submission chooses one.
      supports_label_smoothing: whether the loss heeds label smoothing.
      parameters: a tree of `ParameterInfo` with exactly the structure of `params`.
    """

    loss_type: LossType
    target_metric: str
    target_direction: Literal["max", "min"]
    target_value: float
    step_hint: int
    budget_seconds: float
    eval_period_seconds: float
    num_train_examples: int
    batch_size: int
    num_replicas: int
    default_dropout_rate: float
    supports_label_smoothing: bool
    parameters: Any


class TrainState(NamedTuple):
    """What a training step maps to its successor.

    Attributes:
      step: int32 scalar, completed steps of the trial (a restart does not reset it).
      params: the parameters that the next gradient is taken at.
      model_state: batch-norm statistics.
      opt_state: the optimizer's state, a pytree of arrays.
    """

    step: jax.Array
    params: Params
    model_state: ModelState
    opt_state: Any
