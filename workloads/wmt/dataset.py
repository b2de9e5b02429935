"""The data of the WMT workload and its batches.

A batch is a dict of host arrays `[replicas, rows, length]`; `rows` says what they hold. Training
rows are packed with several sentences, evaluation rows have one each.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import Examples, TrainBatches, example_plan, one_pass
from algoperf_jax.data.order import EpochShuffles, OnePass
from algoperf_jax.data.packing import Packs, packed_plan
from algoperf_jax.data.sentencepiece_model import SentencePieceModel, load
from algoperf_jax.workload import Split
from workloads.wmt import sample
from workloads.wmt.files import LONGEST, STORED, TOKENS_FOLDER, VOCABULARY_FILE, VOCABULARY_SIZE
from workloads.wmt.pairs import Pairs, tokenised
from workloads.wmt.random_pairs import random_pairs
from workloads.wmt.rows import packed_rows, row_packing, single_rows

Batch = dict[str, np.ndarray]

EVAL_TRAIN_EXAMPLES = 3_072
SHUFFLED_PAIRS = 1_024
"""Size of the buffer through which each epoch goes."""

_AHEAD = 1  # batches built while the device computes


@dataclasses.dataclass(frozen=True)
class Text:
    """Facts of a workload's text; the defaults are the benchmark's.

    Attributes:
      length: the most tokens of a row, and of a sentence with its end.
      vocabulary_size: pieces.
      eval_train_examples: of the `eval_train` split, the first ones of the training pairs.
    """

    length: int = LONGEST
    vocabulary_size: int = VOCABULARY_SIZE
    eval_train_examples: int = EVAL_TRAIN_EXAMPLES


@dataclasses.dataclass(frozen=True)
class WmtData:
    """The opened data set.

    Attributes:
      vocabulary: of both languages.
      pairs: the pairs of `"train"`, `"validation"` or `"test"`, tokenised when first asked for.
    """

    vocabulary: SentencePieceModel
    pairs: Callable[[str], Pairs]


def open_data(
    data_dir: Path | None,
    cache_dir: Path,
    *,
    text: Text = Text(),
    examples: Mapping[str, int] = STORED.examples,
) -> WmtData:
    """Opens WMT17 and WMT14 below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a file is missing, a split has not so many `examples`, or the vocabulary is missing
        or has another number of pieces.
    """
    location = STORED.located(data_dir, lambda: sample.root(cache_dir), examples)
    words = load(
        location.root / VOCABULARY_FILE, text.vocabulary_size, location.remedy(VOCABULARY_FILE)
    )
    folders = (location.root / TOKENS_FOLDER, cache_dir / "wmt" / TOKENS_FOLDER)
    return WmtData(
        words,
        functools.cache(lambda split: tokenised(split, location, words, text.length, folders)),
    )


def dataset(
    split: Split, data: WmtData, share: BatchShare, *, seed: int, text: Text = Text()
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches of packed rows; the others one pass over every pair,
        short ones first: sentences of a length are translated together. `"eval_train"` is the
        beginning of the training pairs, which lie in an order as good as random.
      data: the opened data set.
      share: what of each batch is built; an example is a row.
      seed: of the order of the training pairs, not negative.
      text: facts of the workload's text.
    """
    pairs = data.pairs("train" if split == "eval_train" else split)
    return _batches(split, pairs, share, seed, text)


def example_batch(
    share: BatchShare, *, split: Split = "train", seed: int = 0, text: Text = Text()
) -> Batch:
    """A batch of random tokens; see `workload.ExampleBatchFn`."""
    pairs = random_pairs(8 * share.batch_size, seed, text.length, text.vocabulary_size)
    return next(iter(_batches(split, pairs, share, seed, text)))


def _batches(
    split: Split, pairs: Pairs, share: BatchShare, seed: int, text: Text
) -> TrainBatches | Iterator[Batch]:
    if split == "train":
        order = EpochShuffles(np.arange(len(pairs)), SHUFFLED_PAIRS, [seed])
        packing = row_packing(pairs, text.length)
        plan = packed_plan(order, packing, share.batch_size, set(share.positions.tolist()))
        return TrainBatches(
            plan, functools.partial(_batch, pairs, share, text.length), ahead=_AHEAD
        )
    count = min(len(pairs), text.eval_train_examples) if split == "eval_train" else len(pairs)
    by_length = np.argsort(pairs.lengths[:count].max(axis=1), kind="stable")
    plan = example_plan(OnePass(by_length), share.batch_size)
    return one_pass(plan, functools.partial(_eval_batch, pairs, share, text.length))


def _batch(pairs: Pairs, share: BatchShare, length: int, packs: Packs) -> Batch:
    return share.divided(packed_rows(pairs, packs.items, length))


def _eval_batch(pairs: Pairs, share: BatchShare, length: int, examples: Examples) -> Batch:
    own = share.filled(len(examples.ids))
    return share.divided(single_rows(pairs, examples.ids[own], length))
