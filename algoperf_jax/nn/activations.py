"""Activation functions by the names that models and their variants use."""

from collections.abc import Callable

import flax.linen as nn
import jax

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "gelu": lambda x: nn.gelu(x, approximate=True),  # the benchmark's variants use tanh's form
    "silu": nn.silu,
    "tanh": nn.tanh,
}


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation function of that name: "relu", "gelu" (tanh approximation), "silu", "tanh".

    Raises:
      ValueError: there is none of that name; lists those there are.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
