"""The data of the LibriSpeech workloads and their batches; `batching` says what these hold."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import Examples, TrainBatches, example_plan, one_pass
from algoperf_jax.data.order import EpochPermutations, OnePass, permutation
from algoperf_jax.errors import UserError
from algoperf_jax.workload import Split
from workloads.librispeech.batching import Batch, Shapes, Utterances, batch_of, samples_needed
from workloads.librispeech.utterances import SpeechData

_END = 2  # the piece that every transcript ends with
_AHEAD = 2  # training batches built while the device computes
_EVALUATION_AHEAD = 1


def dataset(
    split: Split,
    data: SpeechData,
    share: BatchShare,
    *,
    seed: int,
    shapes: Shapes,
    eval_train_examples: int,
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless full batches, in an order of its own in every epoch, which
        leaves out what does not fill a batch; the others one pass over every utterance, long ones
        first. `"eval_train"` is a fixed random part of the training utterances: their beginning
        would be the voices of a few speakers.
      data: the opened data set.
      share: what of each batch is built.
      seed: of the order of the training utterances, not negative.
      shapes: of the batches.
      eval_train_examples: of the `"eval_train"` split.

    Raises:
      UserError: a batch is larger than the training set.
    """
    utterances = data.utterances("train" if split == "eval_train" else split)
    count = len(utterances.lengths)
    if split == "train":
        if share.batch_size > count:
            raise UserError(
                f"batch size {share.batch_size} is more than the {count} training utterances"
            )
        used = count // share.batch_size * share.batch_size
        order = EpochPermutations(count, [seed], used)
        build = functools.partial(_train_batch, utterances, share, shapes)
        return TrainBatches(example_plan(order, share.batch_size), build, ahead=_AHEAD)
    chosen = np.arange(count)
    if split == "eval_train":
        chosen = permutation([0], count)[:eval_train_examples]
    by_length = chosen[np.argsort(-utterances.lengths[chosen], kind="stable")]
    build = functools.partial(_eval_batch, utterances, share, shapes)
    return one_pass(
        example_plan(OnePass(by_length), share.batch_size), build, ahead=_EVALUATION_AHEAD
    )


def example_batch(
    share: BatchShare,
    *,
    split: Split = "train",
    seed: int = 0,
    shapes: Shapes,
    pieces: int,
) -> Batch:
    """A batch of noise with random labels; see `workload.ExampleBatchFn`.

    Args:
      share, split, seed: see there.
      shapes: of the batch.
      pieces: word pieces with the blank.
    """
    del split  # the first batch of every split has the longest utterances
    noise = _Noise(share.batch_size, seed, shapes, pieces)
    ids = np.arange(share.batch_size)
    return batch_of(noise, ids, share, shapes.samples, shapes.labels)


def _train_batch(
    utterances: Utterances, share: BatchShare, shapes: Shapes, examples: Examples
) -> Batch:
    return batch_of(utterances, examples.ids, share, shapes.samples, shapes.labels)


def _eval_batch(
    utterances: Utterances, share: BatchShare, shapes: Shapes, examples: Examples
) -> Batch:
    longest = int(utterances.lengths[examples.ids].max())
    samples = samples_needed(longest, shapes)
    return batch_of(utterances, examples.ids, share, samples, shapes.labels)


class _Noise:
    """Made-up utterances, some as long as they may be."""

    def __init__(self, count: int, seed: int, shapes: Shapes, pieces: int):
        self._seed, self._pieces = seed, pieces
        random = np.random.default_rng(seed)
        self.lengths = random.integers(shapes.samples // 2, shapes.samples, count, endpoint=True)
        self.lengths[::4] = shapes.samples
        most = max(2, min(shapes.labels, shapes.frames // 4))
        self.label_lengths = random.integers(2, most, count, endpoint=True)

    def audio(self, i: int) -> np.ndarray:
        noise = self._random(i).normal(scale=1_000.0, size=int(self.lengths[i]))
        return noise.astype(np.int16)

    def labels(self, i: int) -> np.ndarray:
        drawn = self._random(i).integers(_END + 1, self._pieces, int(self.label_lengths[i]))
        drawn[-1] = _END
        return drawn.astype(np.int32)

    def _random(self, i: int) -> Any:
        return np.random.default_rng([self._seed, i])
