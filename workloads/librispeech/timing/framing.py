"""How long the front-end takes, beside one that makes frames as the reference does."""

import jax
import jax.numpy as jnp
import numpy as np

from workloads.comparison import Compiled
from workloads.librispeech.front_end import (
    FRAME_STEP,
    frame_count,
    frame_lengths,
    log_mel,
    log_mel_of_frames,
)

_WINDOW = 401
SAMPLES = {"full": 320_000, "mini": 16_000}
EXAMPLES = 8


class Comparison:
    """A batch of noise, half of it with padding.

    Attributes:
      description: the sizes.
      tolerance: of features; XLA adds up products in another order.
    """

    tolerance = 1e-4

    def __init__(self, workload: str, scale: str):
        """Makes the batch; all workloads with this front-end have the same sizes."""
        samples = SAMPLES[scale]
        random = np.random.default_rng(0)
        self._audio = random.normal(scale=1_000.0, size=(EXAMPLES, samples)).astype(np.int16)
        self._lengths = np.array([samples, samples // 2] * (EXAMPLES // 2), np.int32)
        self.description = f"{workload} at scale {scale}, {EXAMPLES} examples, {samples:,} samples"

    def plain(self) -> Compiled:
        """Frames by a convolution with ones on a diagonal; paddings by a sliding minimum."""
        paddings = np.arange(self._audio.shape[1]) >= self._lengths[:, None]
        audio = self._audio.astype(np.float32)
        return Compiled(_as_the_reference, audio, paddings.astype(np.float32))

    def fast(self) -> Compiled:
        """The kit's."""
        return Compiled(_as_the_kit, self._audio, self._lengths)


def _as_the_kit(audio: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    return log_mel(audio, lengths), frame_lengths(lengths, frame_count(audio.shape[1]))


def _as_the_reference(audio: jax.Array, paddings: jax.Array) -> tuple[jax.Array, jax.Array]:
    scaled = audio * (1 - paddings) * np.float32(2.0**-15)
    frames = jax.lax.conv_general_dilated(
        scaled[..., None],
        jnp.eye(_WINDOW)[:, None],
        window_strides=(FRAME_STEP,),
        padding="VALID",
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    frame_paddings = jax.lax.reduce_window(
        paddings, jnp.inf, jax.lax.min, (1, _WINDOW), (1, FRAME_STEP), "VALID"
    )
    first = frames[..., :1] * np.float32(1 - 0.97)
    others = frames[..., 1:-1] - np.float32(0.97) * frames[..., :-2]
    features = log_mel_of_frames(jnp.concatenate([first, others], axis=-1))
    return features, (1 - frame_paddings).sum(axis=1).astype(jnp.int32)
