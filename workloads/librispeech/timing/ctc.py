"""How long the loss and its gradient take, beside optax's."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax

from workloads.comparison import Compiled
from workloads.librispeech.ctc import ctc_loss


class Sizes(NamedTuple):
    """Sizes of a batch, and the fewest and most labels of its examples."""

    examples: int
    frames: int
    classes: int
    slots: int
    labels: tuple[int, int]


SIZES = {
    # A device's part of a batch of 256; utterances of about 12 seconds have about 50 word pieces.
    "full": Sizes(32, 500, 1024, 256, (20, 80)),
    "mini": Sizes(4, 60, 32, 24, (4, 16)),
}


class Comparison:
    """A batch of random logits and labels, of the lengths that real ones have.

    Attributes:
      description: the sizes.
      tolerance: of losses and gradients. Optax adds up logarithms in float32, which leaves an
        error of 2e-3 of the largest gradient at 500 frames; the kit's is a thousandth of that.
    """

    tolerance = 5e-3

    def __init__(self, workload: str, scale: str):
        """Makes the batch; all workloads with this loss have the same sizes."""
        sizes = SIZES[scale]
        rng = np.random.default_rng(0)
        fewest, most = sizes.labels
        self._label_lengths = rng.integers(fewest, most + 1, sizes.examples)
        self._lengths = rng.integers(sizes.frames * 3 // 5, sizes.frames + 1, sizes.examples)
        labels = rng.integers(1, sizes.classes, (sizes.examples, sizes.slots))
        is_label = np.arange(sizes.slots) < self._label_lengths[:, None]
        self._labels = np.where(is_label, labels, 0)
        shape = (sizes.examples, sizes.frames, sizes.classes)
        self._logits = rng.standard_normal(shape, np.float32)
        self.description = (
            f"{workload} at scale {scale}, {sizes.examples} examples, {sizes.frames} frames, "
            f"{sizes.classes} classes, {fewest} to {most} labels in {sizes.slots} slots"
        )

    def plain(self) -> Compiled:
        """Optax's; gives the losses `[B]` and the gradient of their sum `[B, T, K]`."""
        is_padding = np.arange(self._logits.shape[1]) >= self._lengths[:, None]
        is_no_label = np.arange(self._labels.shape[1]) >= self._label_lengths[:, None]
        batch = (self._logits, is_padding.astype(float), self._labels, is_no_label.astype(float))
        return Compiled(_with_gradient(optax.ctc_loss), *batch)

    def fast(self) -> Compiled:
        """The kit's; gives the same."""
        batch = (self._logits, self._lengths, self._labels, self._label_lengths)
        return Compiled(_with_gradient(ctc_loss), *batch)


def _with_gradient(losses: Callable) -> Callable:
    def summed(logits: jax.Array, *others: jax.Array) -> tuple[jax.Array, jax.Array]:
        single = losses(logits, *others)
        return single.sum(), single

    def both(*batch: jax.Array) -> tuple[jax.Array, jax.Array]:
        (_, single), gradient = jax.value_and_grad(summed, has_aux=True)(*batch)
        return single, gradient

    return both
