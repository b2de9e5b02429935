"""Conversion of small archives in the form of upstream's, read back by TensorFlow Datasets."""

import dataclasses
import fcntl
import hashlib
import io
import os
import resource
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from jpeg_files import encoded, pattern
from PIL import Image

from algoperf_jax.data.download import Download
from algoperf_jax.errors import DataError
from workloads.imagenet import files, prepare

# Two of the training images that are not RGB JPEG files upstream: the names are theirs.
CMYK, PNG = "n01739381_1309.JPEG", "n02105855_2933.JPEG"
TRAIN = {
    "n01440764": ["n01440764_18.JPEG", "n01440764_36.JPEG", "n01440764_2.JPEG"],
    "n01739381": [CMYK, "n01739381_7.JPEG"],
    "n02105855": [PNG],
    "n15075141": ["n15075141_54.JPEG", "n15075141_9.JPEG"],
}
# Positions in the sorted list of the 1,000 classes.
LABELS = {"n01440764": 0, "n01739381": 59, "n02105855": 230, "n15075141": 999}
# Labels of ILSVRC2012_val_00000001 to 6: n01751748, n09193705, n02105855, n04263257, n03125729 and
# n01735189 in the development kit's ground truth.
VALIDATION_LABELS = [65, 970, 230, 809, 516, 57]
V2_LABELS = (0, 1, 2, 10, 230, 999)
EXAMPLES = {"train": 8, "validation": 6, "test": 18}


def image_file(name):
    """A different small image for each name, in the format that the file of that name has."""
    seed = sum(map(ord, name))
    picture = Image.fromarray(np.roll(pattern(24, 30), seed, axis=1))
    if name == CMYK:
        return encoded(picture.convert("CMYK"))
    return encoded(picture, "PNG" if name == PNG else "JPEG")


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def packed(contents, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in contents.items():
            add(archive, name, content)
    return buffer.getvalue()


def train_tar(classes=None):
    return packed(
        {
            f"{synset}.tar": packed({name: image_file(name) for name in names})
            for synset, names in (classes or TRAIN).items()
        }
    )


def validation_tar(count=EXAMPLES["validation"]):
    # As upstream's archive, not in the order of the names.
    names = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(count, 0, -1)]
    return packed({name: image_file(name) for name in names})


def v2_files():
    return {
        f"{label}/{hashlib.md5(f'{label} {k}'.encode()).hexdigest()}.jpeg": image_file(
            f"{label}{k}"
        )
        for label in V2_LABELS
        for k in range(3)
    }


def write_v2_folder(folder):
    for name, content in v2_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def v2_tar(mode="w"):
    return packed({f"{prepare.V2_FOLDER}/{name}": c for name, c in v2_files().items()}, mode)


def write_raw(folder):
    folder.mkdir()
    (folder / prepare.TRAIN_TAR).write_bytes(train_tar())
    (folder / prepare.VALIDATION_TAR).write_bytes(validation_tar())
    # Present on some users' disks; the benchmark's layout has no such split.
    (folder / "ILSVRC2012_img_test.tar").write_bytes(packed({"x_1.JPEG": image_file("x")}))
    (folder / prepare.V2_DOWNLOAD.filename).write_bytes(v2_tar())
    return folder


def run(data_dir, raw=None, lines=None, **options):
    report = (lambda _: None) if lines is None else lines.append
    options = {"examples": EXAMPLES, "report": report} | options
    return prepare.prepare(data_dir, raw, **options)


def snapshot(folder):
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def raw(tmp_path):
    return write_raw(tmp_path / "raw")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folder of raw files, its content before, data directory, lines reported, result."""
    folder = tmp_path_factory.mktemp("prepared")
    before = snapshot(write_raw(folder / "raw"))
    lines = []
    result = run(folder / "data", folder / "raw", lines)
    return folder, before, lines, result


def stored(root, name, split):
    """Examples in stored order, their images as bytes."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=str(root))
    data = builder.as_dataset(
        split=split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()}
    )
    return list(tfds.as_numpy(data))


