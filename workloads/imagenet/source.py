"""Where the files of ImageNet are, and whether they are complete."""

import functools
from collections.abc import Mapping
from pathlib import Path

from algoperf_jax.data.tfrecords import Records, open_records, tfds_shards
from algoperf_jax.errors import DataError
from workloads.imagenet import sample
from workloads.imagenet.files import IMAGENET, IMAGENET_V2, home

_DATASETS = {"train": IMAGENET, "validation": IMAGENET, "test": IMAGENET_V2}


def locate_data(
    data_dir: Path | None, cache_dir: Path, *, num_examples: Mapping[str, int] | None = None
) -> Path:
    """Returns the folder with the data: below `data_dir`, or else the expanded sample.

    It holds `imagenet2012/5.1.0` (train, validation) and `imagenet_v2/matched-frequency/3.0.0`
    (test).

    Args:
      data_dir: where all workloads' data sets are kept, see `files.home`; None: the sample.
      cache_dir: where the sample is expanded.
      num_examples: examples that the stored splits must have; other names in it are not looked at.

    Raises:
      DataError: a file is missing, or a split is not complete.
    """
    source = sample.source(cache_dir) if data_dir is None else home(data_dir)
    for split, described in _DATASETS.items():
        if not (source / described.folder).exists():
            raise DataError(
                f"{source / described.folder} does not exist; make it with: {_preparation(source)}"
            )
        _, counts = _shards(split, source)
        expected = (num_examples or {}).get(split, sum(counts))
        if sum(counts) != expected:
            raise DataError(
                f"{source / described.folder / 'dataset_info.json'}: split {split!r} has "
                f"{sum(counts)} examples, the workload has {expected}; {_remedy(split, source)}"
            )
    return source


@functools.cache
def records_of(split: str, source: Path) -> Records:
    """Returns the records of `"train"`, `"validation"` or `"test"`; once in a process.

    Raises:
      DataError: a file is missing or damaged or has another number of records than it should.
    """
    paths, counts = _shards(split, source)
    return open_records(paths, counts, _remedy(split, source))


def _shards(split: str, source: Path) -> tuple[list[Path], list[int]]:
    described = _DATASETS[split]
    folder = source / described.folder
    return tfds_shards(folder, described.name, split, _remedy(split, source))


def _remedy(split: str, source: Path) -> str:
    """What to do about damaged files of a split."""
    return (
        f"remove {source / _DATASETS[split].folder} and make it again with: {_preparation(source)} "
        f"(an expanded sample: remove {source}, the next start makes it again)"
    )


def _preparation(source: Path) -> str:
    data_dir = source.parent if source.name == "jax" else source
    data_dir = data_dir.parent if data_dir.name == "imagenet" else data_dir
    return f"python scripts/prepare_data.py imagenet --data_dir {data_dir}"
