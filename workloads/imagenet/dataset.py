"""The data of the ImageNet workloads and their batches.

A batch is a dict of host arrays with a leading replica axis r; n is the examples of one replica and
S the image size. Pixels are on the scale 0..255; `inputs.py` normalises and mixes them on the
device.

  inputs   `[r, n, S, S, 3]`: float32, or uint8 in training with RandAugment
  targets  int32 `[r, n]`
  weights  float32 `[r, n]`: 1; 0 for the padding that completes the last evaluation batch, whose
           images and targets are 0, too

and in training with mixup, which pairs an example with the one before it in the global batch,
cyclically:

  mixup_weight     float32 `[r]`, the same for all replicas of a global batch
  previous_input   uint8 or float32 `[r, S, S, 3]`, the example before the replica's first one
  previous_target  int32 `[r]`
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from algoperf_jax.data.batch_cache import BatchCache
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import Examples, TrainBatches, example_plan, one_pass
from algoperf_jax.data.order import (
    EpochPermutations,
    OnePass,
    Order,
    ShuffleBuffer,
    interleaved,
    permutation,
    random_words,
)
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.workload import Split
from workloads.imagenet import sample
from workloads.imagenet.decoding import Decoder
from workloads.imagenet.files import STORED
from workloads.imagenet.images import Preprocessing

Batch = dict[str, np.ndarray]

EVAL_CACHE_BYTES = 1 << 30
"""Memory for decoded evaluation batches, of all splits together, of one opened data set."""

BATCHES_AHEAD = 1
"""Batches that are built while another one is used: of a batch of 1024 float images of 224 px,
617 MB, three exist at a time."""

SHUFFLE_BATCHES = 16
"""Slots of the reference's shuffle buffer, in global batches."""

_EVAL_TRAIN_SEED = 0  # the subset is a fact of the workload, equal in all trials

# Numbers that keep a seed's sequences apart from each other.
_ORDER, _AUGMENTATION, _MIXUP, _SUBSET = 1, 2, 3, 4


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Facts of the data of a workload; the defaults are the benchmark's.

    Attributes:
      preprocessing: from a JPEG file to an image.
      mixup_alpha: the mixing weight is drawn from Beta(alpha, alpha); None: no mixup.
      eval_train_examples: size of the `eval_train` subset; at most the whole split is taken.
      num_classes: labels are from 0 to one less.
      order: of the training examples. `"reference"`: TensorFlow Datasets' reading order through a
        shuffle buffer of 16 global batches; `"permutation"`: each epoch a full permutation.
      threads: that decode; None: one for each CPU of this process. No influence on the batches.
    """

    preprocessing: Preprocessing = Preprocessing()
    mixup_alpha: float | None = None
    eval_train_examples: int = 50_176
    num_classes: int = 1000
    order: Literal["reference", "permutation"] = "reference"
    threads: int | None = None


@dataclasses.dataclass(frozen=True)
class ImagenetData:
    """The opened data sets.

    Attributes:
      records: those of `"train"`, `"validation"` or `"test"`, found when first asked for.
      eval_cache: decoded evaluation batches, as far as they fit.
    """

    records: Callable[[str], Records]
    eval_cache: BatchCache


def open_data(
    data_dir: Path | None, cache_dir: Path, *, examples: Mapping[str, int] = STORED.examples
) -> ImagenetData:
    """Opens ImageNet and ImageNet-v2 below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a file is missing, or a split has not so many `examples`.
    """
    location = STORED.located(data_dir, lambda: sample.root(cache_dir), examples)
    return ImagenetData(functools.cache(location.records), BatchCache(EVAL_CACHE_BYTES))


def dataset(
    split: Split,
    data: ImagenetData,
    share: BatchShare,
    *,
    seed: int,
    pipeline: Pipeline = Pipeline(),
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches; the others one pass over every example in an order of
        their own. `"eval_train"` is a random subset of the training examples, always the same.
      data: the opened data sets.
      share: what of each batch is built.
      seed: of order, augmentation and mixup of the training examples, not negative.
      pipeline: facts of the workload's data.

    Raises:
      DataError: a file is damaged.
    """
    records = data.records("train" if split == "eval_train" else split)
    decoder = Decoder(
        records, pipeline.preprocessing, split == "train", pipeline.num_classes, pipeline.threads
    )
    if split == "train":
        plan = example_plan(_train_order(records, share, seed, pipeline), share.batch_size)
        builder = _TrainBuilder(decoder, share, seed, pipeline.mixup_alpha)
        return TrainBatches(plan, builder.batch, BATCHES_AHEAD)
    if split == "eval_train":
        ids = _eval_train_records(len(records), pipeline.eval_train_examples)
    else:
        ids = np.arange(len(records))
    plan = example_plan(OnePass(ids), share.batch_size)
    build = functools.partial(_eval_batch, decoder, share)
    return data.eval_cache.one_pass(
        (split, share, pipeline),
        _bytes_of_pass(len(ids), share, pipeline.preprocessing.image_size),
        lambda: one_pass(plan, build, BATCHES_AHEAD),
    )