def test_result_is_in_the_layout_of_the_benchmark(prepared):
    folder, _, _, result = prepared
    assert result == folder / "data" / "imagenet" / "jax"
    assert files.STORED.root(folder / "data") == result
    assert sorted(snapshot(result)) == [
        "imagenet2012/5.1.0/dataset_info.json",
        "imagenet2012/5.1.0/features.json",
        "imagenet2012/5.1.0/imagenet2012-train.tfrecord-00000-of-00001",
        "imagenet2012/5.1.0/imagenet2012-validation.tfrecord-00000-of-00001",
        "imagenet2012/5.1.0/label.labels.txt",
        "imagenet_v2/matched-frequency/3.0.0/dataset_info.json",
        "imagenet_v2/matched-frequency/3.0.0/features.json",
        *(
            f"imagenet_v2/matched-frequency/3.0.0/imagenet_v2-test.tfrecord-{k:05d}-of-00016"
            for k in range(16)
        ),
        "imagenet_v2/matched-frequency/3.0.0/label.labels.txt",
    ]


def test_raw_files_stay_as_they_were(prepared):
    folder, before, _, _ = prepared
    assert snapshot(folder / "raw") == before


def test_training_examples_are_upstreams_files_with_their_labels(prepared):
    examples = stored(prepared[-1], "imagenet2012:5.1.0", "train")
    found = {e["file_name"].decode(): (int(e["label"]), e["image"]) for e in examples}
    assert {name: label for name, (label, _) in found.items()} == {
        name: LABELS[synset] for synset, names in TRAIN.items() for name in names
    }
    for name, (_, content) in found.items():
        if name not in (CMYK, PNG):
            assert content == image_file(name)


@pytest.mark.parametrize("name", [CMYK, PNG])
def test_files_that_are_no_rgb_jpeg_are_mended(prepared, name):
    examples = stored(prepared[-1], "imagenet2012:5.1.0", "train")
    (content,) = (e["image"] for e in examples if e["file_name"].decode() == name)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        found = np.asarray(image).astype(int)
    with Image.open(io.BytesIO(image_file(name))) as image:
        original = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(found - original).mean() < 4


def test_validation_labels_are_upstreams(prepared):
    examples = stored(prepared[-1], "imagenet2012:5.1.0", "validation")
    labels = {e["file_name"].decode(): int(e["label"]) for e in examples}
    assert labels == {
        f"ILSVRC2012_val_{k:08d}.JPEG": label for k, label in enumerate(VALIDATION_LABELS, 1)
    }


def test_imagenet_v2_is_what_its_builder_in_tensorflow_datasets_writes(prepared, tmp_path):
    """That builder is given an unpacked folder in place of its download."""
    import tensorflow_datasets as tfds

    class Unpacked:
        def download_and_extract(self, url):
            assert url == prepare.V2_DOWNLOAD.url
            return str(tmp_path)

    write_v2_folder(tmp_path / prepare.V2_FOLDER)
    name = "imagenet_v2/matched-frequency:3.0.0"
    builder = tfds.builder(name, data_dir=str(tmp_path))
    (split,) = builder._split_generators(Unpacked())
    expected = dict(builder._generate_examples(**split.gen_kwargs))
    hashes = {hashlib.md5(f"test{key}".encode()).digest(): key for key in expected}
    in_order = [expected[hashes[digest]] for digest in sorted(hashes)]
    found = stored(prepared[-1], name, "test")
    assert len(found) == 18
    for example, theirs in zip(found, in_order, strict=True):
        assert example["file_name"].decode() == theirs["file_name"]
        assert int(example["label"]) == theirs["label"]
        assert example["image"] == Path(theirs["image"]).read_bytes()


