"""The batches of the ImageNet workloads.

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from algoperf_jax.data.batch_cache import BatchCache
from algoperf_jax.data.order import (
    EpochPermutations,
    Order,
    ShuffleBuffer,
    interleaved,
    permutation,
    random_words,
)
from algoperf_jax.data.parts import built_replicas
from workloads.imagenet.decoding import Decoded, Decoder, Examples
from workloads.imagenet.images import Preprocessing
from workloads.imagenet.source import locate_data, records_of

__all__ = ["Pipeline", "TrainBatches", "dataset", "locate_data"]

Batch = dict[str, np.ndarray]
Split = Literal["train", "eval_train", "validation", "test"]

EVAL_CACHE_BYTES = 1 << 30
"""Memory for decoded evaluation batches, of all splits together, in one process."""

SHUFFLE_BATCHES = 16
"""Slots of the reference's shuffle buffer, in global batches."""

_EVAL_TRAIN_SEED = 0  # the subset is a fact of the workload, equal in all trials

# Numbers that keep a seed's sequences apart from each other.
_ORDER, _AUGMENTATION, _MIXUP, _SUBSET = 1, 2, 3, 4

_eval_cache = BatchCache(EVAL_CACHE_BYTES)


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


def dataset(
    split: Split,
    source: Path,
    *,
    batch_size: int,
    replicas: int,
    seed: int,
    replica_slice: range | None = None,
    pipeline: Pipeline = Pipeline(),
) -> "TrainBatches | Iterator[Batch]":
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches; the others one pass over every example in an order of
        their own. `"eval_train"` is a random subset of the training examples, always the same.
      source: the folder that `locate_data` returned; a process opens each split once.
      batch_size: examples that all replicas together take; a multiple of `replicas`.
      replicas: parts of a global batch, over all processes.
      seed: of order, augmentation and mixup of the training examples, not negative; the other
        splits do not use it.
      replica_slice: the replicas whose parts this process builds; default: all.
      pipeline: facts of the workload's data.

    Raises:
      DataError: the data are missing or damaged.
      UserError: `batch_size`, `replicas` and `replica_slice` do not go together.
    """
    source = Path(source)
    part = _Part.of(batch_size, replicas, replica_slice)
    records = records_of("train" if split == "eval_train" else split, source)
    decoder = Decoder(
        records, pipeline.preprocessing, split == "train", pipeline.num_classes, pipeline.threads
    )
    if split == "train":
        return TrainBatches(decoder, part, seed, pipeline)
    if split == "eval_train":
        order = _eval_train_records(len(records), pipeline.eval_train_examples)
    else:
        order = np.arange(len(records))
    return _eval_cache.one_pass(
        (source, split, part, pipeline),
        _bytes_of_pass(len(order), part, pipeline.preprocessing.image_size),
        lambda: _one_pass(decoder, order, part),
    )


@functools.cache
def _eval_train_records(records: int, examples: int) -> np.ndarray:
    """The subset, in stored order so that neighbours are read together."""
    return np.sort(permutation([_EVAL_TRAIN_SEED, _SUBSET], records)[:examples])


@dataclasses.dataclass(frozen=True)
class _Part:
    """What a process builds of each global batch.

    Attributes:
      batch_size: examples of the global batch.
      replicas: its parts.
      built: the replicas whose parts are built.
    """

    batch_size: int
    replicas: int
    built: range

    @classmethod
    def of(cls, batch_size: int, replicas: int, replica_slice: range | None) -> "_Part":
        return cls(batch_size, replicas, built_replicas(batch_size, replicas, replica_slice))

    @property
    def shape(self) -> tuple[int, int]:
        """Replicas built, and examples of each."""
        return len(self.built), self.batch_size // self.replicas

    @functools.cached_property
    def positions(self) -> np.ndarray:
        """Where the examples built are in the global batch, int64 `[r n]`, replica by replica."""
        n = self.batch_size // self.replicas
        return (np.array(self.built)[:, None] * n + np.arange(n)).reshape(-1)

    @functools.cached_property
    def previous(self) -> np.ndarray:
        """Position before each replica's first example, cyclically, int64 `[r]`."""
        return (self.positions.reshape(self.shape)[:, 0] - 1) % self.batch_size


