"""The files of fastMRI's knees, one coil: upstream's volumes, and what they are prepared to.

Training volumes are kept as far as no mask is needed: transformed along the rows and cropped, which
halves them. Held-out slices have one mask for each width, whatever the trial, so they are kept as
the model sees them.
"""

import dataclasses
from pathlib import Path

from algoperf_jax.data.array_folder import ArrayFolder, Items
from algoperf_jax.data.stored import StoredData

TRAIN, HELD_OUT = "train", "val"
"""Upstream's names of the two sets that the benchmark uses."""


@dataclasses.dataclass(frozen=True)
class Scans:
    """Volumes in the form of fastMRI's.

    Attributes:
      height: rows of the measurements.
      size: rows and columns of the images; measurements have at least as many columns.
      train_volumes, train_slices: how many there are for training.
      held_out_volumes: of the other set.
      validation_volumes: of the held-out ones, sorted by name, the first; the others are for
        testing.
      validation_slices, test_slices: of these.
      eval_train_slices: of the `eval_train` split.
    """

    height: int
    size: int
    train_volumes: int
    train_slices: int
    held_out_volumes: int
    validation_volumes: int
    validation_slices: int
    test_slices: int
    eval_train_slices: int

    @property
    def volumes(self) -> dict[str, int]:
        """Volumes of each of upstream's sets."""
        return {TRAIN: self.train_volumes, HELD_OUT: self.held_out_volumes}

    @property
    def examples(self) -> dict[str, int]:
        """Slices of each split."""
        return {
            "train": self.train_slices,
            "eval_train": self.eval_train_slices,
            "validation": self.validation_slices,
            "test": self.test_slices,
        }

    @property
    def train(self) -> ArrayFolder:
        """The training volumes: `rows`, flat, and for each slice `targets` and `volume_max`."""
        image = Items("<f4", (self.size, self.size))
        forms = {"rows": Items("<c8"), "targets": image, "volume_max": Items("<f4")}
        return ArrayFolder(prepared(TRAIN), forms, "targets", {TRAIN: self.train_slices})

    @property
    def held_out(self) -> ArrayFolder:
        """The slices for validation and testing: the fields of `slices.Slice`, `volume_max`."""
        image, number = Items("<f4", (self.size, self.size)), Items("<f4")
        forms = {"inputs": image, "targets": image}
        forms |= {"mean": number, "std": number, "volume_max": number}
        count = self.validation_slices + self.test_slices
        return ArrayFolder(prepared(HELD_OUT), forms, "targets", {HELD_OUT: count})

    @property
    def stored(self) -> StoredData:
        """Where the prepared data lie."""
        return StoredData("fastmri", (self.held_out, self.train), ("", "fastmri"))


def upstream(name: str) -> str:
    """What the benchmark's set-up calls the folder with a set's HDF5 files."""
    return f"knee_singlecoil_{name}"


def prepared(name: str) -> Path:
    """The folder with a set's arrays, which may lie beside upstream's."""
    return Path(f"{upstream(name)}.arrays")


FASTMRI = Scans(
    height=640,
    size=320,
    train_volumes=973,
    train_slices=34_742,
    held_out_volumes=199,
    validation_volumes=100,
    validation_slices=3_554,
    test_slices=3_581,
    eval_train_slices=3_584,
)
"""The benchmark's."""