def test_download_is_the_one_of_tensorflow_datasets(prepared):
    import tensorflow_datasets as tfds

    folder = Path(tfds.core.tfds_path("datasets/imagenet_v2"))
    lines = (folder / "checksums.tsv").read_text().splitlines()
    url, size, checksum, name = next(line.split() for line in lines if "matched" in line)
    assert Download(url, int(size), checksum) == prepare.V2_DOWNLOAD
    assert prepare.V2_DOWNLOAD.filename == name


def test_metadata_say_what_those_of_tensorflow_datasets_say(prepared):
    import tensorflow_datasets as tfds

    for name in ("imagenet2012:5.1.0", "imagenet_v2/matched-frequency:3.0.0"):
        info = tfds.builder(name, data_dir=str(prepared[-1])).info
        assert info.full_name == name.replace(":", "/")
        assert info.supervised_keys == ("image", "label")
        assert info.features["label"].num_classes == 1000
        assert info.features["label"].int2str(999) == "n15075141"


def test_second_run_does_nothing_and_needs_no_raw_files(prepared):
    folder, _, lines, result = prepared
    before, again = snapshot(result), []
    assert run(folder / "data", None, again) == result
    assert again == [
        f"{result / 'imagenet_v2' / 'matched-frequency' / '3.0.0'} is there already",
        f"{result / 'imagenet2012' / '5.1.0'} is there already",
    ]
    assert snapshot(result) == before
    assert lines[0] == f"imagenet needs 0.00 GB of disk space in {result}"
    assert lines[-1] == f"{result / 'imagenet2012' / '5.1.0'} is ready"


@pytest.mark.parametrize(("split", "name"), [("train", "imagenet2012"), ("test", "imagenet_v2")])
def test_other_number_of_examples_is_refused(prepared, raw, tmp_path, split, name):
    examples = EXAMPLES | {split: 1_000}
    message = f"split '{split}' has {EXAMPLES[split]} examples, there should be 1,000"
    with pytest.raises(DataError, match=message):
        run(tmp_path / "data", raw, examples=examples)
    assert not [path for path in snapshot(tmp_path / "data") if name in path]
    with pytest.raises(DataError, match=f"{message}; remove .*/imagenet/jax/{name}"):
        run(prepared[0] / "data", raw, examples=examples)


