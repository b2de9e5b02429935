"""The batches of the fastMRI workload.

A batch is a dict of host arrays: `inputs` and `targets` float32 `[replicas, n, size, size]`, and
float32 `[replicas, n]`: `mean` and `std`, what both were normalised with, `volume_max`, the largest
value of the slice's volume, and `weights`, 0 where a place is not filled.
"""

import functools
from collections.abc import Iterator

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import Examples, TrainBatches, example_plan, one_pass
from algoperf_jax.data.order import EpochShuffles, OnePass, permutation
from algoperf_jax.workload import Split
from workloads.fastmri.files import FASTMRI, Scans
from workloads.fastmri.philox import Seed
from workloads.fastmri.scans import HeldOutSlices, ScanData, TrainingSlices
from workloads.fastmri.slices import Slice

Batch = dict[str, np.ndarray]

SHUFFLED_BATCHES = 16
"""Size of the buffer through which each epoch goes, in batches."""

_AHEAD = 4  # batches built while the device computes
_EVAL_TRAIN_SEED: Seed = (0, 1)  # of its masks


def dataset(
    split: Split, data: ScanData, share: BatchShare, *, seed: int, scans: Scans = FASTMRI
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless full batches, which go over the end of an epoch; the others
        one pass over every slice in the order of the volumes' names. `"eval_train"` is a fixed
        random part of the training slices, with masks of its own.
      data: the opened data set.
      share: what of each batch is built.
      seed: of the order and the masks of the training slices, not negative. A slice has one mask
        for the whole trial.
      scans: what data there are.
    """
    if split == "train":
        everything = np.arange(len(data.train))
        order = EpochShuffles(everything, SHUFFLED_BATCHES * share.batch_size, [seed])
        build = functools.partial(_training_batch, data.train, (seed, 0), share)
        return TrainBatches(example_plan(order, share.batch_size), build, ahead=_AHEAD)
    if split == "eval_train":
        chosen = permutation([0], len(data.train))[: scans.eval_train_slices]
        build = functools.partial(_training_batch, data.train, _EVAL_TRAIN_SEED, share)
        plan = example_plan(OnePass(np.sort(chosen)), share.batch_size)
        return one_pass(plan, build, ahead=_AHEAD)
    slices = data.held_out[split]
    plan = example_plan(OnePass(np.arange(len(slices))), share.batch_size)
    return one_pass(plan, functools.partial(_held_out_batch, slices, share), ahead=1)


def example_batch(
    share: BatchShare, *, split: Split = "train", seed: int = 0, scans: Scans = FASTMRI
) -> Batch:
    """A batch of noise; see `workload.ExampleBatchFn`."""
    del split  # which has the same shapes
    random = np.random.default_rng(seed)
    n, shape = share.batch_size, (share.batch_size, scans.size, scans.size)
    targets = random.normal(size=shape).astype(np.float32)
    inputs = targets + 0.3 * random.normal(size=shape).astype(np.float32)
    mean, std = random.uniform(1e-4, 2e-4, (2, n)).astype(np.float32)
    own = share.positions
    drawn = Slice(inputs[own], targets[own], mean[own], std[own])
    return _batch(drawn, 20 * std[own], share, n)


def _training_batch(
    slices: TrainingSlices, seed: Seed, share: BatchShare, examples: Examples
) -> Batch:
    own = examples.ids[share.filled(len(examples.ids))]
    return _batch(*slices.slices(own, seed), share, len(examples.ids))


def _held_out_batch(slices: HeldOutSlices, share: BatchShare, examples: Examples) -> Batch:
    own = examples.ids[share.filled(len(examples.ids))]
    return _batch(*slices.slices(own), share, len(examples.ids))


def _batch(slices: Slice, largest: np.ndarray, share: BatchShare, count: int) -> Batch:
    arrays = {**slices._asdict(), "volume_max": largest}
    return {**share.divided(arrays), "weights": share.mask(count)}
