"""What a speech model heard: the likeliest class of every frame, collapsed."""

import jax
import jax.numpy as jnp

from workloads.librispeech.lattice import BLANK


def greedy_decode(logits: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The labels of the likeliest alignment.

    Of equally likely classes it takes the first. A class that is that of the frame before is
    dropped, and so is the blank.

    Args:
      logits: float32 `[B, T, K]`, class 0 is the blank.
      lengths: int `[B]`, frames that count.

    Returns:
      Labels int32 `[B, T]`, from the left on and filled with 0, and their numbers int32 `[B]`.
    """
    return collapse(jnp.argmax(logits, axis=-1), lengths)


def collapse(path: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The labels of an alignment.

    Args:
      path: int `[B, T]`, the class of each frame.
      lengths: int `[B]`, frames that count.

    Returns:
      See `greedy_decode`.
    """
    times = jnp.arange(path.shape[1])
    is_new = jnp.pad(path[:, 1:] != path[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    is_label = is_new & (path != BLANK) & (times < lengths[:, None])
    # A stable sort by whether they are dropped moves labels to the left in their order.
    order = jnp.argsort(~is_label, axis=1, stable=True)
    counts = is_label.sum(axis=1, dtype=jnp.int32)
    labels = jnp.take_along_axis(path, order, axis=1).astype(jnp.int32)
    return jnp.where(times < counts[:, None], labels, 0), counts
