"""How long the network's transposed convolutions take with their gradients, beside flax's."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.comparison import Compiled
from workloads.fastmri import CONFIGS, MINI_CONFIG, SIZES
from workloads.fastmri.unet import Doubling

EXAMPLES = 2


class Comparison:
    """All of a network's transposed convolutions, each on noise of its size.

    Attributes:
      description: the sizes.
      tolerance: of outputs and gradients; products are added up in another order.
    """

    tolerance = 1e-4

    def __init__(self, workload: str, scale: str):
        """Makes the images."""
        config = CONFIGS[workload] if scale == "full" else MINI_CONFIG
        size = SIZES[scale].scans.size
        random = np.random.default_rng(0)
        self._images, self._kernels = [], []
        for level in range(config.levels, 0, -1):
            channels, side = config.channels * 2**level, size // 2**level
            shape = (EXAMPLES, side, side, channels)
            self._images.append(random.normal(size=shape).astype(np.float32))
            kernel = random.normal(scale=channels**-0.5, size=(2, 2, channels, channels // 2))
            self._kernels.append(kernel.astype(np.float32))
        self.description = (
            f"{workload} at scale {scale}, {config.levels} transposed convolutions of {EXAMPLES} "
            "examples, and their gradients"
        )

    def plain(self) -> Compiled:
        """flax's."""
        return self._compiled(
            lambda channels: nn.ConvTranspose(channels, (2, 2), strides=(2, 2), use_bias=False)
        )

    def fast(self) -> Compiled:
        """The kit's."""
        return self._compiled(Doubling)

    def _compiled(self, layer: Callable[[int], nn.Module]) -> Compiled:
        def total(kernels: list[jax.Array], images: list[jax.Array]) -> jax.Array:
            sums = [
                jnp.sin(layer(k.shape[-1]).apply({"params": {"kernel": k}}, x)).mean()
                for k, x in zip(kernels, images, strict=True)
            ]
            return jnp.stack(sums).sum()

        return Compiled(jax.value_and_grad(total, (0, 1)), self._kernels, self._images)
