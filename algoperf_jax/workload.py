"""The contract of a workload: a frozen record of facts and pure functions.

A workload fixes everything a training algorithm may not change: the data, the model, the loss,
the metric and the target. Its functions are free of side effects and can be jitted; only
`open_data` and what `dataset` returns touch files.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import jax

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.files import check_plain_name
from algoperf_jax.parameters import Params, infer_kinds
from algoperf_jax.rules import Conditions, Limits, Target

Batch = Any  # a pytree of arrays; on the host its leaves have a leading replica axis
ModelState = Any  # batch-norm statistics; an empty dict where a model has none
Data = Any  # what a workload's `open_data` returns: records, tables, a tokenizer
Scale = Literal["full", "mini"]
Split = Literal["train", "eval_train", "validation", "test"]

BatchNormMode = Literal["update", "batch", "running"]
"""How batch norm behaves in a forward pass:
`update`: normalise with the batch's statistics, return new running ones;
`batch`: normalise with the batch's statistics, running ones unchanged;
`running`: normalise with the running statistics."""

AXIS = "replica"
LANE = "lane"
AXES = (AXIS, LANE)
"""Names of the axes that a forward pass with collectives reduces over, for all replicas of the
global batch: devices, and the replicas that a device carries. See `Workload.collective_forward`."""


def check_batch_norm_mode(mode: str) -> None:
    """Raises a `UserError` for a mode that does not exist, with those that do."""
    if mode not in get_args(BatchNormMode):
        raise UserError(
            f"unknown batch-norm mode {mode!r}; there are {', '.join(get_args(BatchNormMode))}"
        )


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
    nothing; `rng` is None where `train` is False. Returns the model's outputs and the model state
    that `batch_norm` asks for.
    """

    def __call__(
        self,
        params: Params,
        model_state: ModelState,
        batch: Batch,
        *,
        rng: jax.Array | None,
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


class OpenDataFn(Protocol):
    """`open_data(data_dir, cache_dir) -> data`, the workload's data, opened once for a trial.

    `data_dir` is the folder with the data of all workloads; None at scale mini, where the embedded
    sample is expanded below `cache_dir`. What comes back is an object of the workload's own, handed
    to `dataset` and `compute_metrics`. What takes long may be read when it is first asked for, but
    files that are missing, or of another data set, are a `DataError` here, with what to do.
    """

    def __call__(self, data_dir: Path | None, cache_dir: Path) -> Data: ...


class DatasetFn(Protocol):
    """The batches of a split, as host arrays with a leading replica axis and a padding mask.

    Training batches go on for ever in an order that `seed` decides. The other splits give every
    example exactly once, in an order of their own, and then stop; the seed has no bearing on
    them. Only the part of each batch that `share` says is built.
    """

    def __call__(
        self, split: Split, data: Data, share: BatchShare, *, seed: int
    ) -> BatchIterator | Iterator[Batch]: ...


class MetricsFn(Protocol):
    """Metrics of a split from its merged collection, on the host.

    `data` holds what comes with the data set, for example the tokenizer that BLEU needs. Gives a
    flat dict of floats, `loss` and the target's metric among them.
    """

    def __call__(self, merged: Any, data: Data) -> Mapping[str, Any]: ...


def computed(merged: Any, data: Data) -> Mapping[str, Any]:
    """The collection's own `compute()`, which suffices where metrics need nothing of the data."""
    del data
    return merged.compute()


class ExampleBatchFn(Protocol):
    """`example_batch(share, split=..., seed=...)`: a host batch of made-up examples.

    It has the structure, shapes and dtypes of a batch that `dataset` gives for the share, and
    values that a model can be run on, without any data or data library. It serves initialisation,
    tracing, measurement, and checks of the contract.
    """

    def __call__(self, share: BatchShare, *, split: Split = "train", seed: int = 0) -> Batch: ...


def same_under_all_rules(workload: "Workload", conditions: Conditions) -> "Workload":
    """The workload itself: no condition of a rule set concerns it."""
    del conditions
    return workload


@dataclasses.dataclass(frozen=True)
class Workload:
    """Facts and pure functions of one workload at one scale.

    Attributes:
      name: the registry's name, which folders bear; a variant has one of its own.
      base_name: the workload that a variant derives from; its own name otherwise.
      scale: `"full"` is the benchmark, `"mini"` the development scale on embedded data.
      loss_type: what the loss is, for algorithms that depend on it.
      target: the metric and its target values.
      limits: step hint, runtime and evaluation period by name of the rule set.
      batch_size: the baselines' global batch size, used when a submission has none of its own.
      eval_batch_size: global batch size of evaluations; not for a submission to change.
      num_examples: examples in each split.
      default_dropout_rate: the rate where a submission does not choose one.
      supports_label_smoothing: whether the loss heeds `label_smoothing`.
      output_layers: top-level keys of `params` that produce the model's outputs.
      init, apply, loss, eval: see the protocols of this module.
      open_data, dataset, example_batch: see the protocols of this module.
      compute_metrics: from a split's merged collection to its metrics, see `MetricsFn`.
      kinds: `params -> tree of ParameterKind`, where the naming rule does not fit.
      collective_forward: the forward pass itself reduces over `AXES` (batch norm synchronised
        across replicas).
      under: `(workload, conditions) -> Workload`, the workload as a rule set's conditions have it:
        with other functions in place of its own where these do not do; a function that somebody
        has put in their place stays.
    """

    name: str
    base_name: str
    scale: Scale
    loss_type: LossType
    target: Target
    limits: Mapping[str, Limits]
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
    open_data: OpenDataFn
    example_batch: ExampleBatchFn
    compute_metrics: MetricsFn = computed
    kinds: Callable[[Params], Any] = infer_kinds
    collective_forward: bool = False
    under: Callable[["Workload", Conditions], "Workload"] = same_under_all_rules

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
