"""The batches of the OGBG workload.

A batch is a dict of host arrays with a leading replica axis; `batching.build_shard` says what each
replica's part holds. Evaluation batches also carry `in_reference_subset` bool `[replicas, graphs]`:
whether a row is a graph that the benchmark's reference implementation (v0.6, on eight devices)
evaluates. The reference emits a global batch only when eight shards are complete and drops what is
left at the end of a split; here every graph of a split counts exactly once, and the mark allows
both values.
"""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from algoperf_jax.data.parts import built_replicas
from workloads.ogbg import sample
from workloads.ogbg.batching import (
    EDGES_PER_GRAPH,
    NODES_PER_GRAPH,
    Budget,
    build_shard,
    check_every_graph_fits,
    next_shard_end,
    shard_budget,
)
from workloads.ogbg.molecules import Molecules, load, source_directory

Batch = dict[str, np.ndarray]

EVAL_TRAIN_EXAMPLES = 43_793
"""Training graphs that the benchmark nominally evaluates."""

REFERENCE_EVAL_BATCH_SIZE = 32_768
REFERENCE_SHARDS = 8

_EVAL_TRAIN_SEED = 0  # the subset is a fact of the workload, equal in all trials

_load = functools.lru_cache(maxsize=None)(load)


def locate_data(data_dir: Path | None, cache_dir: Path) -> Path:
    """Returns the folder that `dataset` reads: below `data_dir`, or else the expanded sample.

    Raises:
      DataError: `data_dir` lacks a file of the data set.
    """
    return sample.source(cache_dir) if data_dir is None else source_directory(data_dir)


def dataset(
    split: Literal["train", "eval_train", "validation", "test"],
    source: Path,
    *,
    batch_size: int,
    replicas: int,
    seed: int,
    replica_slice: range | None = None,
    nodes_per_graph: int = NODES_PER_GRAPH,
    edges_per_graph: int = EDGES_PER_GRAPH,
    eval_train_examples: int = EVAL_TRAIN_EXAMPLES,
) -> "TrainBatches | Iterator[Batch]":
    """Returns the batches of a split.

    Args:
      split: `"train"` gives endless batches; the others one pass over every graph in stored order.
        `"eval_train"` is a random subset of the training graphs, always the same.
      source: the folder that holds `ogbg_molpcba/0.1.3`; a process reads each split once.
      batch_size: graphs that all replicas together take at most; a multiple of `replicas`.
      replicas: parts of a global batch, over all processes.
      seed: of the order of the training graphs, not negative; the other splits do not use it.
      replica_slice: the replicas whose parts this process builds; default: all.
      nodes_per_graph, edges_per_graph: averages of the data set, which set the budgets.
      eval_train_examples: size of the `eval_train` subset; at most the whole split is taken.

    Raises:
      DataError: the data are missing or damaged, or a molecule is too large for the batch size.
      UserError: `batch_size`, `replicas` and `replica_slice` do not go together.
    """
    molecules = _load("train" if split == "eval_train" else split, Path(source))
    averages = {"nodes_per_graph": nodes_per_graph, "edges_per_graph": edges_per_graph}
    if split == "train":
        return TrainBatches(molecules, batch_size, replicas, seed, replica_slice, **averages)
    if split == "eval_train":
        order = np.random.default_rng(_EVAL_TRAIN_SEED).permutation(len(molecules))
        order = order[:eval_train_examples]
        reference_size = len(order)
    else:
        order = np.arange(len(molecules))
        reference_size = reference_subset_size(molecules, **averages)
    return eval_batches(
        molecules, batch_size, replicas, replica_slice, order, reference_size, **averages
    )


