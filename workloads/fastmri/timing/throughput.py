"""How fast prepared slices are read and processed, beside processing whole measurements."""

import time
from pathlib import Path

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.workload import Workload
from workloads.fastmri.dataset import dataset
from workloads.fastmri.files import Scans, upstream
from workloads.fastmri.prepare import prepare
from workloads.fastmri.scans import open_scans
from workloads.fastmri.slices import mask, processed, transform_rows

BATCH_SIZE = 32
WARM_UP_BATCHES = 6
_VOLUMES = {"train": 4, "val": 2}
_SLICES, _WIDTH = 36, 372


class Throughput:
    """Measures what becomes of measurements as large as the benchmark's, 640 by 372 of a slice.

    Figures are slices per second of processor time, summed over all threads of the process: what
    one core does, whatever else the machine is doing.
    """

    unit = "slices"
    count = 1_000
    """Slices per measurement that give steady figures."""

    def __init__(self, workload: Workload, folder: Path):
        """Prepares volumes of noise below an empty folder."""
        import h5py

        del workload
        scans = Scans(
            height=640,
            size=320,
            train_volumes=_VOLUMES["train"],
            train_slices=_SLICES * _VOLUMES["train"],
            held_out_volumes=_VOLUMES["val"],
            validation_volumes=1,
            validation_slices=_SLICES,
            test_slices=_SLICES * (_VOLUMES["val"] - 1),
            eval_train_slices=_SLICES,
        )
        random = np.random.default_rng(0)
        parts = random.normal(scale=1e-4, size=(2, _SLICES, scans.height, _WIDTH))
        self._kspace = (parts[0] + 1j * parts[1]).astype(np.complex64)
        self._targets = np.abs(self._kspace[:, : scans.size, : scans.size])
        for name, count in _VOLUMES.items():
            raw = folder / "raw" / upstream(name)
            raw.mkdir(parents=True)
            for volume in range(count):
                with h5py.File(raw / f"file{volume}.h5", "w") as file:
                    file["kspace"] = self._kspace
                    file["reconstruction_esc"] = self._targets
        prepare(folder, folder / "raw", report=lambda line: None, scans=scans)
        self._scans, self._data = scans, open_scans(folder, folder, scans)
        count = sum(_VOLUMES.values())
        self.description = f"{count} volumes of {_SLICES} slices, {scans.height} by {_WIDTH}"

    def pipeline(self, count: int) -> float:
        """Slices per second through `dataset`: order, masks, the transform of rows, statistics."""
        share = BatchShare.whole(BATCH_SIZE)
        batches = dataset("train", self._data, share, seed=0, scans=self._scans)
        for _ in range(WARM_UP_BATCHES):
            next(batches)
        began = time.process_time()
        for _ in range(-(-count // BATCH_SIZE)):
            next(batches)
        return -(-count // BATCH_SIZE) * BATCH_SIZE / (time.process_time() - began)

    def yardstick(self, count: int) -> float:
        """Slices per second of both transforms, as from upstream's files; a part of them."""
        began, done = time.process_time(), 0
        while done < count / 10:
            i = done % _SLICES
            (rows,) = transform_rows(self._kspace[i : i + 1], self._scans.size)
            processed(rows, self._targets[i], mask(_WIDTH, (0, done)))
            done += 1
        return done / (time.process_time() - began)