def _train_order(records: Records, share: BatchShare, seed: int, pipeline: Pipeline) -> Order:
    if pipeline.order == "permutation":
        return EpochPermutations(len(records), [seed, _ORDER])
    reading_order = interleaved(records.records_per_file)
    return ShuffleBuffer(reading_order, SHUFFLE_BATCHES * share.batch_size, [seed, _ORDER])


@functools.cache
def _eval_train_records(records: int, examples: int) -> np.ndarray:
    """The subset, in stored order so that neighbours are read together."""
    return np.sort(permutation([_EVAL_TRAIN_SEED, _SUBSET], records)[:examples])


@dataclasses.dataclass(frozen=True)
class _TrainBuilder:
    """Builds training batches, each a function of seed and position alone."""

    decoder: Decoder
    share: BatchShare
    seed: int
    mixup_alpha: float | None

    def batch(self, examples: Examples) -> Batch:
        """This process's part of a global batch."""
        positions = self._decoded_positions
        (key,) = random_words([self.seed, _AUGMENTATION], 0, 1).astype(np.int64)
        seeds = np.stack([np.full_like(positions, key), examples.start + positions], axis=1)
        decoded = self.decoder.decode(examples.ids[positions], seeds)
        own = len(self.share.positions)
        batch = {
            "inputs": self.share.divided(decoded.images[:own]),
            "targets": self.share.divided(decoded.labels[:own]),
            "weights": self.share.mask(self.share.batch_size),
        }
        if self.mixup_alpha is not None:
            place = {p: i for i, p in enumerate(positions.tolist())}
            previous = [place[p] for p in self._previous.tolist()]
            weight = mixup_weight(self.mixup_alpha, self.seed, examples.start)
            batch["mixup_weight"] = np.full(len(previous), weight, np.float32)
            batch["previous_input"] = decoded.images[previous]
            batch["previous_target"] = decoded.labels[previous]
        return batch

    @functools.cached_property
    def _previous(self) -> np.ndarray:
        """Position before each replica's first example, cyclically, int64 `[r]`."""
        first = self.share.positions[:: self.share.per_replica]
        return (first - 1) % self.share.batch_size

    @functools.cached_property
    def _decoded_positions(self) -> np.ndarray:
        """This process's positions, and behind them those of others that they are mixed with."""
        extra = set() if self.mixup_alpha is None else set(self._previous.tolist())
        extra -= set(self.share.positions.tolist())
        return np.concatenate([self.share.positions, np.array(sorted(extra), np.int64)])


def mixup_weight(alpha: float, seed: int, position: int) -> float:
    """Draws from Beta(alpha, alpha) the weight of the global batch that begins at `position`.

    That is the law of g / (g + h) with g and h from Gamma(alpha, 1), as the benchmark's reference
    draws it; but NumPy's beta gives a number also where both are too small for one.
    """
    words = np.random.SeedSequence([seed, _MIXUP, position])
    return np.random.Generator(np.random.Philox(words)).beta(alpha, alpha)


def _eval_batch(decoder: Decoder, share: BatchShare, examples: Examples) -> Batch:
    """This process's part of a global batch of evaluation, the last one padded."""
    ids = examples.ids[share.filled(len(examples.ids))]
    decoded = decoder.decode(ids, np.zeros((len(ids), 2), np.int64))
    return {
        "inputs": share.divided(decoded.images),
        "targets": share.divided(decoded.labels),
        "weights": share.mask(len(examples.ids)),
    }


def _bytes_of_pass(examples: int, share: BatchShare, size: int) -> int:
    batches = -(-examples // share.batch_size)
    return batches * len(share.positions) * (4 * 3 * size * size + 4 + 4)


def example_batch(
    share: BatchShare,
    *,
    split: Split = "train",
    seed: int = 0,
    pipeline: Pipeline = Pipeline(),
) -> Batch:
    """A batch of random pixels and classes; see `workload.ExampleBatchFn`."""
    rng = np.random.default_rng(seed)
    side, shape, train = pipeline.preprocessing.image_size, share.shape, split == "train"
    pixels = rng.integers(0, 256, (*shape, side, side, 3), np.uint8)
    classes = rng.integers(0, pipeline.num_classes, shape, np.int32)
    augmented = train and pipeline.preprocessing.randaugment is not None
    batch = {
        "inputs": pixels if augmented else pixels.astype(np.float32),
        "targets": classes,
        "weights": share.mask(share.batch_size),
    }
    if train and pipeline.mixup_alpha is not None:
        batch["mixup_weight"] = np.full(shape[0], rng.random(), np.float32)
        batch["previous_input"] = np.roll(batch["inputs"][:, -1], 1, axis=0)
        batch["previous_target"] = np.roll(classes[:, -1], 1, axis=0)
    return batch
