"""How fast training batches are made, beside tokenising the same text, which is done only once."""

import time
from pathlib import Path

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.workload import Workload
from workloads.wmt import sample
from workloads.wmt.dataset import Text, WmtData, dataset, open_data

BATCH_SIZE = 128
WARM_UP_BATCHES = 2


class Throughput:
    """Measures the packing of tokenised pairs into the benchmark's rows of 256 tokens.

    The text is that of the embedded sample, with its vocabulary. Figures are tokens of both sides
    per second of processor time, summed over all threads of the process: what one core does,
    whatever else the machine is doing.
    """

    unit = "tokens"
    count = 5_000_000
    """Tokens per measurement that give steady figures."""

    def __init__(self, workload: Workload, folder: Path):
        """Expands the sample below an empty folder."""
        del workload
        text = Text(sample.LONGEST, sample.VOCABULARY_SIZE)
        self._data = open_data(None, folder, text=text)
        pairs = sample.read_pairs(Path(sample.__file__).parent / sample.PAIRS)["train"]
        self._texts = [text for pair in pairs for text in pair]
        self.description = f"{len(pairs):,} sentence pairs of the sample"

    def pipeline(self, count: int) -> float:
        """Tokens per second through `dataset`: order, packing, positions, batches."""
        data: WmtData = self._data
        batches = dataset("train", data, BatchShare.whole(BATCH_SIZE), seed=0)
        for _ in range(WARM_UP_BATCHES):
            next(batches)
        tokens, began = 0, time.process_time()
        while tokens < count:
            batch = next(batches)
            tokens += sum(int((batch[side] != 0).sum()) for side in ("inputs", "targets"))
        return tokens / (time.process_time() - began)

    def yardstick(self, count: int) -> float:
        """Tokens per second of the tokeniser alone, which a pipeline on raw text cannot exceed."""
        tokens, began = 0, time.process_time()
        while tokens < count:
            tokens += sum(map(len, self._data.vocabulary.encode(self._texts)))
        return tokens / (time.process_time() - began)
