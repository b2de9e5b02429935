"""Batches of training and evaluation: order, resumption, and what each row says."""

import dataclasses
import functools
import importlib
import itertools
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import scipy.stats
from imagenet_files import RED_PER_LABEL, picture, write_pictures

from algoperf_jax.data.batch_cache import BatchCache
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.order import interleaved
from workloads.imagenet import sample
from workloads.imagenet.dataset import (
    EVAL_CACHE_BYTES,
    ImagenetData,
    Pipeline,
    dataset,
    mixup_weight,
)
from workloads.imagenet.decoding import Decoder
from workloads.imagenet.files import STORED
from workloads.imagenet.images import Preprocessing, eval_image
from workloads.imagenet.randaugment import RandAugment

BATCH_SIZE, REPLICAS = 8, 4
TRAIN, VALIDATION, TEST = [9, 20, 16, 15], [13, 8], [5]

PLAIN = Pipeline(Preprocessing(image_size=8, crop_area=(0.6, 1.0)), eval_train_examples=25)
MIXED = dataclasses.replace(
    PLAIN,
    preprocessing=dataclasses.replace(PLAIN.preprocessing, randaugment=RandAugment()),
    mixup_alpha=0.2,
)
pipelines = pytest.mark.parametrize("pipeline", [PLAIN, MIXED], ids=["plain", "mixed"])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Records whose labels are their numbers, and which show them."""
    root = tmp_path_factory.mktemp("imagenet")
    for split, lengths in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write_pictures(root, split, lengths)
    return root


@pytest.fixture
def data(root):
    """The opened data, with an empty cache for each test."""
    return opened(root)


def opened(root, cache_bytes=EVAL_CACHE_BYTES):
    return ImagenetData(functools.cache(STORED.in_data_dir(root).records), BatchCache(cache_bytes))


@pytest.fixture
def decoded(monkeypatch):
    """The records of every batch whose decoding was begun."""
    begun = []
    decode = Decoder.decode

    def counted(decoder, records, seeds):
        begun.append(records.tolist())
        return decode(decoder, records, seeds)

    monkeypatch.setattr(Decoder, "decode", counted)
    return begun


def make(data, split="train", pipeline=PLAIN, seed=7, local=range(REPLICAS), batch_size=BATCH_SIZE):
    share = BatchShare(batch_size, REPLICAS, local)
    return dataset(split, data, share, seed=seed, pipeline=pipeline)


def some(batches, count):
    return list(itertools.islice(batches, count))


def targets_of(batches):
    return [target for batch in batches for target in batch["targets"].ravel().tolist()]


def assert_equal(batch, other):
    assert batch.keys() == other.keys()
    for key in batch:
        np.testing.assert_array_equal(batch[key], other[key], err_msg=key)


def test_training_batch_has_a_leading_replica_axis(data):
    def described(pipeline):
        batch = next(make(data, pipeline=pipeline))
        return {key: (value.shape, value.dtype.name) for key, value in batch.items()}

    assert described(PLAIN) == {
        "inputs": ((4, 2, 8, 8, 3), "float32"),
        "targets": ((4, 2), "int32"),
        "weights": ((4, 2), "float32"),
    }
    assert described(MIXED) == {
        "inputs": ((4, 2, 8, 8, 3), "uint8"),
        "targets": ((4, 2), "int32"),
        "weights": ((4, 2), "float32"),
        "mixup_weight": ((4,), "float32"),
        "previous_input": ((4, 8, 8, 3), "uint8"),
        "previous_target": ((4,), "int32"),
    }


@pytest.mark.parametrize("split", ["train", "eval_train", "validation", "test"])
def test_pictures_and_targets_belong_together(data, split):
    for batch in some(make(data, split), 20):
        red = batch["inputs"][..., 0].mean(axis=(2, 3))
        real = batch["weights"] == 1
        np.testing.assert_allclose(red[real], RED_PER_LABEL * batch["targets"][real], atol=1.9)


def test_training_weights_are_ones(data):
    np.testing.assert_array_equal(next(make(data))["weights"], np.ones((4, 2)))


def test_reading_order_is_that_of_tensorflow_datasets(tmp_path_factory):
    import tensorflow_datasets as tfds

    tf = import_tensorflow()
    folder = sample.root(tmp_path_factory.mktemp("cache"))
    builder = tfds.builder("imagenet2012:5.1.0", data_dir=str(folder))
    bytes_only = {"image": tfds.decode.SkipDecoding()}
    stored = builder.as_dataset(split="train", shuffle_files=False, decoders=bytes_only)
    expected = [name.decode() for name in stored.map(lambda e: e["file_name"]).as_numpy_iterator()]

    records = STORED.in_sample(folder).records("train")
    order = interleaved(records.records_per_file)
    features = {"file_name": tf.io.FixedLenFeature([], tf.string)}
    found = tf.io.parse_example(records.read(order), features)["file_name"].numpy()
    assert [name.decode() for name in found] == expected


def test_reference_order_passes_through_a_buffer_of_sixteen_batches(tmp_path):
    write_pictures(tmp_path, "train", [8] * 25)
    place = np.empty(200, int)  # of each record in reading order
    place[interleaved([8] * 25)] = np.arange(200)
    targets = targets_of(some(make(opened(tmp_path), batch_size=4), 25))
    assert len(set(targets)) == 100
    # A record can come out when it has been read: the buffer's 64 slots before its turn.
    ahead = place[targets] - np.arange(100)
    assert 60 <= ahead.max() < 64


def test_epochs_of_the_reference_order_blend(data):
    targets = targets_of(some(make(data, batch_size=4), 75))
    assert set(targets) == set(range(60))
    assert max(Counter(targets[:60]).values()) > 1


def test_permutations_give_every_example_once_per_epoch(data):
    pipeline = dataclasses.replace(PLAIN, order="permutation")
    targets = targets_of(some(make(data, pipeline=pipeline), 15))
    assert sorted(targets[:60]) == sorted(targets[60:]) == list(range(60))
    assert targets[:60] != targets[60:]


@pipelines
def test_seed_decides_everything(data, pipeline):
    for batch, other in zip(
        some(make(data, pipeline=pipeline), 3),
        some(make(data, pipeline=pipeline), 3),
        strict=True,
    ):
        assert_equal(batch, other)
    first = next(make(data, pipeline=pipeline, seed=1))
    second = next(make(data, pipeline=pipeline, seed=2))
    for key in first.keys() - {"weights"}:
        assert not np.array_equal(first[key], second[key]), key


def test_example_is_cropped_anew_each_time(data):
    pictures = {}
    for batch in some(make(data), 30):
        for target, image in zip(
            batch["targets"].ravel(), batch["inputs"].reshape(-1, 8, 8, 3), strict=True
        ):
            pictures.setdefault(int(target), []).append(image.tobytes())
    repeated = [found for found in pictures.values() if len(found) > 1]
    assert len(repeated) > 40
    # Of so few pixels the same box may be drawn again, but rarely.
    different = sum(len(set(found)) for found in repeated)
    assert different > 0.95 * sum(map(len, repeated))


@pipelines
def test_iterator_goes_on_from_a_stored_state(data, pipeline):
    batches = make(data, pipeline=pipeline)
    for k in range(20):
        state = json.loads(json.dumps(batches.get_state()))
        assert state == {"position": k * BATCH_SIZE}
        expected = next(batches)
        if k in (0, 1, 7, 8, 19):
            resumed = make(data, pipeline=pipeline)
            next(resumed)
            resumed.set_state(state)
            assert resumed.get_state() == state
            assert_equal(next(resumed), expected)
            assert resumed.get_state() == batches.get_state()


@pipelines
@pytest.mark.parametrize(
    "parts", [[range(2), range(2, 4)], [range(1), range(1, 4)], [range(k, k + 1) for k in range(4)]]
)
def test_processes_build_together_what_one_builds_alone(data, pipeline, parts):
    for split in ("train", "validation"):
        whole = make(data, split, pipeline)
        slices = [make(data, split, pipeline, local=part) for part in parts]
        for batch, *pieces in itertools.islice(zip(whole, *slices, strict=True), 4):
            joined = {key: np.concatenate([piece[key] for piece in pieces]) for key in batch}
            assert_equal(joined, batch)


def test_previous_example_is_the_one_before_the_replica_in_the_global_batch(data):
    for batch in some(make(data, pipeline=MIXED), 5):
        images, targets = batch["inputs"].reshape(-1, 8, 8, 3), batch["targets"].reshape(-1)
        np.testing.assert_array_equal(batch["previous_input"], images[[-1, 1, 3, 5]])
        np.testing.assert_array_equal(batch["previous_target"], targets[[-1, 1, 3, 5]])


def test_mixup_weight_is_one_for_the_global_batch_and_new_for_each(data):
    weights = [batch["mixup_weight"] for batch in some(make(data, pipeline=MIXED), 5)]
    assert all((weight == weight[0]).all() for weight in weights)
    assert len({float(weight[0]) for weight in weights}) == 5


def test_mixup_weights_follow_the_beta_distribution():
    weights = [mixup_weight(0.2, 3, 1024 * k) for k in range(3000)]
    assert scipy.stats.kstest(weights, scipy.stats.beta(0.2, 0.2).cdf).pvalue > 1e-3


def test_mixup_weight_is_a_number_where_gamma_draws_would_vanish():
    weights = np.array([mixup_weight(1e-3, 3, k) for k in range(300)])
    assert np.isfinite(weights).all()
    assert 0.3 < (weights > 0.5).mean() < 0.7


@pipelines
def test_threads_have_no_influence(data, pipeline, monkeypatch):
    expected = some(make(data, pipeline=pipeline), 4)
    decoding = importlib.import_module("workloads.imagenet.decoding")
    for threads, records in ((1, 64), (5, 64), (3, 1)):
        monkeypatch.setattr(decoding, "_RECORDS_PER_READ", records)
        other = dataclasses.replace(pipeline, threads=threads)
        for batch, found in zip(expected, make(data, pipeline=other), strict=False):
            assert_equal(found, batch)


@pytest.mark.parametrize(
    ("split", "examples", "last"),
    [("eval_train", 25, [1, 0, 0, 0]), ("validation", 21, [2, 2, 1, 0]), ("test", 5, [2, 2, 1, 0])],
)
def test_evaluation_sees_every_example_once_and_pads_the_last_batch(data, split, examples, last):
    batches = list(make(data, split, seed=1))
    assert len(batches) == -(-examples // BATCH_SIZE)
    assert batches[-1]["weights"].sum(axis=1).tolist() == last
    real = np.concatenate([batch["weights"].reshape(-1) for batch in batches]) == 1
    targets = np.array(targets_of(batches))
    assert len(set(targets[real])) == real.sum() == examples
    if split != "eval_train":
        assert targets[real].tolist() == list(range(examples))
    for batch in batches:
        assert batch["inputs"].dtype == np.float32
        padding = batch["weights"] == 0
        assert not batch["inputs"][padding].any()
        assert not batch["targets"][padding].any()
    for batch, other in zip(batches, make(data, split, seed=2), strict=True):
        assert_equal(batch, other)


def test_evaluation_images_are_those_of_the_image_function(data):
    targets = np.concatenate([batch["targets"].reshape(-1) for batch in make(data, "validation")])
    images = np.concatenate(
        [batch["inputs"].reshape(-1, 8, 8, 3) for batch in make(data, "validation", MIXED)]
    )
    for target, image in zip(targets[:21], images[:21], strict=True):
        expected = eval_image(picture(target), PLAIN.preprocessing)
        np.testing.assert_array_equal(image, expected)


def test_eval_train_is_a_random_subset_in_stored_order(data):
    targets = targets_of(make(data, "eval_train"))[:25]
    assert targets == sorted(targets)
    assert targets != list(range(25))
    everything = dataclasses.replace(PLAIN, eval_train_examples=1000)
    assert targets_of(make(data, "eval_train", everything))[:60] == list(range(60))


def test_second_evaluation_comes_from_memory(data, decoded):
    first = list(make(data, "validation"))
    count = len(decoded)
    for batch, other in zip(make(data, "validation", seed=2), first, strict=True):
        assert_equal(batch, other)
    assert len(decoded) == count


def test_cache_is_bounded_by_what_the_batches_take(root, data, decoded):
    list(make(data, "validation"))
    size = sum(array.nbytes for batch in make(data, "validation") for array in batch.values())
    assert data.eval_cache.size == size
    small = opened(root, size - 1)
    for _ in range(2):
        count = len(decoded)
        assert len(list(make(small, "validation"))) == len(decoded) - count == 3


@pytest.mark.slow
def test_process_ends_while_batches_are_being_built(root):
    program = """
import sys
from pathlib import Path
from algoperf_jax.data.batch_share import BatchShare
from workloads.imagenet.dataset import dataset, open_data
data = open_data(Path(sys.argv[1]), None, examples={})
next(dataset("train", data, BatchShare.whole(512), seed=0))
print("end")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, timeout=100
    )
    assert (ended.returncode, ended.stdout) == (0, "end\n")
    assert "Traceback" not in ended.stderr
