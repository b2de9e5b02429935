"""Preparation of ImageNet and ImageNet-v2: from upstream archives to TensorFlow Datasets' folders.

ImageNet (Russakovsky et al., 2015) is converted by TensorFlow Datasets itself, which knows the
labels of the validation images and mends the 23 training images that are not RGB JPEG files. Its
builder of ImageNet-v2 (Recht et al., 2019) downloads the archive and cannot be given an unpacked
one, so that part is written here, with the same records in the same order.
"""

import re
import resource
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf_jax.data import preparation
from algoperf_jax.data.archives import tar_members, unpack_tar
from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.download import Download
from algoperf_jax.data.tfds_folder import NewSplit, TfdsFolder, write_dataset
from algoperf_jax.errors import DataError
from workloads.imagenet.files import IMAGENET, IMAGENET_V2, INFO, STORED, features

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


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    examples: Mapping[str, int] = STORED.examples,
) -> Path:
    """Makes ImageNet and ImageNet-v2 in `data_dir/imagenet/jax` and returns that folder.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with `ILSVRC2012_img_train.tar` and `ILSVRC2012_img_val.tar`, which only
        registered users can download, and optionally ImageNet-v2: its archive, or the folder it was
        unpacked to. Not needed when ImageNet is there already.
      keep_download, report, examples: see `preparation.prepare`.

    Raises:
      DataError: a file is missing or is not what it should be, the disk is too small, the system
        allows too few open files, or another process is at it.
    """

    def tars(raw: Path | None) -> Path:
        folder = _checked_tars(raw, examples["validation"])
        _allow_open_files()
        return folder

    imagenet = preparation.Step(
        dataset=IMAGENET,
        given=tars,
        # A tar takes more bytes per file than a record does. TensorFlow Datasets' intermediate
        # files are removed one by one while the result is written.
        disk_bytes=lambda folder: sum((folder / name).stat().st_size for name in TARS),
        write=_write_imagenet,
        note="this takes hours. TensorFlow Datasets will warn of a missing test split, which the "
        "benchmark does without",
    )
    imagenet_v2 = preparation.Step(
        dataset=IMAGENET_V2,
        given=_given_v2,
        disk_bytes=_v2_disk_bytes,
        write=_write_v2,
        download=V2_DOWNLOAD,
    )
    return preparation.prepare(
        STORED,
        [imagenet_v2, imagenet],  # the shorter one first
        data_dir,
        raw,
        keep_download=keep_download,
        report=report,
        examples=examples,
    )


def _checked_tars(raw: Path | None, validation_examples: int) -> Path:
    """The folder `raw`, which has to hold the two archives; reads their tables of contents."""
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
    for name in tar_members(raw / TRAIN_TAR):
        if name not in known:
            raise DataError(
                f"{raw / TRAIN_TAR} holds {name!r}, where ImageNet's training archive holds one "
                "tar file for each class, like n01440764.tar"
            )
    # Labels belong to positions in the sorted list of names, so every name counts.
    names = sorted(tar_members(raw / VALIDATION_TAR))
    expected = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, validation_examples + 1)]
    if names != expected:
        strange = next(iter(sorted(set(names) ^ set(expected))), "a name twice")
        raise DataError(
            f"{raw / VALIDATION_TAR} is not ImageNet's validation archive of "
            f"{validation_examples:,} images, {expected[0]} to {expected[-1]}: {len(names):,} "
            f"files, the first difference is {strange!r}"
        )
    return raw


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


def _write_imagenet(raw: Path, unfinished: Path) -> None:
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


def _tfds_name(dataset: TfdsFolder) -> str:
    *name, version = dataset.folder.parts
    return f"{'/'.join(name)}:{version}"


def _given_v2(raw: Path | None) -> Path | None:
    """Returns what `raw` has of ImageNet-v2: the unpacked folder, the archive, or nothing."""
    places = [] if raw is None else [raw / V2_FOLDER, raw / V2_DOWNLOAD.filename]
    return next((place for place in places if place.exists()), None)


def _v2_disk_bytes(given: Path | None) -> int:
    if given is None:
        return 3 * V2_DOWNLOAD.size  # archive, unpacked, result
    if given.is_dir():
        return sum(path.stat().st_size for path in given.glob("*/*"))
    return 2 * given.stat().st_size


def _write_v2(archive: Path, unfinished: Path) -> None:
    """Writes ImageNet-v2 below `unfinished` from its archive or the folder it was unpacked to."""
    images = archive
    if not archive.is_dir():
        unpack_tar(archive, unfinished)
        images = unfinished / V2_FOLDER
        if not images.is_dir():
            raise DataError(f"{archive} is not ImageNet-v2's archive: it has no folder {V2_FOLDER}")
    splits = {"test": _v2_split(images)}
    write_dataset(IMAGENET_V2, unfinished, splits, features(_synsets()), **INFO)


def _v2_split(folder: Path) -> NewSplit:
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
    return NewSplit(keys, example)
