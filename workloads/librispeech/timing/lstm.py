"""How long a recurrent layer and its gradient take, beside flax's cell step by step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.comparison import Compiled
from workloads.librispeech.lstm import bidirectional_lstm, reversed_in_time


class Sizes(NamedTuple):
    """Sizes of a batch and of the layer; `features` are those of one direction."""

    examples: int
    steps: int
    inputs: int
    features: int


SIZES = {"full": Sizes(8, 500, 512, 256), "mini": Sizes(16, 39, 128, 64)}


class Comparison:
    """A batch of random sequences and a layer with random kernels.

    Attributes:
      description: the sizes.
      tolerance: of states and gradients.
    """

    tolerance = 1e-4

    def __init__(self, workload: str, scale: str):
        """Makes batch and kernels."""
        sizes = SIZES[scale]
        random = np.random.default_rng(0)

        def normal(*shape: int, over: float = 1.0) -> np.ndarray:
            return random.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(over))

        gates = 4 * sizes.features
        self._x = normal(sizes.examples, sizes.steps, sizes.inputs)
        self._lengths = random.integers(sizes.steps // 2, sizes.steps + 1, sizes.examples)
        self._kernels = (
            normal(2, sizes.inputs, gates, over=sizes.inputs),
            normal(2, sizes.features, gates, over=sizes.features),
            normal(2, gates),
        )
        self.description = (
            f"{workload} at scale {scale}, {sizes.examples} examples, {sizes.steps} steps, "
            f"{sizes.inputs} inputs, {sizes.features} features in each direction"
        )

    def plain(self) -> Compiled:
        """One direction after the other; each step multiplies input and state."""
        return Compiled(_with_gradient(_with_flax), self._x, self._lengths, *self._kernels)

    def fast(self) -> Compiled:
        """The kit's."""
        return Compiled(_with_gradient(bidirectional_lstm), self._x, self._lengths, *self._kernels)


def _with_flax(x: jax.Array, lengths: jax.Array, *kernels: jax.Array) -> jax.Array:
    features = kernels[1].shape[1]
    cell = nn.OptimizedLSTMCell(features)

    def direction(d: int) -> jax.Array:
        params: dict[str, Any] = {}
        of_input, of_state, biases = (jnp.split(x[d], 4, axis=-1) for x in kernels)
        for k, gate in enumerate("ifgo"):
            params[f"i{gate}"] = {"kernel": of_input[k]}
            params[f"h{gate}"] = {"kernel": of_state[k], "bias": biases[k]}
        inputs = reversed_in_time(x, lengths) if d else x
        zeros = jnp.zeros((x.shape[0], features))
        _, states = jax.lax.scan(
            lambda carry, inputs: cell.apply({"params": params}, carry, inputs),
            (zeros, zeros),
            inputs.swapaxes(0, 1),
        )
        states = states.swapaxes(0, 1)
        return reversed_in_time(states, lengths) if d else states

    return jnp.concatenate([direction(0), direction(1)], axis=-1)


def _with_gradient(layer: Callable) -> Callable:
    def squares(x: jax.Array, lengths: jax.Array, *kernels: jax.Array) -> tuple[Any, Any]:
        states = layer(x, lengths, *kernels)
        # States behind an utterance's end are of no use, and the two ways need not agree there.
        is_real = jnp.arange(x.shape[1]) < lengths[:, None]
        states = jnp.where(is_real[..., None], states, 0.0)
        return jnp.square(states).sum(), states

    return jax.value_and_grad(squares, argnums=(0, 2, 3, 4), has_aux=True)