class TrainBatches:
    """Endless training batches; each epoch is a new permutation of all molecules.

    Shards are filled from one unending stream of graphs, so a shard may hold the end of an epoch
    and the beginning of the next. Two iterators with equal arguments and equal state return equal
    batches, and a process that builds only some replicas builds them as one that builds all.
    """

    def __init__(
        self,
        molecules: Molecules,
        batch_size: int,
        replicas: int,
        seed: int,
        replica_slice: range | None = None,
        *,
        nodes_per_graph: int = NODES_PER_GRAPH,
        edges_per_graph: int = EDGES_PER_GRAPH,
    ):
        """Takes the arguments of `dataset`; checks that every molecule fits."""
        self._built = built_replicas(batch_size, replicas, replica_slice)
        budget = shard_budget(batch_size // replicas, nodes_per_graph, edges_per_graph)
        check_every_graph_fits(molecules, budget)
        self._molecules = molecules
        self._budget = budget
        self._replicas = replicas
        self._seed = seed
        # Enough epochs that a shard which begins in the first of them ends within the window.
        self._epochs_in_window = 1 + -(-budget.graphs // len(molecules))
        self._epoch, self._cursor = 0, 0
        self._order, self._ends = self._window()

    def __iter__(self) -> "TrainBatches":
        return self

    def __next__(self) -> Batch:
        shards = []
        for replica in range(self._replicas):
            end = next_shard_end(*self._ends, self._cursor, self._budget)
            if replica in self._built:
                graphs = self._order[self._cursor : end]
                shards.append(build_shard(self._molecules, graphs, self._budget))
            passed, self._cursor = divmod(end, len(self._molecules))
            if passed:
                self._epoch += passed
                self._order, self._ends = self._window()
        return _stack(shards)

    def get_state(self) -> dict[str, int]:
        """Returns the position of the next graph: `epoch`, and `cursor` within the epoch."""
        return {"epoch": self._epoch, "cursor": self._cursor}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position that `get_state` returned."""
        self._epoch, self._cursor = state["epoch"], state["cursor"]
        self._order, self._ends = self._window()

    def _window(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Returns the stream's order and cumulative sizes from the beginning of the epoch on."""
        epochs = range(self._epoch, self._epoch + self._epochs_in_window)
        order = np.concatenate([self._permutation(epoch) for epoch in epochs])
        return order, _cumulative_sizes(self._molecules, order)

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self._molecules))


def eval_batches(
    molecules: Molecules,
    batch_size: int,
    replicas: int,
    replica_slice: range | None,
    order: np.ndarray,
    reference_size: int,
    *,
    nodes_per_graph: int = NODES_PER_GRAPH,
    edges_per_graph: int = EDGES_PER_GRAPH,
) -> Iterator[Batch]:
    """Returns batches that hold each graph of `order` exactly once, in that order.

    The last shard is closed when the graphs end, and the last global batch is completed with shards
    of padding only.

    Args:
      molecules: the split.
      batch_size, replicas, replica_slice, nodes_per_graph, edges_per_graph: see `dataset`.
      order: int64 `[graphs]`, indices of molecules.
      reference_size: how many of them, from the first on, `in_reference_subset` marks.

    Raises:
      DataError: a molecule is too large for the batch size.
      UserError: `batch_size`, `replicas` and `replica_slice` do not go together.
    """
    built = built_replicas(batch_size, replicas, replica_slice)
    budget = shard_budget(batch_size // replicas, nodes_per_graph, edges_per_graph)
    check_every_graph_fits(molecules, budget)
    return _one_pass(molecules, budget, replicas, built, order, reference_size)


def _one_pass(
    molecules: Molecules,
    budget: Budget,
    replicas: int,
    built: range,
    order: np.ndarray,
    reference_size: int,
) -> Iterator[Batch]:
    ends = _cumulative_sizes(molecules, order)
    start = 0
    while start < len(order):
        shards = []
        for replica in range(replicas):
            end = next_shard_end(*ends, start, budget)
            if replica in built:
                shard = build_shard(molecules, order[start:end], budget)
                # Graphs of this shard come first in it, so a prefix of the split is one here.
                marked = min(end, reference_size) - start
                shard["in_reference_subset"] = np.arange(budget.graphs + 1) < marked
                shards.append(shard)
            start = end
        yield _stack(shards)


def reference_subset_size(
    molecules: Molecules,
    eval_batch_size: int = REFERENCE_EVAL_BATCH_SIZE,
    shards: int = REFERENCE_SHARDS,
    *,
    nodes_per_graph: int = NODES_PER_GRAPH,
    edges_per_graph: int = EDGES_PER_GRAPH,
) -> int:
    """Returns how many graphs, from the first stored one on, the reference evaluates.

    The reference reads at most `ceil(len(molecules) / eval_batch_size)` global batches, each of
    `shards` complete shards, and starts again from the first when there are fewer. Of a split that
    does not fill a single batch it would see nothing; then all graphs count as evaluated.
    """
    budget = shard_budget(eval_batch_size // shards, nodes_per_graph, edges_per_graph)
    check_every_graph_fits(molecules, budget)
    ends = _cumulative_sizes(molecules, np.arange(len(molecules)))
    borders = [0]
    while borders[-1] < len(molecules):
        borders.append(next_shard_end(*ends, borders[-1], budget))
    steps = -(-len(molecules) // eval_batch_size)
    complete_batches = min((len(borders) - 1) // shards, steps)
    return borders[complete_batches * shards] if complete_batches else len(molecules)


def _cumulative_sizes(molecules: Molecules, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes and directed edges of the stream `order` up to and including each graph."""
    return np.cumsum(molecules.num_nodes[order]), np.cumsum(molecules.num_edges[order])


def _stack(shards: list[Batch]) -> Batch:
    """Stacks the replicas' arrays on a new leading axis."""
    return {key: np.stack([shard[key] for shard in shards]) for key in shards[0]}
