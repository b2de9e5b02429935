"""The speech models as their tests take them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from golden_vectors import GoldenSet

from workloads.librispeech import CONFIGS, workload
from workloads.librispeech.conformer import Conformer, ConformerConfig
from workloads.librispeech.deepspeech import DeepSpeech

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
