"""Records that are not as they should be, and what the others become."""

import dataclasses

import jax
import numpy as np
import pytest
from imagenet_files import picture, record, shard_path, write_shards
from jpeg_files import encoded, pattern

from algoperf_jax.data.batch_cache import BatchCache
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import DataError
from workloads.imagenet.dataset import ImagenetData, Pipeline, dataset
from workloads.imagenet.files import STORED
from workloads.imagenet.images import Preprocessing, eval_image

PIPELINE = Pipeline(
    Preprocessing(image_size=8, crop_area=(0.6, 1.0)), eval_train_examples=40, num_classes=10
)
JPEG = encoded(pattern(40, 40))
SHARD, NUMBER = 1, 7


def good(i):
    return record(picture(i % 10), i % 10, f"n{i}.JPEG")


def write_with(root, bad):
    """Two shards of 20 records, one of which is `bad`."""
    shards = [[good(i) for i in range(20)] for _ in range(2)]
    shards[SHARD][NUMBER] = bad
    write_shards(root, "train", shards)


def batches(root, split="train", batch_size=8, pipeline=PIPELINE):
    # Nothing is kept, so that memory is used again.
    data = ImagenetData(STORED.in_data_dir(root).records, BatchCache(0))
    return dataset(split, data, BatchShare.whole(batch_size, 2), seed=0, pipeline=pipeline)


BAD = {
    "a truncated file": (
        record(JPEG[: len(JPEG) // 2], 3, "short.JPEG"),
        rf"\(short.JPEG\): its image is a JPEG file that ends early, after {len(JPEG) // 2} bytes;",
    ),
    "a file without its end": (record(JPEG[:-2], 3, "a"), r"\(a\): its image .* ends early"),
    "no bytes": (record(b"", 3, "a"), r"\(a\): its image is not a JPEG file; it begins with b''"),
    "a PNG file": (
        record(encoded(pattern(40, 40), "PNG"), 3, "a.JPEG"),
        r"\(a.JPEG\): its image is a PNG file, it must be a JPEG file;",
    ),
    "a GIF file": (
        record(encoded(pattern(40, 40), "GIF"), 3, "a"),
        r"\(a\): its image is not a JPEG file; it begins with b'GIF8'",
    ),
    "damaged contents": (
        record(JPEG[:2] + b"\0" * (len(JPEG) - 4) + JPEG[-2:], 3, "a"),
        r"\(a\): its image cannot be decoded \(",
    ),
    "a label too large": (record(JPEG, 10, "a"), r"\(a\): its label is 10, it must be in 0\.\.9;"),
    "a label below zero": (record(JPEG, -1, "a"), r"\(a\): its label is -1, it must be in 0"),
    "a label of 2 ** 32": (record(JPEG, 2**32, "a"), r"\(a\): its label is 4294967296, it must"),
    "no label": (
        record(JPEG, 3, "a", without="label"),
        r"\(a\): it has no feature 'label', only file_name, image;",
    ),
    "no image": (record(JPEG, 3, "a", without="image"), r"\(a\): it has no feature 'image', only"),
    "no file name": (record(JPEG, 99, without="file_name"), r"record 7: its label is 99"),
    "two labels": (
        record(JPEG, [3, 5], "a"),
        r"\(a\): its feature 'label' has 2 values in its int64_list, it must have one;",
    ),
    "an image that is a number": (
        record(JPEG, 3, "a")
        .replace(b"\x05image", b"\x05xmage")
        .replace(b"\x05label", b"\x05image"),
        r"\(a\): its feature 'image' has 0 values in its bytes_list, it must have one;",
    ),
    "text": (b"nonsense", r"record 7: it is not a tf.train.Example;"),
    # TensorFlow's message quotes the record, and Python cannot read the message.
    "a cut-off example": (record(JPEG, 3)[:-1], r"record 7: it is not a tf.train.Example;"),
}


@pytest.mark.parametrize("split", ["train", "eval_train"])
@pytest.mark.parametrize("bad", BAD)
def test_bad_record_is_an_error_that_names_it(tmp_path, split, bad):
    content, message = BAD[bad]
    write_with(tmp_path, content)
    with pytest.raises(DataError, match=message) as error:
        for _ in zip(range(40), batches(tmp_path, split), strict=False):
            pass
    assert f"{shard_path(tmp_path, 'train', SHARD, 2)}, record {NUMBER}" in str(error.value)
    assert f"remove {tmp_path / 'imagenet2012/5.1.0'} and prepare it with: python " in str(
        error.value
    )


def test_error_is_met_again_and_nothing_is_skipped(tmp_path):
    write_with(tmp_path, BAD["a PNG file"][0])
    stream = batches(tmp_path)
    with pytest.raises(DataError):
        for _ in range(100):
            state = stream.get_state()
            next(stream)
    for _ in range(2):
        with pytest.raises(DataError, match="PNG"):
            next(stream)
        assert stream.get_state() == state


def test_damaged_shard_is_an_error_while_it_is_read(tmp_path):
    write_with(tmp_path, good(7))
    stream = batches(tmp_path)
    next(stream)
    path = shard_path(tmp_path, "train", SHARD, 2)
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}, record 19 is damaged: its content does not"):
        for _ in range(100):
            next(stream)


def test_cmyk_and_grey_files_are_decoded_as_images_are(tmp_path):
    from PIL import Image

    image = Image.fromarray(pattern(40, 40))
    files = [encoded(image.convert(mode)) for mode in ("CMYK", "L", "RGB")]
    write_shards(tmp_path, "validation", [[record(file, 1) for file in files]])
    (batch,) = batches(tmp_path, "validation", batch_size=4)
    for file, found in zip(files, batch["inputs"].reshape(-1, 8, 8, 3), strict=False):
        np.testing.assert_array_equal(found, eval_image(file, PIPELINE.preprocessing))


def test_batches_that_are_still_held_are_not_overwritten(tmp_path):
    write_with(tmp_path, good(7))
    stream = batches(tmp_path)
    held, copies, on_device = [], [], []
    for k in range(12):
        inputs = next(stream)["inputs"]
        if k % 3 == 0:
            held.append(inputs[:, 1:])
            copies.append(inputs.copy())
            on_device.append(jax.device_put(inputs))  # may share the memory
        del inputs
    for view, shared, copy in zip(held, on_device, copies, strict=True):
        np.testing.assert_array_equal(view, copy[:, 1:])
        np.testing.assert_array_equal(shared, copy)


def test_padding_is_zero(tmp_path):
    write_with(tmp_path, good(7))
    pipeline = dataclasses.replace(PIPELINE, eval_train_examples=33)
    for batch in batches(tmp_path, "eval_train", pipeline=pipeline):
        last = batch["inputs"].reshape(-1, 8, 8, 3).copy()
        del batch
    assert last[0].any()
    assert not last[1:].any()
