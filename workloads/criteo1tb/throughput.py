"""How fast lines are read from prepared days, beside parsing the text that they come from."""

import time
from pathlib import Path

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.workload import Workload
from workloads.criteo1tb import sample
from workloads.criteo1tb.dataset import dataset, open_data
from workloads.criteo1tb.day import write_day
from workloads.criteo1tb.files import ClickLogs
from workloads.criteo1tb.raw import blocks
from workloads.criteo1tb.text import Lines, parse

BATCH_SIZE = 262_144
WARM_UP_BATCHES = 4
_COPIES = 6  # of the sample's lines, in each of the two days


class Throughput:
    """Measures reading into the benchmark's batches of 262,144 lines, in one shard a day.

    Lines are those of the embedded sample, several times over; they stay in memory between
    readings. Figures are lines per second of processor time, summed over all threads of the
    process: what one core does, whatever else the machine is doing.
    """

    unit = "lines"
    count = 20_000_000
    """Lines per measurement that give steady figures."""

    def __init__(self, workload: Workload, folder: Path):
        """Writes the sample's text, and days made of it, below an empty folder."""
        del workload
        source_dir, text = Path(sample.__file__).parent, folder / "text"
        sample.write_text(source_dir, text)
        self._blocks = [block for path in sorted(text.iterdir()) for block in blocks(path)]
        parsed = [parse(block.text, str(block.path)) for block in self._blocks]
        lines = Lines(*map(np.concatenate, zip(*parsed, strict=True)))
        count = _COPIES * len(lines.labels)
        logs = ClickLogs((count, count), count, test_shards=1, eval_train_examples=count)
        for day in logs.folders:
            write_day(folder / "criteo1tb" / day.folder, _COPIES * [lines], {})
        self._data = open_data(folder, folder, logs=logs)
        size = sum(len(block.text) for block in self._blocks) / len(lines.labels)
        self.description = f"{len(lines.labels):,} lines of the sample, of {size:.0f} bytes"

    def pipeline(self, count: int) -> float:
        """Lines per second through `dataset`."""
        batches = dataset("train", self._data, BatchShare.whole(BATCH_SIZE), seed=0)
        for _ in range(WARM_UP_BATCHES):
            next(batches)
        began = time.process_time()
        for _ in range(-(-count // BATCH_SIZE)):
            next(batches)
        return -(-count // BATCH_SIZE) * BATCH_SIZE / (time.process_time() - began)

    def yardstick(self, count: int) -> float:
        """Lines per second of parsing text alone; a part of them, as it takes long."""
        lines, began = 0, time.process_time()
        while lines < count / 10:
            for block in self._blocks:
                lines += len(parse(block.text, str(block.path)).labels)
        return lines / (time.process_time() - began)
