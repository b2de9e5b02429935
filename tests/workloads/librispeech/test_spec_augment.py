"""SpecAugment against the reference's frequencies of hidden frames and bins."""

import functools

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech import CONFIGS
from workloads.librispeech.spec_augment import SpecAugment, masked

SHAPE = (4, 1000, 80)


@functools.cache
def _hidden(how: SpecAugment, lengths: tuple[int, ...], draws: int):
    """Which frames and which bins are hidden, bool `[draws, 4, 1000]` and `[draws, 4, 80]`."""
    augment = jax.jit(lambda key: masked(np.ones(SHAPE, np.float32), np.array(lengths), how, key))
    frames, bins = [], []
    for key in jax.random.split(jax.random.key(0), draws):
        seen = np.asarray(augment(key)) > 0
        frames.append(~seen.any(axis=2))
        bins.append(~seen.any(axis=1))
    return np.array(frames), np.array(bins)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ("conformer_and_deepspeech", "librispeech_conformer"),
        ("deepspeech_norm_and_spec_aug", "librispeech_deepspeech_norm_and_spec_aug"),
    ],
)
def test_as_much_is_hidden_as_in_the_reference(record, name, golden: GoldenSet):
    expected = golden.load("metrics")["spec_augment"][record]
    lengths, draws = expected["valid_lengths"], expected["draws"]
    frames, bins = _hidden(CONFIGS[name].spec_augment, tuple(lengths), draws)
    of_frames = frames.sum(axis=2) / np.array(lengths)
    for kind, found in (("time", of_frames), ("freq", bins.mean(axis=2))):
        mean = np.array(expected[f"{kind}_masked_fraction_mean"])
        error = np.array(expected[f"{kind}_masked_fraction_standard_error"])
        # Both are means of as many draws.
        assert (abs(found.mean(axis=0) - mean) < 4 * np.sqrt(2) * error).all(), kind


def test_widths_are_those_of_the_specification():
    lengths = (1000, 600, 200, 40)
    one = SpecAugment(time_masks=1, frequency_masks=1)
    frames, bins = _hidden(one, lengths, 400)
    widths, bands = frames.sum(axis=2), bins.sum(axis=2)
    # At most a twentieth of the real frames; a band is narrower than 27 bins.
    assert widths.max(axis=0).tolist() == [49, 29, 9, 1]
    assert widths.min() == 0 and bands.min() == 0 and bands.max() == 26
    for i, length in enumerate(lengths):
        assert not frames[:, i, length:].any()


def test_spans_are_hidden_whole_in_every_bin():
    features = np.ones(SHAPE, np.float32)
    found = np.asarray(masked(features, np.full(4, 1000), SpecAugment(), jax.random.key(1)))
    hidden = found == 0
    frames, bins = hidden.all(axis=2), hidden.all(axis=1)
    np.testing.assert_array_equal(hidden, frames[:, :, None] | bins[:, None, :])
    assert not np.array_equal(frames[0], frames[1])
