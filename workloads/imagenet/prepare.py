"""Preparation of ImageNet and ImageNet-v2: from upstream archives to TensorFlow Datasets' folders.

ImageNet (Russakovsky et al., 2015) is converted by TensorFlow Datasets itself, which knows the
labels of the validation images and mends the 23 training images that are not RGB JPEG files. Its
builder of ImageNet-v2 (Recht et al., 2019) downloads the archive and cannot be given an unpacked
one, so that part is written here, with the same records in the same order.
"""

import contextlib
import fcntl
import os
import re
import resource
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.download import Download, fetch, require_disk
from algoperf_jax.data.tfds_folder import Dataset, Split, write_atomically, write_dataset
from algoperf_jax.errors import DataError
from workloads.imagenet.files import EXAMPLES, IMAGENET, IMAGENET_V2, INFO, features, home

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"
TARS = (TRAIN_TAR, VALIDATION_TAR)

V2_FOLDER = "imagenetv2-matched-frequency-format-val"
# As TensorFlow Datasets 4.9.10 has it.
V2_DOWNLOAD = Download(
    url="https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/"
    "imagenetv2-matched-frequency.tar.gz",
    size=1_264_079_360,
    sha256="f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
)

CLASSES = 1000

_OPEN_FILES = 8192  # upstream's advice
_FEWEST_OPEN_FILES = 1200  # TensorFlow Datasets sorts examples into 1,000 files at a time

_UNFINISHED = ".unfinished-"


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    num_examples: Mapping[str, int] = EXAMPLES,
) -> Path:
    """Makes ImageNet and ImageNet-v2 in `data_dir/imagenet/jax` and returns that folder.

    A data set that is there already is left as it is, so the command goes on where an interrupted
    one stopped, data set by data set.

    Args:
      data_dir: where all workloads' data sets are kept; see `files.home`.
      raw: a folder with `ILSVRC2012_img_train.tar` and `ILSVRC2012_img_val.tar`, which only
        registered users can download, and optionally ImageNet-v2: its archive, or the folder it was
        unpacked to. Nothing in it is changed. Not needed when ImageNet is there already.
      keep_download: whether ImageNet-v2's archive, if it was downloaded, stays in the result.
      report: called with lines for the user.
      num_examples: examples of each split.

    Raises:
      DataError: a file is missing or is not what it should be, the disk is too small, the system
        allows too few open files, or another process is at it.
    """
    source = home(data_dir)
    missing = []
    for dataset in (IMAGENET_V2, IMAGENET):  # the shorter one first
        if _is_complete(dataset, source, num_examples):
            report(f"{source / dataset.folder} is there already")
        else:
            missing.append(dataset)
    if not missing:
        return source
    if IMAGENET in missing:
        _check_tars(raw, num_examples["validation"])
        _allow_open_files()
    with _alone_in(source):
        needed = sum(_disk_bytes(dataset, raw) for dataset in missing)
        report(f"imagenet needs {needed / 1e9:.2f} GB of disk space in {source}")
        require_disk(source, needed)
        if IMAGENET_V2 in missing:
            _prepare_v2(source, raw, keep_download, report, num_examples)
        if IMAGENET in missing and raw is not None:
            report(
                f"converting {raw / TRAIN_TAR} and {VALIDATION_TAR}; this takes hours. TensorFlow "
                "Datasets will warn of a missing test split, which the benchmark does without"
            )
            write_atomically(IMAGENET, source, lambda d: _write_imagenet(raw, d, num_examples))
        for dataset in missing:
            report(f"{source / dataset.folder} is ready")
    return source


def _is_complete(dataset: Dataset, source: Path, num_examples: Mapping[str, int]) -> bool:
    """Whether `source` has the data set; a `DataError` when it has another number of examples."""
    if not dataset.is_there(source):
        return False
    _check_examples(dataset, source, num_examples, f"remove {source / dataset.folder}")
    return True


def _check_examples(
    dataset: Dataset, source: Path, num_examples: Mapping[str, int], remedy: str
) -> None:
    for split, found in dataset.examples(source).items():
        if found != num_examples[split]:
            raise DataError(
                f"{dataset.folder}: split {split} has {found:,} examples, there should be "
                f"{num_examples[split]:,}; {remedy} and run the command again"
            )


def _disk_bytes(dataset: Dataset, raw: Path | None) -> int:
    """Returns the disk space that a data set and what is made on the way to it take, at most."""
    if dataset is IMAGENET and raw is not None:
        # A tar takes more bytes per file than a record does. TensorFlow Datasets' intermediate
        # files are removed one by one while the result is written.
        return sum((raw / name).stat().st_size for name in TARS)
    given = _given_v2(raw)
    if given is None:
        return 3 * V2_DOWNLOAD.size  # archive, unpacked, result
    if given.is_dir():
        return sum(path.stat().st_size for path in given.glob("*/*"))
    return 2 * given.stat().st_size


def _check_tars(raw: Path | None, validation_examples: int) -> None:
    """Raises a `DataError` unless `raw` holds the two archives; reads their tables of contents."""
    where = f"the folder with {TRAIN_TAR} and {VALIDATION_TAR}"
    if raw is None:
        raise DataError(
            f"imagenet cannot be downloaded without registering: get {TRAIN_TAR} and "
            f"{VALIDATION_TAR} from https://image-net.org and name their folder with --raw"
        )
    if not raw.is_dir():
        raise DataError(f"{raw} is not a folder; for imagenet --raw takes {where}")
    for name in TARS:
        if not (raw / name).exists():
            raise DataError(f"{raw / name} is missing; --raw takes {where}, not unpacked")
    known = {f"{synset}.tar" for synset in _synsets()}
    for name in _members(raw / TRAIN_TAR):
        if name not in known:
            raise DataError(
                f"{raw / TRAIN_TAR} holds {name!r}, where ImageNet's training archive holds one "
                "tar file for each class, like n01440764.tar"
            )
    # Labels belong to positions in the sorted list of names, so every name counts.
    names = sorted(_members(raw / VALIDATION_TAR))
    expected = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, validation_examples + 1)]
    if names != expected:
        strange = next(iter(sorted(set(names) ^ set(expected))), "a name twice")
        raise DataError(
            f"{raw / VALIDATION_TAR} is not ImageNet's validation archive of "
            f"{validation_examples:,} images, {expected[0]} to {expected[-1]}: {len(names):,} "
            f"files, the first difference is {strange!r}"
        )


