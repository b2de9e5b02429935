"""A flax module as the pure functions of a workload."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.parameters import Params
from algoperf_jax.workload import (
    ApplyFn,
    Batch,
    BatchNormMode,
    ExampleBatchFn,
    InitFn,
    ModelState,
)


class ModelFunctions(NamedTuple):
    """A model as pure functions.

    Attributes:
      init, apply: see the protocols of `workload`.
      predict: `(params, model_state, batch) -> outputs`, the model as it is used after training:
        running statistics, no dropout.
    """

    init: InitFn
    apply: ApplyFn
    predict: Callable[[Params, ModelState, Batch], Any]


def model_functions(
    network: nn.Module, inputs: Callable[[Batch], Any], example_batch: ExampleBatchFn
) -> ModelFunctions:
    """The functions of a workload's model.

    Args:
      network: called as `network(inputs, train=..., dropout_rate=..., batch_norm=...)`, see
        `workload.ApplyFn`. Dropout draws from the stream "dropout". Variables beside "params" are
        the model state, `{"batch_stats": ...}` where there is batch norm.
      inputs: from one replica's batch to what the network takes.
      example_batch: the workload's; initial parameters do not depend on its size and values.
    """

    def init(rng: jax.Array) -> tuple[Params, ModelState]:
        example = jax.tree.map(lambda x: x[0], example_batch(BatchShare.whole(1)))
        variables = dict(
            network.init(rng, inputs(example), train=False, dropout_rate=0.0, batch_norm="running")
        )
        return variables.pop("params"), variables

    def apply(
        params: Params,
        model_state: ModelState,
        batch: Batch,
        *,
        rng: jax.Array | None,
        train: bool,
        dropout_rate: jax.Array | float,
        batch_norm: BatchNormMode,
    ) -> tuple[Any, ModelState]:
        outputs, written = network.apply(
            {"params": params, **model_state},
            inputs(batch),
            train=train,
            dropout_rate=dropout_rate,
            batch_norm=batch_norm,
            rngs={"dropout": rng} if rng is not None else None,
            mutable=list(model_state),
        )
        return outputs, dict(written) if model_state and batch_norm == "update" else model_state

    def predict(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return network.apply(
            {"params": params, **model_state},
            inputs(batch),
            train=False,
            dropout_rate=0.0,
            batch_norm="running",
        )

    return ModelFunctions(init, apply, predict)
