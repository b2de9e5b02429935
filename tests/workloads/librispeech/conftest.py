"""The golden batch of the speech models."""

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech.layers import Audio


@pytest.fixture(scope="session")
def golden_audio(golden: GoldenSet) -> Audio:
    """Two utterances of 1.5 seconds and less."""
    arrays = golden.arrays("inputs_librispeech")
    lengths = (arrays["audio_paddings"] == 0).sum(axis=1).astype(np.int32)
    return Audio(arrays["audio"], lengths)


@pytest.fixture(scope="session")
def golden_labels(golden: GoldenSet) -> dict[str, np.ndarray]:
    """What a batch holds beside the audio."""
    arrays = golden.arrays("inputs_librispeech")
    return {
        "labels": arrays["targets"].astype(np.int32),
        "label_lengths": (arrays["target_paddings"] == 0).sum(axis=1).astype(np.int32),
        "weights": np.ones(len(arrays["targets"]), np.float32),
    }


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield
