"""Batches of utterances: their order, shapes and padding."""

import numpy as np
import pytest

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from workloads.librispeech.batching import Shapes, batch_of, samples_needed
from workloads.librispeech.dataset import dataset, example_batch

SHAPES = Shapes(samples=2_000, labels=5, evaluation_frames=(6, 10))


class Spoken:
    """Utterances of which each sample, and all labels but the last, are the utterance's number."""

    def __init__(self, lengths):
        self.lengths = np.array(lengths)
        self.label_lengths = 2 + np.arange(len(lengths)) % 3

    def audio(self, i):
        return np.full(self.lengths[i], i + 1, np.int16)

    def labels(self, i):
        return np.array([i + 10] * (self.label_lengths[i] - 1) + [2], np.int32)


class Data:
    """Ten training utterances, five for validation."""

    def utterances(self, split):
        lengths = {
            "train": [900 + 100 * i for i in range(10)],
            "validation": [500, 2_000, 961, 960, 0],
        }
        return Spoken(lengths[split])


def _batches(split, share, seed=0, count=None):
    batches = dataset(split, Data(), share, seed=seed, shapes=SHAPES, eval_train_examples=4)
    return [next(batches) for _ in range(count)] if count else list(batches)


def _said(batch):
    """The numbers of a batch's utterances."""
    return [int(label) - 10 for label in batch["labels"][..., 0].ravel() if label]


def test_a_batch_holds_audio_and_labels_with_zeros_behind():
    share = BatchShare.whole(4, 2)
    batch = batch_of(Spoken([3, 1, 2]), np.array([2, 0, 1]), share, 4, 5)
    assert batch["audio"].tolist() == [[[3, 3, 0, 0], [1, 1, 1, 0]], [[2, 0, 0, 0], [0, 0, 0, 0]]]
    assert batch["labels"].tolist() == [
        [[12, 12, 12, 2, 0], [10, 2, 0, 0, 0]],
        [[11, 11, 2, 0, 0], [0, 0, 0, 0, 0]],
    ]
    assert batch["audio_lengths"].tolist() == [[2, 3], [1, 0]]
    assert batch["label_lengths"].tolist() == [[4, 2], [3, 0]]
    assert batch["weights"].tolist() == [[1, 1], [1, 0]]
    types = {name: array.dtype.name for name, array in batch.items()}
    assert types == {
        "audio": "int16",
        "audio_lengths": "int32",
        "labels": "int32",
        "label_lengths": "int32",
        "weights": "float32",
    }


def test_every_epoch_has_full_batches_in_an_order_of_its_own():
    batches = _batches("train", BatchShare.whole(4), count=6)
    epochs = [sum(map(_said, batches[i : i + 2]), []) for i in range(0, 6, 2)]
    for epoch in epochs:
        assert len(set(epoch)) == 8  # two of ten do not fill a batch
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert {i for epoch in epochs for i in epoch} == set(range(10))
    assert all(batch["audio"].shape == (1, 4, 2_000) for batch in batches)


def test_the_seed_decides_the_order():
    share = BatchShare.whole(4)
    first, again, other = (_said(_batches("train", share, seed, 1)[0]) for seed in (3, 3, 4))
    assert first == again != other


def test_too_large_a_batch_is_refused():
    with pytest.raises(UserError, match="batch size 11 is more than the 10 training utterances"):
        _batches("train", BatchShare.whole(11), count=1)


def test_evaluation_gives_every_utterance_once_long_ones_first():
    batches = _batches("validation", BatchShare.whole(2))
    assert [_said(batch) for batch in batches] == [[1, 2], [3, 0], [4]]
    assert [batch["weights"].tolist() for batch in batches] == [[[1, 1]], [[1, 1]], [[1, 0]]]


def test_evaluation_batches_are_as_short_as_their_longest_utterance_allows():
    batches = _batches("validation", BatchShare.whole(2))
    # 2,000 samples need all; 960 are 6 frames, which want one of silence: 10; none needs 6.
    widths = [batch["audio"].shape[-1] for batch in batches]
    assert widths == [2_000, 160 * 9 + 401, 160 * 5 + 401]


def test_a_process_gives_its_batches_the_shape_of_the_whole():
    # Its own utterance is the short one.
    part = BatchShare(2, 2, range(1, 2))
    assert _batches("validation", part)[0]["audio"].shape == (1, 1, 2_000)


def test_eval_train_is_a_fixed_part_of_the_training_utterances():
    found = [
        sum(map(_said, _batches("eval_train", BatchShare.whole(3), seed)), []) for seed in (0, 1)
    ]
    assert found[0] == found[1]
    assert len(set(found[0])) == 4
    assert found[0] == sorted(found[0], reverse=True) != [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("longest", "samples"),
    [(0, 1_201), (800, 1_201), (801, 1_841), (1_440, 1_841), (1_441, 2_000), (2_000, 2_000)],
)
def test_samples_needed_leave_a_frame_of_silence(longest, samples):
    # 5 real frames and one of silence are 6, that is 160 * 5 + 401 samples.
    assert samples_needed(longest, SHAPES) == samples


def test_numbers_of_frames_have_the_form_that_strides_need():
    with pytest.raises(ValueError, match="8 frames are not 2 more than a multiple of 4"):
        samples_needed(10, SHAPES._replace(evaluation_frames=(8,)))


def test_benchmark_shapes_have_that_form():
    assert Shapes().frames == 500
    assert samples_needed(1, Shapes()) == 160 * 501 + 401
    assert samples_needed(272_160, Shapes()) == 160 * 1_701 + 401
    assert samples_needed(272_161, Shapes()) == 320_000


def test_example_batch_can_be_aligned():
    shapes = Shapes(samples=32_561, labels=24)
    batch = example_batch(BatchShare.whole(8, 2), seed=1, shapes=shapes, pieces=64)
    assert batch["audio"].shape == (2, 4, 32_561)
    assert batch["audio_lengths"].max() == 32_561
    frames = batch["audio_lengths"] // 640
    assert (2 * batch["label_lengths"] < frames).all()
    ends = np.take_along_axis(batch["labels"], batch["label_lengths"][..., None] - 1, axis=-1)
    assert (ends == 2).all()
    assert batch["labels"].max() < 64
