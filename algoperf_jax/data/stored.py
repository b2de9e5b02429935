"""Where a workload's prepared data lie, whether they are complete, and what to do if not."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from algoperf_jax.data.prepared_folder import PreparedFolder
from algoperf_jax.data.tfds_folder import TfdsFolder
from algoperf_jax.data.tfrecords import Records, open_records, tfds_shards
from algoperf_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class StoredData:
    """The prepared data of a workload, described once.

    Attributes:
      name: what `scripts/prepare_data.py` calls them.
      datasets: the folders; each split belongs to one of them.
      places: where these may lie below the folder with the data of all workloads, "" for that
        folder itself; they are prepared in the last one.
    """

    name: str
    datasets: tuple[PreparedFolder, ...]
    places: tuple[str, ...]

    @property
    def examples(self) -> dict[str, int]:
        """Examples of each stored split of the complete data."""
        return {split: n for dataset in self.datasets for split, n in dataset.examples.items()}

    def root(self, data_dir: Path) -> Path:
        """The folder that has one of the data sets, the first such place; else the last place."""
        roots = [data_dir / place for place in self.places]
        there = (r for r in roots if any((r / d.folder).exists() for d in self.datasets))
        return next(there, roots[-1])

    def located(
        self, data_dir: Path | None, sample: Callable[[], Path], examples: Mapping[str, int]
    ) -> "Location":
        """The data below `data_dir`, checked to be complete; without it the expanded sample.

        Args:
          data_dir: the folder with the data of all workloads, or None.
          sample: expands the embedded sample where that has not happened; its folder.
          examples: of each split of the data below `data_dir`.

        Raises:
          DataError: a file is missing, or a split has not so many examples.
        """
        if data_dir is None:
            return self.in_sample(sample())
        location = self.in_data_dir(data_dir)
        location.check(examples)
        return location

    def in_data_dir(self, data_dir: Path) -> "Location":
        """The data below the folder with the data of all workloads."""
        command = f"python scripts/prepare_data.py {self.name} --data_dir {data_dir}"
        return Location(self, self.root(data_dir), f"prepare it with: {command}")

    def in_sample(self, root: Path) -> "Location":
        """The embedded sample, expanded to the folder `root`."""
        return Location(self, root, None)


@dataclasses.dataclass(frozen=True)
class Location:
    """Prepared data in the place where they were found.

    Attributes:
      stored: what they are.
      root: the folder that holds the data sets' folders.
      preparation: how they are made again, for error messages; None: they are an expanded sample.
    """

    stored: StoredData
    root: Path
    preparation: str | None

    def check(self, examples: Mapping[str, int]) -> None:
        """Raises a `DataError` unless all files are there and hold so many examples by split."""
        for dataset in self.stored.datasets:
            if not dataset.is_there(self.root, self.remedy(dataset.folder)):
                raise DataError(f"{self.root / dataset.folder} does not exist; {self.preparation}")
            dataset.check_examples(self.root, examples, self.remedy(dataset.folder))

    def records(self, split: str) -> Records:
        """The records of a split that is in a `TfdsFolder`.

        Raises:
          DataError: a file is missing or damaged or has another number of records than it should.
        """
        folders = (d for d in self.stored.datasets if isinstance(d, TfdsFolder))
        dataset = next(d for d in folders if split in d.shards)
        remedy = self.remedy(dataset.folder)
        paths, counts = tfds_shards(self.root / dataset.folder, dataset.name, split, remedy)
        return open_records(paths, counts, remedy)

    def remedy(self, part: Path | str) -> str:
        """What a person can do where a part of the data is missing or damaged.

        Args:
          part: a folder or file, relative to `root`.
        """
        if self.preparation is None:
            return f"remove {self.root}, the next start expands the sample again"
        return f"remove {self.root / part} and {self.preparation}"
