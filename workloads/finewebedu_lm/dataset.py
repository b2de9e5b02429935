"""The batches of the language model.

A batch is a dict of host arrays: `inputs` and `targets` int32 `[replicas, n, length]`, a sequence
without its last and without its first token. Those of evaluations have `weights` float32 of the
same shape, 0 in rows that are not filled; in training every token counts.

Sequence i of a part is its tokens `(length + 1) i` to `(length + 1) (i + 1) - 1`: documents are cut
anywhere, and what does not fill a sequence at the end is left out.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.array_folder import open_arrays
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import Examples, TrainBatches, example_plan, one_pass
from algoperf_jax.data.order import EpochPermutations, OnePass
from algoperf_jax.errors import DataError
from algoperf_jax.workload import Split
from workloads.finewebedu_lm import sample
from workloads.finewebedu_lm.files import (
    FINEWEB_EDU,
    FOLDER,
    FORMS,
    STORED,
    TRAIN,
    VALIDATION,
    Corpus,
)

Batch = dict[str, np.ndarray]

_AHEAD = 2  # batches built while the device computes: their pages may have to come from a disk


class Text(NamedTuple):
    """The opened text: the sequences of its parts, uint16 `[sequences, length + 1]`, mapped."""

    train: np.ndarray
    validation: np.ndarray


def open_data(data_dir: Path | None, cache_dir: Path, *, corpus: Corpus = FINEWEB_EDU) -> Text:
    """Opens the tokens below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a file is missing or damaged, the tokens are those of another vocabulary, or there
        are too few of them to evaluate.
    """
    location = STORED.located(data_dir, lambda: sample.root(cache_dir), {})
    folder, remedy = location.root / FOLDER.folder, location.remedy(FOLDER.folder)
    facts, arrays = open_arrays(folder, FORMS, remedy)
    found = facts.more.get("vocabulary_size")
    if found != corpus.vocabulary_size:
        raise DataError(
            f"{folder} holds ids of {found} pieces, the model has {corpus.vocabulary_size}; "
            f"{remedy}"
        )
    parts = {}
    for part, needed in (
        (TRAIN, corpus.eval_train_sequences),
        (VALIDATION, corpus.validation_sequences),
    ):
        tokens = arrays[f"{part}_tokens"]
        count = len(tokens) // (corpus.length + 1)
        if count < needed:
            raise DataError(
                f"{folder} has {count:,} sequences of {corpus.length + 1} tokens for {part}, "
                f"{needed:,} are evaluated; {remedy}"
            )
        parts[part] = tokens[: count * (corpus.length + 1)].reshape(count, -1)
    return Text(parts[TRAIN], parts[VALIDATION])


def dataset(
    split: Split, data: Text, share: BatchShare, *, seed: int, corpus: Corpus = FINEWEB_EDU
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches, each epoch a new permutation of all sequences;
        `"eval_train"` and `"validation"` one pass over the first sequences of their part; there is
        no text for `"test"`.
      data: the opened text.
      share: what of each batch is built.
      seed: of the order of the training sequences, not negative.
      corpus: what text there is.
    """
    if split == "train":
        plan = example_plan(EpochPermutations(len(data.train), [seed]), share.batch_size)
        build = functools.partial(_training_batch, data.train, share)
        return TrainBatches(plan, build, ahead=_AHEAD)
    counts = {
        "eval_train": corpus.eval_train_sequences,
        "validation": corpus.validation_sequences,
        "test": 0,
    }
    sequences = data.train if split == "eval_train" else data.validation
    plan = example_plan(OnePass(np.arange(counts[split])), share.batch_size)
    return one_pass(plan, functools.partial(_eval_batch, sequences, share), ahead=_AHEAD)


def example_batch(
    share: BatchShare, *, split: Split = "train", seed: int = 0, corpus: Corpus = FINEWEB_EDU
) -> Batch:
    """A batch of random ids; see `workload.ExampleBatchFn`."""
    random = np.random.default_rng(seed)
    shape = share.batch_size, corpus.length + 1
    drawn = random.integers(corpus.vocabulary_size, size=shape, dtype=np.uint16)
    own = drawn[share.positions]
    return _batch(own, share) if split == "train" else _weighted(own, share, share.batch_size)


def _training_batch(sequences: np.ndarray, share: BatchShare, examples: Examples) -> Batch:
    return _batch(sequences[examples.ids[share.positions]], share)


def _eval_batch(sequences: np.ndarray, share: BatchShare, examples: Examples) -> Batch:
    count = len(examples.ids)
    return _weighted(sequences[examples.ids[share.filled(count)]], share, count)


def _batch(rows: np.ndarray, share: BatchShare) -> Batch:
    rows = rows.astype(np.int32)
    return share.divided({"inputs": rows[:, :-1], "targets": rows[:, 1:]})


def _weighted(rows: np.ndarray, share: BatchShare, count: int) -> Batch:
    batch = _batch(rows, share)
    weights = np.broadcast_to(share.mask(count)[..., None], batch["targets"].shape)
    return {**batch, "weights": weights.astype(np.float32)}
