"""The data of the OGBG workload and its batches.

A batch is a dict of host arrays with a leading replica axis; `batching.build_shard` says what each
replica's part holds. Evaluation batches also carry `in_reference_subset` bool `[replicas, graphs]`:
whether a row is a graph that the benchmark's reference implementation evaluates. The reference
emits a global batch only when all its shards are complete and drops what is left at the end of a
split; here every graph of a split counts exactly once, and the mark allows both values.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.batches import TrainBatches, one_pass
from algoperf_jax.data.order import EpochPermutations, OnePass, permutation
from algoperf_jax.data.packing import Packs, packed_plan
from algoperf_jax.workload import Split
from workloads.ogbg import sample
from workloads.ogbg.batching import AverageGraph, Budget, build_shard, shard_budget, shard_packing
from workloads.ogbg.files import STORED
from workloads.ogbg.molecules import Molecules, load
from workloads.ogbg.random_molecules import MORE_BONDS, random_molecules

Batch = dict[str, np.ndarray]

EVAL_TRAIN_EXAMPLES = 43_793
"""Training graphs that the benchmark nominally evaluates."""

REFERENCE_EVAL_BATCH_SIZE = 32_768

# Numbers that keep a seed's sequences apart; the subset is a fact of the workload.
_ORDER, _SUBSET = 1, 2
_EVAL_TRAIN_SEED = 0


@dataclasses.dataclass(frozen=True)
class Batching:
    """Facts of a workload's batches; the defaults are the benchmark's.

    Attributes:
      average: the average molecule, which sets the budgets.
      eval_train_examples: size of the `eval_train` subset; at most the whole split is taken.
      evaluation_shards: of the reference's evaluation batches, see `reference_subset_size`.
    """

    average: AverageGraph = AverageGraph()
    eval_train_examples: int = EVAL_TRAIN_EXAMPLES
    evaluation_shards: int = 8


@dataclasses.dataclass(frozen=True)
class OgbgData:
    """The opened data set.

    Attributes:
      molecules: those of `"train"`, `"validation"` or `"test"`, read when first asked for.
    """

    molecules: Callable[[str], Molecules]


def open_data(
    data_dir: Path | None, cache_dir: Path, *, examples: Mapping[str, int] = STORED.examples
) -> OgbgData:
    """Opens ogbg-molpcba below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a file is missing, or a split has not so many `examples`.
    """
    location = STORED.located(data_dir, lambda: sample.root(cache_dir), examples)
    return OgbgData(functools.cache(lambda split: load(split, location)))


def dataset(
    split: Split, data: OgbgData, share: BatchShare, *, seed: int, batching: Batching = Batching()
) -> TrainBatches | Iterator[Batch]:
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches, each epoch a new permutation; the others one pass over
        every graph in stored order. `"eval_train"` is a random subset of the training graphs,
        always the same.
      data: the opened data set.
      share: what of each batch is built. The batch size is what all replicas take at most.
      seed: of the order of the training graphs, not negative.
      batching: facts of the workload's batches.

    Raises:
      DataError: a file is damaged, or a molecule is too large for the batch size.
    """
    molecules = data.molecules("train" if split == "eval_train" else split)
    budget = shard_budget(share.per_replica, batching.average)
    packing = shard_packing(molecules, budget)
    if split == "train":
        order = EpochPermutations(len(molecules), [seed, _ORDER])
        plan = packed_plan(order, packing, share.replicas, share.local)
        return TrainBatches(plan, functools.partial(_batch, molecules, budget))
    if split == "eval_train":
        graphs = permutation([_EVAL_TRAIN_SEED, _SUBSET], len(molecules))
        graphs = graphs[: batching.eval_train_examples]
        marked = len(graphs)
    else:
        graphs = np.arange(len(molecules))
        marked = reference_subset_size(molecules, batching)
    plan = packed_plan(OnePass(graphs), packing, share.replicas, share.local)
    return one_pass(plan, functools.partial(_eval_batch, molecules, budget, marked))


def example_batch(
    share: BatchShare,
    *,
    split: Split = "train",
    seed: int = 0,
    batching: Batching = Batching(),
) -> Batch:
    """A batch of random molecules of the average size; see `workload.ExampleBatchFn`."""
    # A shard for a single average molecule has no room for one of twice its size.
    budget = shard_budget(share.per_replica, batching.average)
    largest = min(2 * batching.average.nodes - 1, budget.nodes, budget.edges // 2 - MORE_BONDS)
    molecules = random_molecules(2 * share.batch_size, seed, largest=largest)
    data = OgbgData(lambda _: molecules)
    return next(dataset(split, data, share, seed=seed, batching=batching))


def reference_subset_size(
    molecules: Molecules,
    batching: Batching = Batching(),
    eval_batch_size: int = REFERENCE_EVAL_BATCH_SIZE,
) -> int:
    """Returns how many graphs, from the first stored one on, the reference evaluates.

    The reference reads at most `ceil(len(molecules) / eval_batch_size)` global batches, each of
    `evaluation_shards` complete shards, and starts again from the first when there are fewer. Of a
    split that does not fill a single batch it would see nothing; then all graphs count as
    evaluated.
    """
    shards = batching.evaluation_shards
    packing = shard_packing(molecules, shard_budget(eval_batch_size // shards, batching.average))
    plan = packed_plan(OnePass(np.arange(len(molecules))), packing, shards, range(shards))
    ends = [end for end, packs in plan(0) if len(packs.items[-1])]
    steps = -(-len(molecules) // eval_batch_size)
    return ends[:steps][-1] if ends else len(molecules)


def _batch(molecules: Molecules, budget: Budget, packs: Packs) -> Batch:
    return _stacked([build_shard(molecules, graphs, budget) for graphs in packs.items])


def _eval_batch(molecules: Molecules, budget: Budget, marked: int, packs: Packs) -> Batch:
    """A batch that says which rows are among the first `marked` graphs of the pass."""
    batch = _batch(molecules, budget, packs)
    # Graphs of a shard come first in it, so a prefix of the split is one here.
    rows = np.arange(budget.graphs + 1)
    counts = [
        min(start + len(graphs), marked) - start
        for start, graphs in zip(packs.starts, packs.items, strict=True)
    ]
    return {**batch, "in_reference_subset": rows < np.array(counts)[:, None]}


def _stacked(shards: list[Batch]) -> Batch:
    """The replicas' arrays on a new leading axis."""
    return {key: np.stack([shard[key] for shard in shards]) for key in shards[0]}
