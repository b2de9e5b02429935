"""From a replica's part of a host batch to what the model and the loss take; runs on the device.

Pixels travel as they come out of the image pipeline, and of mixup only the weight travels. So
augmented images stay 8-bit integers on their way, and no host core touches them twice.

A batch holds, without the replica axis:
  inputs          `[N, H, W, 3]`, pixel values from 0 to 255, any real dtype
  targets         int32 `[N]`, class ids; or float32 `[N, classes]`, distributions over the classes
  weights         float32 `[N]`, 1 for an example and 0 for padding; absent: all ones
and, where mixup is on,
  mixup_weight    float32 scalar, the share of each example in its own mixture
  previous_input  `[H, W, 3]`, the example before the first one, of `inputs`' dtype
  previous_target int32 scalar, its class
The example before the first one of a replica is the last one of the replica before, cyclically; so
mixup pairs examples across replicas although no replica sees another's.

Axis letters in names of arrays:
  N  examples of the batch
  H, W, C  height, width and channels of the images
  K  classes
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

# Mean and standard deviation of the channels as they are customary for this data set: 255 times
# (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225).
CHANNEL_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
CHANNEL_STD = np.array([58.395, 57.12, 57.375], np.float32)


def images(batch: Mapping[str, jax.Array]) -> jax.Array:
    """Computes the images that the model sees: normalised and, where mixup is on, mixed.

    Normalisation is `(x - mean) / std` per channel. Mixup (Zhang et al. 2018, arXiv:1710.09412)
    turns example i into `w x_i + (1 - w) x_(i - 1)` with one weight w for the whole global batch.

    Args:
      batch: see the head of this file.

    Returns:
      float32 `[N, H, W, 3]`.
    """
    x_NxHxWxC = batch["inputs"]
    weight = batch.get("mixup_weight")
    if weight is None:
        return _normalised(x_NxHxWxC)
    before_NxHxWxC = _shifted(batch["previous_input"], x_NxHxWxC)
    return _mixed(weight, _normalised(x_NxHxWxC), _normalised(before_NxHxWxC))


def targets(batch: Mapping[str, jax.Array], num_classes: int) -> jax.Array:
    """Computes the distributions over classes that the loss compares with: one-hot or mixed.

    Args:
      batch: see the head of this file. `targets` of rank 2 are distributions already, and are
        returned as they are.
      num_classes: number of classes K.

    Returns:
      float32 `[N, K]`.

    Raises:
      ValueError: `targets` have neither shape `[N]` nor `[N, num_classes]`.
    """
    found = batch["targets"]
    if found.ndim == 2 and found.shape[1] == num_classes:
        return jnp.asarray(found, jnp.float32)
    if found.ndim != 1:
        raise ValueError(
            f"targets are class ids [examples] or distributions [examples, {num_classes}], got an "
            f"array of shape {found.shape}"
        )
    y_NxK = jax.nn.one_hot(found, num_classes, dtype=jnp.float32)
    weight = batch.get("mixup_weight")
    if weight is None:
        return y_NxK
    before_N = _shifted(batch["previous_target"], found)
    return _mixed(weight, y_NxK, jax.nn.one_hot(before_N, num_classes, dtype=jnp.float32))


def weights(batch: Mapping[str, jax.Array]) -> jax.Array:
    """The weight of every example, float32 `[N]`: `batch["weights"]`, or ones without them."""
    found = batch.get("weights")
    if found is None:
        return jnp.ones(batch["targets"].shape[0], jnp.float32)
    return jnp.asarray(found, jnp.float32)


def _normalised(x_NxHxWxC: jax.Array) -> jax.Array:
    return (jnp.asarray(x_NxHxWxC, jnp.float32) - CHANNEL_MEAN) / CHANNEL_STD


def _shifted(first: jax.Array, x: jax.Array) -> jax.Array:
    """`x` moved by one along its leading axis, with `first` in front."""
    return jnp.concatenate([jnp.asarray(first, x.dtype)[jnp.newaxis], x[:-1]])


def _mixed(weight: jax.Array, x: jax.Array, before: jax.Array) -> jax.Array:
    return weight * x + (1.0 - weight) * before