def _members(path: Path) -> list[str]:
    try:
        with tarfile.open(path, "r:") as archive:
            return archive.getnames()
    except tarfile.TarError as error:
        raise DataError(
            f"{path} is not a tar file or is incomplete ({error}); download it again"
        ) from None


def _synsets() -> list[str]:
    """Returns the WordNet ids of ImageNet's classes, in the order of their labels."""
    import_tensorflow()
    import tensorflow_datasets as tfds

    return tfds.core.tfds_path("datasets/imagenet2012/labels.txt").read_text().split()


def _allow_open_files() -> None:
    """Raises this process's limit of open files to upstream's advice, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY and soft < _FEWEST_OPEN_FILES:
        raise DataError(
            f"this process may open {soft} files; have the limit (`ulimit -n`) raised to "
            f"{_OPEN_FILES}"
        )


@contextlib.contextmanager
def _alone_in(source: Path) -> Iterator[None]:
    """Keeps other processes out of `source`, and removes what a killed one left there."""
    source.mkdir(parents=True, exist_ok=True)
    folder = os.open(source, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process is preparing {source}; wait until it ends") from None
        except OSError:
            pass  # a file system without locks: what others do there is unknown
        else:
            for left in source.rglob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
        yield
    finally:
        os.close(folder)


def _write_imagenet(raw: Path, unfinished: Path, num_examples: Mapping[str, int]) -> None:
    """Has TensorFlow Datasets write train and validation below `unfinished`."""
    import_tensorflow()  # hides GPUs before TensorFlow Datasets imports it
    import tensorflow_datasets as tfds

    manual = unfinished / "manual"
    manual.mkdir()
    for name in TARS:  # and no others: an archive of test images would become a split of its own
        (manual / name).symlink_to((raw / name).resolve())
    builder = tfds.builder(_tfds_name(IMAGENET), data_dir=str(unfinished))
    config = tfds.download.DownloadConfig(manual_dir=str(manual), try_download_gcs=False)
    try:
        builder.download_and_prepare(
            download_dir=str(unfinished / "downloads"), download_config=config
        )
    except tarfile.TarError as error:
        raise DataError(
            f"a file in {raw / TRAIN_TAR} is not a tar file or is incomplete ({error}); download "
            "the archive again"
        ) from None
    _check_examples(
        IMAGENET, unfinished, num_examples, f"download {TRAIN_TAR} and {VALIDATION_TAR} again"
    )


def _tfds_name(dataset: Dataset) -> str:
    *name, version = dataset.folder.parts
    return f"{'/'.join(name)}:{version}"


def _given_v2(raw: Path | None) -> Path | None:
    """Returns what `raw` has of ImageNet-v2: the unpacked folder, the archive, or nothing."""
    places = [] if raw is None else [raw / V2_FOLDER, raw / V2_DOWNLOAD.filename]
    return next((place for place in places if place.exists()), None)


def _prepare_v2(
    source: Path,
    raw: Path | None,
    keep_download: bool,
    report: Callable[[str], None],
    num_examples: Mapping[str, int],
) -> None:
    given = _given_v2(raw)
    archive = given or fetch(V2_DOWNLOAD, source)
    report(f"converting {archive}")
    with contextlib.ExitStack() as stack:
        if archive.is_dir():
            images = archive
        else:
            temporary = tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=source)
            images = _unpack_v2(archive, Path(stack.enter_context(temporary)))

        def write(unfinished: Path) -> None:
            write_dataset(
                IMAGENET_V2, unfinished, {"test": _v2_split(images)}, features(_synsets()), **INFO
            )
            _check_examples(IMAGENET_V2, unfinished, num_examples, f"replace {archive}")

        write_atomically(IMAGENET_V2, source, write)
    if given is None and not keep_download:
        archive.unlink()


def _unpack_v2(archive: Path, destination: Path) -> Path:
    try:
        with tarfile.open(archive, "r:*") as members:  # compressed or not
            members.extractall(destination, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"{archive} is not a tar file or is incomplete ({reason}); remove it, and it will be "
            "downloaded again"
        ) from None
    if not (destination / V2_FOLDER).is_dir():
        raise DataError(f"{archive} is not ImageNet-v2's archive: it has no folder {V2_FOLDER}")
    return destination / V2_FOLDER


def _v2_split(folder: Path) -> Split:
    """Returns the images below `folder/<label>/`."""
    paths = sorted(path for path in folder.glob("*/*") if not path.name.startswith("."))
    labels = []
    for path in paths:
        name = path.parent.name
        if not re.fullmatch(r"0|[1-9]\d{0,2}", name):
            raise DataError(f"{path.parent}: {name!r} is not a label from 0 to {CLASSES - 1}")
        labels.append(int(name))

    def example(i: int) -> dict[str, Any]:
        return {
            "image": paths[i].read_bytes(),
            "label": labels[i],
            "file_name": f"{labels[i]}/{paths[i].name}",
        }

    # TensorFlow Datasets' keys have no slash.
    keys = [f"{label}_{path.name}" for label, path in zip(labels, paths, strict=True)]
    return Split(keys, example)
