"""What crosses the border between a device's own values and those that all devices hold alike.

In a mapped program JAX's `psum` has a sum as its transpose. So a cotangent that all devices hold
alike reaches what is a device's own times the number of devices, and a gradient taken there is this
device's part alone. `enter` puts both right: its derivative is a mean over the devices, which
changes no tangent that all hold alike, and whose transpose sums the parts and takes the number out.
A function of values that have entered, whose results leave by `total` or `gathered`, has the right
derivatives in both modes, to any order, and under `vmap`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from algoperf_jax.workload import AXIS


def enter(alike: Any) -> Any:
    """A tree of values that all devices hold alike, to be computed with; they stay as they are."""
    return jax.tree.map(_entered, alike)


def total(own: Any) -> Any:
    """A tree of the devices' own values, summed over them."""
    if jax.lax.axis_size(AXIS) == 1:  # XLA would copy it all the same
        return own
    return jax.lax.psum(own, AXIS)


def gathered(own: Any) -> Any:
    """Own values `[lanes, ...]` of every device as `[replicas, ...]`; trees."""
    return jax.tree.map(lambda x: jax.lax.all_gather(x, AXIS, tiled=True), own)


def _entered(x: Any) -> jax.Array:
    x = jnp.asarray(x)
    return _enter(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x


@jax.custom_jvp
def _enter(x: jax.Array) -> jax.Array:
    return x


@_enter.defjvp
def _derivative(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    # The value enters here, too, for a derivative of this one.
    return _enter(primals[0]), total(tangents[0]) / jax.lax.axis_size(AXIS)
