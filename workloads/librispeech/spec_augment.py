"""SpecAugment: spans of time and bands of frequency that the model does not see in training.

Park et al. 2019 (arXiv:1904.08779), with widths of time masks that grow with the utterance as in
Park et al. 2020 (arXiv:1912.05533), and without time warping.

Axis letters in names of arrays:
  N  examples of the batch
  F  frames
  M  mel bins
  K  masks
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class SpecAugment(NamedTuple):
    """How much is hidden; the defaults are the benchmark's.

    Attributes:
      time_masks: spans of frames for each example.
      time_mask_ratio: the longest span, as a share of the example's real frames.
      frequency_masks: bands of mel bins for each example.
      widest_band: bands are narrower than so many bins.
    """

    time_masks: int = 10
    time_mask_ratio: float = 0.05
    frequency_masks: int = 2
    widest_band: int = 27


def masked(
    features_NxFxM: jax.Array, lengths: jax.Array, how: SpecAugment, rng: jax.Array
) -> jax.Array:
    """Sets random spans and bands of the features to zero.

    Positions are drawn as the reference implementation draws them: products in float32, cut to
    integers. Masks may overlap, and may have no width.

    Args:
      features_NxFxM: float32 `[N, F, M]`.
      lengths: int `[N]`, real frames of each example; spans of time lie within them.
      how: how much is hidden.
      rng: a JAX random key.

    Returns:
      float32 `[N, F, M]`.
    """
    examples, frames, bins = features_NxFxM.shape
    uniforms = [
        jax.random.uniform(key, (examples, masks))
        for key, masks in zip(
            jax.random.split(rng, 4),
            (how.time_masks, how.time_masks, how.frequency_masks, how.frequency_masks),
            strict=True,
        )
    ]
    lengths_Nx1 = jnp.asarray(lengths, jnp.float32)[:, None]
    ratio = np.float32(how.time_mask_ratio)
    longest = jnp.maximum(jnp.trunc(ratio * lengths_Nx1), 1.0)
    spans = jnp.minimum(jnp.trunc(lengths_Nx1 * ratio * uniforms[0]), longest)
    bands = jnp.minimum(jnp.trunc(np.float32(how.widest_band) * uniforms[2]), bins)
    in_span_NxF = _covered(spans, uniforms[1], lengths_Nx1, frames)
    in_band_NxM = _covered(bands, uniforms[3], np.float32(bins), bins)
    seen = ~(in_span_NxF[:, :, None] | in_band_NxM[:, None, :])
    return jnp.where(seen, features_NxFxM, 0.0)


def _covered(
    widths_NxK: jax.Array, uniforms_NxK: jax.Array, room: jax.Array | np.float32, size: int
) -> jax.Array:
    """Which of `size` places masks cover that start at random in `room`, bool `[N, size]`."""
    starts_NxK = jnp.trunc(uniforms_NxK * (room - widths_NxK + 1.0))
    places = jnp.arange(size, dtype=jnp.float32)
    behind_start = places >= starts_NxK[..., None]
    before_end = places < (starts_NxK + widths_NxK)[..., None]
    return (behind_start & before_end).any(axis=1)
