"""The front-end against the reference's features and the specification's check values."""

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech.front_end import (
    frame_count,
    frame_lengths,
    log_mel,
    mel_matrix,
    samples_of,
    window,
)

BINS = [0, 1, 2, 39, 78, 79]
# Of the specification: example, frame, values of the bins above.
CHECK_VALUES = [
    (0, 0, [0.895574, 0.785438, 0.703380, 2.033131, 3.082621, 3.020549]),
    (0, 649, [-0.012878, 0.014613, 0.085491, 1.723926, 3.072020, 2.823975]),
    (0, 1299, [0.286816, 0.296285, 0.355537, 1.586393, 2.525583, 2.675198]),
    (0, 1300, [-1.137633, -1.221342, -1.249984, -1.512248, -1.356162, -1.332703]),
    (1, 0, [0.430795, 0.603910, 0.691163, 2.158855, 3.146298, 2.903715]),
    (1, 625, [0.035842, -0.035269, -0.039392, 1.644704, 2.034210, 2.196651]),
]


@pytest.fixture(scope="module")
def features():
    samples = np.round(3000 * np.random.RandomState(0).standard_normal((2, 320_000)))
    lengths = np.array([208_000, 100_123])
    # What lies behind the end is not silenced here: it has no bearing.
    return np.asarray(jax.jit(log_mel)(samples.astype(np.float32), lengths))


def test_full_length_features_match_the_specification(features):
    assert features.shape == (2, 1998, 80) and features.dtype == np.float32
    for example, frame, values in CHECK_VALUES:
        np.testing.assert_allclose(features[example, frame, BINS], values, rtol=0, atol=5e-5)
    means = [features[i, :n].mean(dtype=np.float64) for i, n in enumerate((1300, 626))]
    np.testing.assert_allclose(means, [1.773016, 1.774587], rtol=0, atol=2e-6)


def test_features_match_the_reference(golden: GoldenSet):
    # The inputs' formula in the vectors' README, for one second.
    time = np.arange(16_000) / 16_000
    row = np.arange(2)[:, None]
    tone = 4000 * np.sin(2 * np.pi * (220 + 80 * row) * time + golden.phi)
    sweep = 1500 * np.sin(2 * np.pi * (300 * time + 600 * time**2) + 0.5 * row)
    audio = (tone + sweep + 800 * golden.texture((2, 16_000))).astype(np.float32)
    expected = golden.arrays("logmel")
    lengths = np.array([16_000, 9_000])
    found = np.asarray(jax.jit(log_mel)(audio, lengths))
    np.testing.assert_allclose(found, expected["normalized"], rtol=0, atol=5e-5)
    real = (expected["output_paddings"] == 0).sum(axis=1)
    np.testing.assert_array_equal(frame_lengths(lengths, found.shape[1]), real)


def test_integers_give_what_floats_give():
    samples = np.random.RandomState(0).randint(-3_000, 3_000, (2, 2_000)).astype(np.int16)
    lengths = np.array([2_000, 1_500])
    np.testing.assert_array_equal(
        log_mel(samples, lengths), log_mel(samples.astype(np.float32), lengths)
    )


def test_mel_matrix_is_the_reference_one(golden: GoldenSet):
    # XLA's logarithm differs in the last digit between versions.
    expected = golden.arrays("logmel")["mel_weights"]
    np.testing.assert_allclose(mel_matrix(), expected, rtol=0, atol=2e-5)
    assert np.count_nonzero(mel_matrix()) == 470
    np.testing.assert_allclose(mel_matrix().sum(dtype=np.float64), 234.94843, rtol=1e-6)


def test_a_frames_first_value_has_no_weight():
    # The pre-emphasis of the specification treats it differently.
    assert window()[0] == 0


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(400, 0), (401, 1), (560, 1), (561, 2), (16_000, 98), (320_000, 1998)],
)
def test_numbers_of_frames_are_the_reference_ones(samples, frames):
    assert frame_count(samples) == frames


def test_samples_of_frames_are_the_fewest():
    for frames in (1, 98, 1_302):
        assert frame_count(samples_of(frames)) == frames
        assert frame_count(samples_of(frames) - 1) == frames - 1


def test_a_frame_is_real_if_its_first_sample_is():
    lengths = np.array([0, 1, 160, 161, 320_000])
    np.testing.assert_array_equal(frame_lengths(lengths, 1998), [0, 1, 1, 2, 1998])
