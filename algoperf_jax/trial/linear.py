"""Sums over devices whose derivatives are those of the sum, inside a mapped program.

What all devices hold alike ("equal") and what each has of its own ("own") differ in their
derivatives: the cotangent of an equal value has to be summed over the devices where it enters what
is their own, and that of a sum goes to each of them as it is. JAX's `psum` takes everything for
own: its transpose is a sum again, and a gradient through it is each device's own part, times their
number. These functions have the right transposes, in both modes and to any order.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import linear_call

from algoperf_jax.workload import AXIS


def enter(equal: Any) -> Any:
    """A tree of equal values, to be computed with on each device; the values stay as they are."""
    return _linear(lambda x: x, _summed, equal)


def total(own: Any) -> Any:
    """A tree of own values summed over the devices: equal values."""
    return _linear(_summed, lambda x: x, own)


def gathered(own: Any) -> Any:
    """Own values `[lanes, ...]` of every device as equal values `[replicas, ...]`; trees."""

    def gather(x: jax.Array) -> jax.Array:
        return jax.lax.all_gather(x, AXIS, tiled=True)

    def own_part(x: jax.Array) -> jax.Array:
        lanes = len(x) // jax.lax.axis_size(AXIS)
        return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(AXIS) * lanes, lanes)

    return _linear(gather, own_part, own)


def _summed(x: jax.Array) -> jax.Array:
    if jax.lax.axis_size(AXIS) == 1:  # XLA would copy it all the same
        return x
    return jax.lax.psum(x, AXIS)


def _linear(
    function: Callable[[jax.Array], jax.Array],
    transpose: Callable[[jax.Array], jax.Array],
    tree: Any,
) -> Any:
    """The linear function of each leaf, with a transpose of its own where there are derivatives."""

    def of_leaf(x: jax.Array) -> jax.Array:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            return function(x)
        return linear_call(lambda _, x: function(x), lambda _, x: transpose(x), (), x)

    return jax.tree.map(of_leaf, tree)
