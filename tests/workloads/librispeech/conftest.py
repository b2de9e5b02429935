"""The speech models on the golden batch, for all variants and fills."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech import CONFIGS, workload
from workloads.librispeech.conformer import Conformer, ConformerConfig
from workloads.librispeech.deepspeech import DeepSpeech
from workloads.librispeech.layers import Audio

BASES = ("librispeech_conformer", "librispeech_deepspeech")


def network_of(name: str, **changes: Any) -> Conformer | DeepSpeech:
    """The network of a variant with another configuration, statistics being those of its batch."""
    config = CONFIGS[name]._replace(**changes)
    return (Conformer if isinstance(config, ConformerConfig) else DeepSpeech)(config)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant's network without SpecAugment, the shapes of its variables, its golden vectors.

    `forward(params, model_state, audio, train=...)` gives outputs and model state; batch norms and
    dropout of rate 0 are as in training, or as in evaluation.
    """

    network: Conformer | DeepSpeech
    shapes: tuple[Any, Any]
    golden: dict[str, Any]
    forward: Callable[..., tuple[Any, Any]]

    def variables(self, golden: GoldenSet, fill: str) -> tuple[Any, Any]:
        """Filled parameters and model state."""
        params, model_state = self.shapes
        state = {name: golden.fill_batch_stats(stats) for name, stats in model_state.items()}
        return golden.fill_tree(params, fill), state


@functools.cache
def variant_of(name: str, golden: GoldenSet) -> Variant:
    """The variant of that name."""
    network = network_of(name, spec_augment=None)

    def forward(params, model_state, audio, *, train):
        outputs, written = network.apply(
            {"params": params, **model_state},
            audio,
            train=train,
            dropout_rate=0.0,
            batch_norm="update" if train else "running",
            mutable=list(model_state),
        )
        return outputs, dict(written) if model_state else model_state

    shapes = jax.eval_shape(workload(name, "full").init, jax.random.key(0))
    return Variant(network, shapes, golden.load(name), forward)


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
