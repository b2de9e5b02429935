"""The embedded photographs, and the folders they expand to as TensorFlow Datasets reads them."""

import gzip
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workloads.imagenet import sample
from workloads.imagenet.sample import build

FOLDER = Path(sample.__file__).parent
SPLITS = {"train": 4000, "validation": 1000, "test": 1000}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return sample.root(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def images():
    return sample.read_images(FOLDER / sample.ARCHIVE)


@pytest.fixture(scope="module")
def builders(source):
    import tensorflow_datasets as tfds

    names = ("imagenet2012:5.1.0", "imagenet_v2/matched-frequency:3.0.0")
    return [tfds.builder(name, data_dir=str(source)) for name in names]


@pytest.fixture(scope="module")
def stored(builders):
    """The examples of each split in stored order, images as the bytes of their files."""
    import tensorflow_datasets as tfds

    bytes_only = {"image": tfds.decode.SkipDecoding()}
    return {
        split: list(
            tfds.as_numpy(b.as_dataset(split=split, shuffle_files=False, decoders=bytes_only))
        )
        for b in builders
        for split in b.info.splits
    }


def grey(file):
    """Decodes with Pillow; uint8 `[28, 28]` after a check that the three channels are equal."""
    with Image.open(io.BytesIO(file)) as image:
        assert image.mode == "RGB"
        pixels = np.asarray(image)
    assert np.all(pixels == pixels[..., :1])
    return pixels[..., 0]


def test_package_data_are_below_two_megabytes_and_have_a_license():
    sizes = {p.name: p.stat().st_size for p in FOLDER.iterdir() if p.is_file()}
    assert sum(sizes.values()) < 2_000_000
    assert "MIT License" in (FOLDER / "LICENSE").read_text()


def test_every_label_is_equally_frequent_in_every_split(builders, stored):
    infos = {name: split for b in builders for name, split in b.info.splits.items()}
    assert {name: info.num_examples for name, info in infos.items()} == SPLITS
    assert {name: len(info.shard_lengths) for name, info in infos.items()} == sample.SHARDS
    for split, examples in stored.items():
        labels = [int(example["label"]) for example in examples]
        assert np.bincount(labels).tolist() == [SPLITS[split] // 10] * 10
        # Stored order mixes labels: no run of one label is long.
        assert np.unique(labels[:64]).size == 10


def test_labels_are_ten_synsets_of_imagenet_in_its_order(builders):
    import tensorflow_datasets as tfds

    imagenet = tfds.core.tfds_path("datasets/imagenet2012/labels.txt").read_text().split()
    for builder in builders:
        names = builder.info.features["label"].names
        assert names == sorted(names)
        assert len(set(names) & set(imagenet)) == 10


def test_file_names_have_the_form_of_upstream(stored):
    forms = {
        "train": "n04133789_{}.JPEG",
        "validation": "ILSVRC2012_val_{:08d}.JPEG",
        "test": "7/{:03d}.jpeg",
    }
    for split, form in forms.items():
        sandals = {e["file_name"].decode() for e in stored[split] if e["label"] == 7}
        first = 701 if split == "validation" else 0  # numbered through all labels, from 1
        assert sandals == {form.format(first + i) for i in range(SPLITS[split] // 10)}


def test_expansion_changes_no_image(images, stored):
    for split, examples in stored.items():
        assert sorted(example["image"] for example in examples) == sorted(images[split])


def test_images_decode_alike_with_pillow_and_tensorflow(images):
    import tensorflow as tf

    for split, files in images.items():
        for file in files[:: len(files) // 40]:
            accurate = tf.io.decode_jpeg(file, dct_method="INTEGER_ACCURATE").numpy()
            assert accurate.shape == (28, 28, 3), split
            assert np.array_equal(accurate[..., 0], grey(file))


def test_images_of_a_class_look_like_it(images):
    """Trousers have a gap between the legs, bags none; sneakers are wider than high."""
    pixels = np.stack([grey(file) for file in images["train"]]).reshape(10, 400, 28, 28)
    mean = dict(zip(sample.CLASSES, pixels.mean(axis=1), strict=True))
    by_fashion = {c.fashion: image for c, image in mean.items()}
    trouser, bag, sneaker = by_fashion[1], by_fashion[8], by_fashion[7]
    assert trouser[20, 13:15].mean() < 0.7 * trouser[20, 9:11].mean()
    assert bag[20, 13:15].mean() > 100
    assert sneaker.mean(axis=1)[:5].max() < 3 < sneaker.mean(axis=0).min()


def test_no_image_has_a_look_alike_in_the_sample(images):
    """Distances of the originals exceed 20; compression moves each image by a few grey levels."""
    files = [file for split in images.values() for file in split]
    assert len(set(files)) == len(files) == 6000
    pixels = np.stack([grey(file).ravel() for file in files]).astype(np.float32)
    squares = (pixels**2).sum(axis=1)
    for begin in range(0, 6000, 1000):
        block = slice(begin, begin + 1000)
        distance = squares[block, None] + squares - 2 * pixels[block] @ pixels.T
        distance[np.arange(1000), np.arange(begin, begin + 1000)] = np.inf
        assert np.sqrt(distance.min() / 784) > 15


def test_images_are_read_without_an_image_library():
    program = (
        "import sys; sys.modules['PIL'] = sys.modules['tensorflow'] = None;"
        "from pathlib import Path; from workloads.imagenet import sample;"
        "sample.read_images(Path(sample.__file__).parent / sample.ARCHIVE)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=FOLDER.parents[2])


def idx(array):
    """The format of MNIST's files: type, rank, sides, content."""
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sides + array.tobytes()


def test_builder_gives_the_jpeg_files_of_a_plain_encoder(tmp_path, monkeypatch):
    """One image at a time, Pillow decodes to the same pixels; near copies are left out."""
    rng = np.random.default_rng(0)
    for name, count in (("t10k", 30), ("train", 60)):
        photographs = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        photographs[10:20] = photographs[0:10] ^ 3  # near copies
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, array in (("images-idx3", photographs), ("labels-idx1", labels)):
            path = tmp_path / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx(array)))
    for module in (sample, build):
        monkeypatch.setattr(module, "IMAGES_PER_CLASS", {"train": 3, "validation": 2, "test": 2})
    build.build(tmp_path, tmp_path)
    originals = build.choose(tmp_path)
    found = sample.read_images(tmp_path / sample.ARCHIVE)
    assert {split: len(files) for split, files in found.items()} == {
        "train": 30, "validation": 20, "test": 20
    }  # fmt: skip
    for split, files in found.items():
        for original, file in zip(originals[split], files, strict=True):
            plain = io.BytesIO()
            Image.fromarray(original).convert("RGB").save(
                plain, "JPEG", quality=build.QUALITY, subsampling="4:2:0"
            )
            assert np.array_equal(grey(file), grey(plain.getvalue()))
    everything = np.concatenate(list(originals.values())).reshape(70, -1).astype(int)
    distance = ((everything[:, None] - everything) ** 2).mean(axis=-1) + 1e6 * np.eye(70)
    assert distance.min() > 20**2
