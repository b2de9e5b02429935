"""Work that a device does while the host goes on: nothing of it is simulated."""

import time

import jax
import jax.numpy as jnp


@jax.jit
def _products(x: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, 12, lambda _, m: m @ x, x)


def long_device_work() -> jax.Array:
    """The result, dispatched now, of products that take tens of milliseconds at least."""
    x = jnp.full((600, 600), 1 / 600).block_until_ready()
    if not _products._cache_size():
        _products(x).block_until_ready()  # compiled before, so that only the work is under way
    return _products(x)


def has_ended(result: jax.Array) -> bool:
    """Whether the program that makes a result has ended.

    Its array may be marked as ready some microseconds later than the device went on, so this looks
    for a tenth of the time that `long_device_work` takes at least.
    """
    until = time.monotonic() + 0.002
    while not result.is_ready() and time.monotonic() < until:
        time.sleep(0)
    return result.is_ready()
