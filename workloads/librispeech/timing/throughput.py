"""How fast utterances are read into batches, beside decoding the FLAC files that they come from."""

import io
import time
from pathlib import Path

import soundfile

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.workload import Workload
from workloads.librispeech import MINI_SIZES, sample
from workloads.librispeech.batching import Shapes
from workloads.librispeech.dataset import dataset
from workloads.librispeech.utterances import open_speech

BATCH_SIZE = 256
WARM_UP_BATCHES = 2


class Throughput:
    """Measures reading into the benchmark's batches of 256 utterances, of 20 seconds each.

    Utterances are those of the embedded sample in the prepared form, of a second on average; their
    batches are padded to 20 seconds. Figures are utterances per second of processor time, summed
    over all threads of the process: what one core does, whatever else the machine is doing.
    """

    unit = "utterances"
    count = 10_000
    """Utterances per measurement that give steady figures."""

    def __init__(self, workload: Workload, folder: Path):
        """Expands the sample below an empty folder."""
        del workload
        self._data = open_speech(None, folder, sample.CORPUS)
        self._files = []
        utterances = self._data.utterances("train")
        for i in range(len(utterances)):
            content = io.BytesIO()
            soundfile.write(content, utterances.audio(i), 16_000, format="FLAC", subtype="PCM_16")
            self._files.append(content.getvalue())
        seconds = utterances.lengths.sum() / 16_000
        self.description = f"{len(utterances):,} utterances of the sample, {seconds:,.0f} seconds"

    def pipeline(self, count: int) -> float:
        """Utterances per second through `dataset`: order, audio, labels, batches."""
        batches = dataset(
            "train",
            self._data,
            BatchShare.whole(BATCH_SIZE),
            seed=0,
            shapes=Shapes(),
            eval_train_examples=MINI_SIZES.eval_train_examples,
        )
        for _ in range(WARM_UP_BATCHES):
            next(batches)
        began = time.process_time()
        for _ in range(-(-count // BATCH_SIZE)):
            next(batches)
        return -(-count // BATCH_SIZE) * BATCH_SIZE / (time.process_time() - began)

    def yardstick(self, count: int) -> float:
        """Utterances per second of decoding alone, which a pipeline on FLAC cannot exceed."""
        began = time.process_time()
        for k in range(count):
            soundfile.read(io.BytesIO(self._files[k % len(self._files)]), dtype="int16")
        return count / (time.process_time() - began)