def test_imagenet_v2_is_downloaded_when_it_is_not_there(raw, tmp_path, monkeypatch):
    archive = raw / prepare.V2_DOWNLOAD.filename
    archive.write_bytes(v2_tar("w:gz"))
    content = archive.read_bytes()
    away = archive.rename(tmp_path / archive.name)
    download = dataclasses.replace(
        prepare.V2_DOWNLOAD,
        url=away.as_uri(),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setattr(prepare, "V2_DOWNLOAD", download)
    for keep in (False, True):
        data = tmp_path / f"data {keep}"
        # The rest is looked at elsewhere.
        monkeypatch.setattr(prepare, "_write_imagenet", lambda *_: None)
        with pytest.raises(DataError, match="dataset_info.json is missing"):
            run(data, raw, keep_download=keep)
        home = data / "imagenet" / "jax"
        files.IMAGENET_V2.check_examples(home, {"test": 18}, "")
        assert (home / archive.name).exists() == keep
        folders = sorted(path.name for path in home.iterdir() if path.is_dir())
        assert folders == ["imagenet2012", "imagenet_v2"]
        assert list((home / "imagenet2012").iterdir()) == []


def test_unpacked_imagenet_v2_is_taken_first(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_write_imagenet", lambda *_: None)
    (raw / prepare.V2_DOWNLOAD.filename).write_bytes(b"not looked at")
    write_v2_folder(raw / prepare.V2_FOLDER)
    (raw / prepare.V2_FOLDER / "1" / ".DS_Store").touch()
    with pytest.raises(DataError, match="dataset_info.json is missing"):
        run(tmp_path / "data", raw)
    root = tmp_path / "data" / "imagenet" / "jax"
    files.IMAGENET_V2.check_examples(root, {"test": 18}, "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (prepare.TRAIN_TAR, None, r"img_train\.tar is missing; --raw takes the folder with"),
        (prepare.VALIDATION_TAR, None, r"img_val\.tar is missing; --raw takes the folder with"),
        (prepare.TRAIN_TAR, b"hello" * 300, r"img_train\.tar is not a tar file or is incomplete"),
        (prepare.TRAIN_TAR, train_tar()[:-11_000], r"img_train\.tar is not a tar .*unexpected end"),
        (prepare.TRAIN_TAR, validation_tar(), r"img_train\.tar holds 'ILSVRC2012_val_00000006"),
        (prepare.VALIDATION_TAR, train_tar(), r"img_val\.tar is not .* 'ILSVRC2012_val_00000001"),
        (prepare.VALIDATION_TAR, validation_tar(5), r"5 files, .* 'ILSVRC2012_val_00000006\.JPEG'"),
        (prepare.VALIDATION_TAR, validation_tar(7), r"7 files, .* 'ILSVRC2012_val_00000007\.JPEG'"),
        (prepare.V2_DOWNLOAD.filename, b"hello", r"tar\.gz is not a tar file .* replace it"),
        (prepare.V2_DOWNLOAD.filename, validation_tar(), "is not ImageNet-v2's archive: it has no"),
        (
            prepare.V2_DOWNLOAD.filename,
            packed({f"{prepare.V2_FOLDER}/n01440764/1.jpeg": b""}),
            "'n01440764' is not a label from 0 to 999",
        ),
        (
            prepare.TRAIN_TAR,
            packed({"n01440764.tar": b"hello" * 300}),
            r"a file in .*img_train\.tar is not a tar file",
        ),
    ],
)
def test_wrong_raw_file_is_an_error_that_names_it(raw, tmp_path, name, content, message):
    (raw / name).unlink()
    if content is not None:
        (raw / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "data", raw)
    assert not (tmp_path / "data" / "imagenet" / "jax" / "imagenet2012" / "5.1.0").exists()
    assert not list(tmp_path.rglob(".unfinished*"))


def test_without_raw_files_the_error_says_where_they_are_from(tmp_path):
    with pytest.raises(DataError, match=r"without registering: get .* from https://image-net\.org"):
        run(tmp_path / "data")
    with pytest.raises(DataError, match="none is not a folder; for imagenet --raw takes the"):
        run(tmp_path / "data", tmp_path / "none")
    assert not (tmp_path / "data").exists()


def test_what_a_killed_process_left_is_removed(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_write_imagenet", lambda *_: None)
    left = tmp_path / "data" / "imagenet" / "jax" / "imagenet2012" / ".unfinished-abc" / "x"
    left.mkdir(parents=True)
    with pytest.raises(DataError, match="dataset_info.json is missing"):
        run(tmp_path / "data", raw)
    assert not left.parent.exists()


def test_second_process_is_refused(raw, tmp_path):
    home = tmp_path / "data" / "imagenet" / "jax"
    left = home / "imagenet2012" / ".unfinished-of-the-other"
    left.mkdir(parents=True)
    other = os.open(home, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another process is preparing"):
        run(tmp_path / "data", raw)
    assert left.exists()
    os.close(other)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((1024, 4096), (4096, 4096)),
        ((1024, resource.RLIM_INFINITY), (8192, resource.RLIM_INFINITY)),
        ((20_000, 30_000), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_limit_of_open_files_is_raised_as_far_as_allowed(monkeypatch, limits, expected):
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: calls.append(new))
    prepare._allow_open_files()
    assert calls == ([] if expected is None else [expected])


def test_low_limit_of_open_files_is_an_error(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with pytest.raises(DataError, match="may open 1024 files; have the limit"):
        prepare._allow_open_files()


def test_full_disk_is_found_before_anything_is_written(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DataError, match="GB of free disk space"):
        run(tmp_path / "data", raw)
    assert snapshot(tmp_path / "data") == {}
