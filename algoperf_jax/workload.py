"""The contract of a workload: a frozen record of facts and pure functions.

A workload fixes everything a training algorithm may not change: the data, the model, the loss,
the metric and the target. Its functions are free of side effects and can be jitted; only
`dataset` and `locate_data` touch files.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import jax

from algoperf_jax.errors import UserError
from algoperf_jax.files import check_plain_name
from algoperf_jax.parameters import Params, infer_kinds
from algoperf_jax.rules import Limits, Target

Batch = Any  # a pytree of arrays; on the host its leaves have a leading replica axis
ModelState = Any  # batch-norm statistics; an empty dict where a model has none
Scale = Literal["full", "mini"]
Split = Literal["train", "eval_train", "validation", "test"]

BatchNormMode = Literal["update", "batch", "running"]
"""How batch norm behaves in a forward pass:
`update`: normalise with the batch's statistics, return new running ones;
`batch`: normalise with the batch's statistics, running ones unchanged;
`running`: normalise with the running statistics."""


class LossType(enum.IntEnum):
    """The benchmark's loss types, with its numbering."""

    SOFTMAX_CROSS_ENTROPY = 0
    SIGMOID_CROSS_ENTROPY = 1
    MEAN_SQUARED_ERROR = 2
    CTC_LOSS = 3
    MEAN_ABSOLUTE_ERROR = 4


class LossTerms(NamedTuple):
    """A batch's loss in terms that add up over batches and replicas.

    Attributes:
      summed: float32 scalar, the sum of the losses of the valid entries.
      n_valid: float32 scalar, how many entries are valid; `summed / n_valid` is the mean loss.
      per_example: float32, the single losses, 0 where an entry is not valid.
    """

    summed: jax.Array
    n_valid: jax.Array
    per_example: jax.Array


class BatchIterator(Protocol):
    """An iterator of host batches that can say where it stands and go on from there.

    Batches are pytrees of numpy arrays `[replicas, ...]`. `get_state` describes the position
    behind the last batch returned as a dict that JSON can hold; after `set_state` with it another
    iterator made with the same arguments returns the same batches.
    """

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def get_state(self) -> dict[str, Any]: ...

    def set_state(self, state: dict[str, Any]) -> None: ...


class InitFn(Protocol):
    """`init(rng) -> (params, model_state)`, float32 trees."""

    def __call__(self, rng: jax.Array) -> tuple[Params, ModelState]: ...


class ApplyFn(Protocol):
    """The forward pass on one replica's batch.

    `train` switches dropout and the like on; `dropout_rate` may be traced, and rate 0 drops
    nothing. Returns the model's outputs and the model state that `batch_norm` asks
    for.
    """

    def __call__(
        self,
        params: Params,
        model_state: ModelState,
        batch: Batch,
        *,
        rng: jax.Array,
        train: bool,
        dropout_rate: jax.Array | float,
        batch_norm: BatchNormMode,
    ) -> tuple[Any, ModelState]: ...


class LossFn(Protocol):
    """The loss of the model's outputs on one replica's batch, without any regularisation."""

    def __call__(
        self, outputs: Any, batch: Batch, *, label_smoothing: jax.Array | float = 0.0
    ) -> LossTerms: ...


class EvalFn(Protocol):
    """One replica's batch as a `clu.metrics.Collection`, to be merged over batches and replicas.

    Runs the model as it is used after training: running statistics, no dropout, no smoothing.
    `compute()` of the merged collection gives a flat dict of floats, the target's metric among
    them.
    """

    def __call__(self, params: Params, model_state: ModelState, batch: Batch) -> Any: ...


class DatasetFn(Protocol):
    """The batches of a split, as host arrays with a leading replica axis and a padding mask.

    Training batches go on for ever in an order that `seed` decides. The other splits give every
    example exactly once, in an order of their own, and then stop; the seed has no bearing on
    them. `batch_size` is global; `replica_slice` names the replicas of this process (default:
    all), and only their part of each batch is built.
    """

    def __call__(
        self,
        split: Split,
        source: Path,
        *,
        batch_size: int,
        replicas: int,
        seed: int,
        replica_slice: range | None = None,
    ) -> BatchIterator | Iterator[Batch]: ...


@dataclasses.dataclass(frozen=True)
class Workload:
    """Facts and pure functions of one workload at one scale.

    Attributes:
      name: the registry's name, which folders bear; a variant has one of its own.
      base_name: the workload that a variant derives from; its own name otherwise.
      scale: `"full"` is the benchmark, `"mini"` the development scale on embedded data.
      loss_type: what the loss is, for algorithms that depend on it.
      target: the metric and its target values.
      limits: step hint and runtime by name of the rule set.
      eval_period_seconds: submission time between two evaluations.
      batch_size: the baselines' global batch size, used when a submission has none of its own.
      eval_batch_size: global batch size of evaluations; not for a submission to change.
      num_examples: examples in each split.
      default_dropout_rate: the rate where a submission does not choose one.
      supports_label_smoothing: whether the loss heeds `label_smoothing`.
      output_layers: top-level keys of `params` that produce the model's outputs.
      init, apply, loss, eval, dataset: see the protocols of this module.
      locate_data: `(data_dir or None, cache_dir) -> source`, the folder that `dataset` reads;
        checks what can be checked quickly and raises a `DataError` that says what to do. At
        scale mini it expands the embedded sample.
      kinds: `params -> tree of ParameterKind`, where the naming rule does not fit.
      random_batch: `(batch_size, replicas, seed) -> host batch`, random numbers in the shapes and
        dtypes of a training batch, for measurements where there are no data; loads no data
        library. None: the workload has none.
      collective_forward: the forward pass itself reduces over `replicas.AXES` (batch norm
        synchronised across replicas).
    """

    name: str
    base_name: str
    scale: Scale
    loss_type: LossType
    target: Target
    limits: Mapping[str, Limits]
    eval_period_seconds: float
    batch_size: int
    eval_batch_size: int
    num_examples: Mapping[Split, int]
    default_dropout_rate: float
    supports_label_smoothing: bool
    output_layers: tuple[str, ...]
    init: InitFn
    apply: ApplyFn
    loss: LossFn
    eval: EvalFn
    dataset: DatasetFn
    locate_data: Callable[[Path | None, Path], Path]
    kinds: Callable[[Params], Any] = infer_kinds
    random_batch: Callable[[int, int, int], Batch] | None = None
    collective_forward: bool = False

    def __post_init__(self) -> None:
        check_plain_name(self.name, "workload")

    def limits_under(self, rules: str) -> Limits:
        """The limits under the named rule set; a `UserError` lists those there are."""
        if rules not in self.limits:
            raise UserError(
                f"workload {self.name!r} has no limits under rules {rules!r}; it has them under "
                f"{', '.join(self.limits)}"
            )
        return self.limits[rules]
