"""The data of the Criteo workload and their batches.

A batch is a dict of host arrays: `numbers` float32 `[replicas, n, 13]`, `rows` int32
`[replicas, n, 26]`, of the embedding table, `labels` uint8 `[replicas, n]`, and `weights` float32
`[replicas, n]`, 0 where a place is not filled.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import TrainBatches
from algoperf_jax.data.batches import one_pass as batches_of
from algoperf_jax.errors import UserError
from algoperf_jax.workload import Split
from workloads.criteo1tb import sample
from workloads.criteo1tb.day import Day
from workloads.criteo1tb.files import CRITEO, ClickLogs
from workloads.criteo1tb.order import Epochs, Request, ShardOrder, one_pass, own_part, shuffled
from workloads.criteo1tb.text import CATEGORIES, NUMBERS, ROWS, Lines

Batch = dict[str, np.ndarray]

_AHEAD = 2  # batches built while the device computes
_EVAL_TRAIN_SEED = 0


class ClickData:
    """The opened data set.

    Attributes:
      logs: what there is.
      days: the lines of each day.
    """

    def __init__(self, logs: ClickLogs, days: Sequence[Day]):
        """Takes the opened days."""
        self.logs = logs
        self.days = days

    @functools.cached_property
    def eval_train(self) -> ShardOrder:
        """Training lines in the order of which `eval_train` has the first ones, always the same."""
        return ShardOrder(shuffled(self.logs.shards("train"), _EVAL_TRAIN_SEED, 0))


def open_data(data_dir: Path | None, cache_dir: Path, *, logs: ClickLogs = CRITEO) -> ClickData:
    """Opens the click logs below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a day is missing or incomplete, has another number of lines than it should, or was
        made of text files that have changed.
    """
    stored = logs.stored
    location = stored.located(data_dir, lambda: sample.root(cache_dir), stored.examples)
    days = [Day(location.root / f.folder, location.remedy(f.folder)) for f in logs.folders]
    return ClickData(logs, days)


def dataset(
    split: Split, data: ClickData, share: BatchShare, *, seed: int
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless full batches of consecutive lines, with the shards in an order
        of its own in every epoch; the others one pass in the order of the shards' names.
        `"eval_train"` is the beginning of a fixed order of the training shards.
      data: the opened data set.
      share: what of each batch is built.
      seed: of the order of the training shards, not negative.

    Raises:
      UserError: a batch is larger than the training set.
    """
    logs = data.logs
    build = functools.partial(_batch, data.days, share)
    if split == "train":
        if share.batch_size > logs.examples["train"]:
            raise UserError(
                f"batch size {share.batch_size} is more than the {logs.examples['train']} "
                "training lines"
            )
        plan = Epochs(logs.shards("train"), seed, share.batch_size).plan
        return TrainBatches(plan, build, ahead=_AHEAD)
    order = data.eval_train if split == "eval_train" else ShardOrder(logs.shards(split))
    examples = logs.examples[split]
    return batches_of(
        lambda position: one_pass(order, share.batch_size, examples), build, ahead=_AHEAD
    )


def example_batch(share: BatchShare, *, split: Split = "train", seed: int = 0) -> Batch:
    """A batch of random numbers; see `workload.ExampleBatchFn`."""
    del split  # which has the same shapes
    random = np.random.default_rng(seed)
    lines = Lines(
        labels=random.integers(0, 2, share.batch_size, np.uint8),
        numbers=np.log1p(random.geometric(0.1, (share.batch_size, NUMBERS)).astype(np.float32)),
        rows=random.integers(0, ROWS, (share.batch_size, CATEGORIES), np.int32),
    )
    own = Lines(*(array[share.positions] for array in lines))
    return _padded(own, share, share.batch_size)


def _batch(days: Sequence[Day], share: BatchShare, request: Request) -> Batch:
    start, stop = int(share.positions[0]), int(share.positions[-1]) + 1
    parts = own_part(request.parts, start, stop)
    found = [days[day].lines(first, last) for day, first, last in parts] or [days[0].lines(0, 0)]
    return _padded(Lines(*map(np.concatenate, zip(*found, strict=True))), share, request.count)


def _padded(lines: Lines, share: BatchShare, count: int) -> Batch:
    return {**share.divided(lines._asdict()), "weights": share.mask(count)}
