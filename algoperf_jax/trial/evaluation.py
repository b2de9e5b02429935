"""Evaluation of all splits: one replica's metrics, merged over replicas, batches and processes."""

import collections
import functools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from algoperf_jax import contracts
from algoperf_jax.trial import replicas
from algoperf_jax.trial.stream import DeviceStream
from algoperf_jax.workload import Batch, Data, Split, Workload

# The records' names of the splits, in the order in which they are evaluated.
SPLITS: dict[Split, str] = {"eval_train": "train", "validation": "validation", "test": "test"}


def splits_of(workload: Workload) -> dict[Split, str]:
    """Those of `SPLITS` that the workload has examples in: a test split may be none."""
    return {split: name for split, name in SPLITS.items() if workload.num_examples[split]}


class Evaluator:
    """Evaluates a model on the three evaluation splits of a workload.

    Evaluation data are those of the workload alone: neither the trial's seed nor the number of
    evaluations before has any bearing on them.
    """

    def __init__(self, workload: Workload, layout: replicas.Replicas, data: Data):
        self._workload = workload
        self._layout = layout
        self._data = data
        self._program = layout.map(self._device_program)
        for split in splits_of(workload):
            self._batches(split)  # opened once, so that damaged data are found before training

    def __call__(self, params: Any, model_state: Any) -> dict[str, float]:
        """The metrics of all splits, `"validation/loss"`, and `"validation/num_examples"`.

        Args:
          params, model_state: what to evaluate, stacked `[devices, ...]`.
        """
        values: dict[str, float] = {}
        for split, name in splits_of(self._workload).items():
            for metric, value in self._split(split, params, model_state).items():
                values[f"{name}/{metric}"] = float(value)
            if split != "eval_train":
                values[f"{name}/num_examples"] = self._workload.num_examples[split]
        return values

    def _split(self, split: Split, params: Any, model_state: Any) -> Mapping[str, Any]:
        results = list(self._results(self._batches(split), params, model_state))
        merged = _merged(
            _with_wide_sums(part) for result in results for part in self._layout.fetch_each(result)
        )
        of_processes = jax.tree.map(self._layout.of_processes, merged)
        merged = _merged(
            jax.tree.map(operator.itemgetter(i), of_processes)
            for i in range(self._layout.process_count)
        )
        return self._workload.compute_metrics(merged, self._data)

    def _batches(self, split: Split) -> DeviceStream:
        batches = self._workload.dataset(
            split, self._data, self._layout.share(self._workload.eval_batch_size), seed=0
        )
        return DeviceStream(batches, self._layout)

    def _results(self, batches: DeviceStream, params: Any, model_state: Any) -> Iterator[Any]:
        """The batches' metrics on the device; at most two batches are in flight."""
        in_flight: collections.deque[Any] = collections.deque()
        for batch in batches:
            result = self._program(params, model_state, batch)
            in_flight.append(result)
            batches.prefetch()
            if len(in_flight) == 2:
                jax.block_until_ready(in_flight.popleft())
            yield result

    def _device_program(self, params: Any, model_state: Any, batches: Batch) -> Any:
        return replicas.each_replica(
            lambda batch: self._workload.eval(params, model_state, batch),
            batches,
            self._layout.lanes_of(self._workload.collective_forward),
        )


def check_metrics(workload: Workload, values: dict[str, float]) -> None:
    """Raises a `UserError` when an evaluation lacks the target's metric or the loss of a split."""
    contracts.check_keys(
        values,
        [
            f"{split}/{metric}"
            for metric in (workload.target.metric, "loss")
            for split in splits_of(workload).values()
            if split != "train"
        ],
        f"{workload.name}: metrics that eval computes",
    )


def _merged(parts: Iterable[Any]) -> Any:
    return functools.reduce(lambda a, b: a.merge(b), parts)


def _with_wide_sums(part: Any) -> Any:
    """One replica's metrics of one batch on the host, its sums float64.

    A sum over the millions of examples of a split has no digits left, as a float32, for those of a
    batch.
    """

    def wide(x: np.ndarray | np.generic) -> Any:
        return np.float64(x) if x.shape == () and x.dtype.kind == "f" else x

    return jax.tree.map(wide, part)