class TrainBatches:
    """Endless training batches, a function of seed and position alone.

    Batches are built ahead of use by threads that also work while the clock stands, up to a bound
    (`Decoder.batches`). Of a batch of 1024 float images of 224 px, 617 MB, three exist at a time:
    the one handed out last, the one asked for and the one after it; and the single images of those
    that are in work.
    """

    def __init__(self, decoder: Decoder, part: _Part, seed: int, pipeline: Pipeline):
        self._decoder = decoder
        self._part = part
        self._seed = seed
        self._pipeline = pipeline
        self._position = 0
        self._decoded: Iterator[Decoded] | None = None
        extra: list[int] = []
        if pipeline.mixup_alpha is not None:  # examples of other processes that ours are mixed with
            extra = sorted(set(part.previous.tolist()) - set(part.positions.tolist()))
        self._decoded_positions = np.concatenate([part.positions, np.array(extra, np.int64)])

    def __iter__(self) -> "TrainBatches":
        return self

    def __next__(self) -> Batch:
        if self._decoded is None:
            examples = self._examples(self._position)
            self._decoded = self._decoder.batches(examples, len(self._decoded_positions))
        try:
            decoded = next(self._decoded)
        except BaseException:
            self._decoded = None  # the next call begins again with the same batch
            raise
        batch = self._batch(decoded)
        self._position += self._part.batch_size
        return batch

    def get_state(self) -> dict[str, int]:
        """Returns `position`, the number of examples in the batches handed out so far."""
        return {"position": self._position}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position that `get_state` returned; drops the batches built ahead."""
        self._position = int(state["position"])
        self._decoded = None

    def _examples(self, position: int) -> Iterator[Examples]:
        """What this process decodes of each global batch, from `position` on."""
        order = self._order()
        (key,) = random_words([self._seed, _AUGMENTATION], 0, 1).astype(np.int64)
        while True:
            records = order.between(position, position + self._part.batch_size)
            running = position + self._decoded_positions
            seeds = np.stack([np.full_like(running, key), running], axis=1)
            yield Examples(records[self._decoded_positions], seeds)
            position += self._part.batch_size

    def _order(self) -> Order:
        if self._pipeline.order == "permutation":
            return EpochPermutations(len(self._decoder.records), [self._seed, _ORDER])
        reading_order = interleaved(self._decoder.records.records_per_file)
        slots = SHUFFLE_BATCHES * self._part.batch_size
        return ShuffleBuffer(reading_order, slots, [self._seed, _ORDER])

    def _batch(self, decoded: Decoded) -> Batch:
        r, n = self._part.shape
        images = decoded.images[: r * n].reshape(r, n, *decoded.images.shape[1:])
        targets = decoded.labels[: r * n].reshape(r, n)
        batch = {"inputs": images, "targets": targets, "weights": np.ones((r, n), np.float32)}
        if self._pipeline.mixup_alpha is not None:
            place = {p: i for i, p in enumerate(self._decoded_positions.tolist())}
            previous = [place[p] for p in self._part.previous.tolist()]
            weight = mixup_weight(self._pipeline.mixup_alpha, self._seed, self._position)
            batch["mixup_weight"] = np.full(r, weight, np.float32)
            batch["previous_input"] = decoded.images[previous]
            batch["previous_target"] = decoded.labels[previous]
        return batch


def mixup_weight(alpha: float, seed: int, position: int) -> float:
    """Draws from Beta(alpha, alpha) the weight of the global batch that begins at `position`.

    That is the law of g / (g + h) with g and h from Gamma(alpha, 1), as the benchmark's reference
    draws it; but NumPy's beta gives a number also where both are too small for one.
    """
    words = np.random.SeedSequence([seed, _MIXUP, position])
    return np.random.Generator(np.random.Philox(words)).beta(alpha, alpha)


def _one_pass(decoder: Decoder, order: np.ndarray, part: _Part) -> Iterator[Batch]:
    """Yields batches with each record of `order` once, in that order; the last one is padded."""
    begins = range(0, len(order), part.batch_size)
    positions = [p[p < len(order)] for p in (begin + part.positions for begin in begins)]
    examples = (Examples(order[p], np.zeros((len(p), 2), np.int64)) for p in positions)
    r, n = part.shape
    for p, decoded in zip(positions, decoder.batches(examples, r * n), strict=True):
        real = np.arange(r * n) < len(p)
        yield {
            "inputs": decoded.images.reshape(r, n, *decoded.images.shape[1:]),
            "targets": decoded.labels.reshape(r, n),
            "weights": real.astype(np.float32).reshape(r, n),
        }


def _bytes_of_pass(examples: int, part: _Part, size: int) -> int:
    batches = -(-examples // part.batch_size)
    return batches * len(part.positions) * (4 * 3 * size * size + 4 + 4)
