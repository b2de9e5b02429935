"""From the waveform to normalised log-mel features; part of the model, without parameters.

All constants are those of the benchmark's reference implementation. The mel matrix is computed once
per process, in float32 by JAX as the reference does: in float64 it differs by up to 2e-5, and
between versions of XLA, whose logarithms differ, by up to 1e-5.

Axis letters in names of arrays:
  N  examples of the batch
  S  samples of the waveform
  F  frames, a hundred a second
  M  mel bins
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

SAMPLE_RATE = 16_000  # Hz
FRAME_STEP = 160  # samples, 10 ms
FRAME_LENGTH = 400  # samples, 25 ms
MEL_BINS = 80

_WINDOW_WITH_PREEMPHASIS = FRAME_LENGTH + 1  # the reference reads a sample more and drops it
_FFT_LENGTH = 512
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7_600.0
_PREEMPHASIS = np.float32(0.97)
_FLOOR = np.float32(1e-5)
_FULL_SCALE = np.float32(2.0**-15)


def _table(text: str) -> np.ndarray:
    """The numbers of a text, float32."""
    return np.array(text.split(), np.float32)


# Of the log energies of LibriSpeech's training set, by mel bin.
_MEAN = _table(
    """
    -7.6047816 -7.1206226 -6.8864245 -6.870577 -6.966772 -7.1084094 -6.9528027 -6.783994 -6.619552
    -6.4876266 -6.412066 -6.3940477 -6.424487 -6.399371 -6.515827 -6.7138 -6.8476877 -6.9885
    -6.9221387 -7.1461487 -7.20404 -7.0537553 -7.3140383 -7.122325 -7.302514 -7.1212144 -7.2425733
    -7.1730537 -7.0979414 -7.0887475 -6.984991 -6.878773 -6.7602754 -6.6300945 -6.514577
    -6.4245057 -6.3565135 -6.3178763 -6.266077 -6.246833 -6.2821527 -6.190839 -6.2484355 -6.147264
    -6.0924726 -6.0171003 -5.9250402 -5.8535833 -5.820911 -5.811893 -5.8078375 -5.771463
    -5.7453732 -5.7705655 -5.776564 -5.7831674 -5.7954087 -5.7994823 -5.8023477 -5.804712
    -5.816818 -5.88448 -5.9727106 -6.044466 -6.1284866 -6.2257586 -6.3157496 -6.3906116 -6.49286
    -6.5498457 -6.605432 -6.650838 -6.669176 -6.672689 -6.6842346 -6.697458 -6.7547183 -6.7949142
    -6.863421 -6.9418654
    """
)
_STANDARD_DEVIATION = _table(
    """
    3.4353282 3.5962932 3.7012472 3.7369206 3.7535105 3.6936293 3.6922498 3.7641523 3.8419716
    3.8999848 3.929424 3.931741 3.9139585 3.9031599 3.8692 3.8155081 3.764497 3.7099106 3.6965086
    3.6003766 3.5493226 3.5465121 3.450036 3.4712813 3.408461 3.4408135 3.4104881 3.421764
    3.4312851 3.419921 3.4305806 3.4382665 3.4580367 3.4817991 3.495871 3.5036793 3.5047574
    3.4988735 3.493056 3.4822943 3.4594305 3.461277 3.4559064 3.4755423 3.497155 3.5326557 3.57052
    3.5920312 3.5969074 3.59135 3.5865932 3.582681 3.5837743 3.589579 3.5819314 3.583787 3.5861185
    3.588959 3.5922148 3.5939455 3.585663 3.5884113 3.5921023 3.587049 3.580657 3.5731068
    3.5617533 3.5498073 3.5527375 3.5475366 3.538785 3.5256178 3.5031836 3.4922726 3.4879646
    3.4725595 3.455839 3.4351828 3.4284294 3.429917
    """
)


def frame_count(samples: int) -> int:
    """How many frames a waveform of so many samples has; those that end within it."""
    return (samples - _WINDOW_WITH_PREEMPHASIS) // FRAME_STEP + 1


def samples_of(frames: int) -> int:
    """The shortest waveform with so many frames, in samples."""
    return FRAME_STEP * (frames - 1) + _WINDOW_WITH_PREEMPHASIS


def frame_lengths(lengths: jax.Array, frames: int) -> jax.Array:
    """How many frames of each example are real: those whose first sample is.

    Args:
      lengths: int `[N]`, real samples of each example.
      frames: of the padded waveform.

    Returns:
      int32 `[N]`.
    """
    return jnp.minimum(-(-jnp.asarray(lengths, jnp.int32) // FRAME_STEP), frames)


def log_mel(audio_NxS: jax.Array, lengths: jax.Array) -> jax.Array:
    """Computes the normalised log energies of the mel bins of every frame.

    Frames behind an example's end are those of silence. Framing, pre-emphasis (HTK's flavour) and
    windowing are elementwise on slices of the waveform: no product rounds the samples, whatever the
    precision of products is.

    Args:
      audio_NxS: samples as 16-bit integers, of any real dtype; what lies behind an example's end
        has no bearing.
      lengths: int `[N]`, real samples of each example.

    Returns:
      float32 `[N, F, 80]`.
    """
    samples = audio_NxS.shape[1]
    is_real = jnp.arange(samples) < jnp.asarray(lengths)[:, None]
    x_NxS = jnp.where(is_real, jnp.asarray(audio_NxS, jnp.float32) * _FULL_SCALE, 0.0)
    # A frame's first value has another form, but the window is 0 there.
    emphasised = x_NxS - _PREEMPHASIS * jnp.pad(x_NxS, ((0, 0), (1, 0)))[:, :-1]
    return log_mel_of_frames(_frames(emphasised, frame_count(samples)))


def log_mel_of_frames(frames: jax.Array) -> jax.Array:
    """Computes the normalised log energies of frames with pre-emphasis, `[N, F, 400]`."""
    spectrum = jnp.fft.rfft(frames * window(), _FFT_LENGTH)
    energies = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    mel_NxFxM = jnp.matmul(energies, mel_matrix(), precision=jax.lax.Precision.HIGHEST)
    return (jnp.log(jnp.maximum(mel_NxFxM, _FLOOR)) - _MEAN) / _STANDARD_DEVIATION


def _frames(x_NxS: jax.Array, count: int) -> jax.Array:
    """The frames of a waveform, `[N, count, 400]`: neighbouring blocks of a frame step, joined."""
    blocks_per_frame = -(-FRAME_LENGTH // FRAME_STEP)
    blocks = count + blocks_per_frame - 1
    missing = max(0, blocks * FRAME_STEP - x_NxS.shape[1])
    x_NxS = jnp.pad(x_NxS, ((0, 0), (0, missing)))[:, : blocks * FRAME_STEP]
    by_block = x_NxS.reshape(-1, blocks, FRAME_STEP)
    joined = [by_block[:, i : i + count] for i in range(blocks_per_frame)]
    return jnp.concatenate(joined, axis=-1)[..., :FRAME_LENGTH]


@functools.cache
def window() -> np.ndarray:
    """The periodic Hann window, float32 `[400]`; its first value is 0."""
    n = np.arange(FRAME_LENGTH)
    return (0.5 - 0.5 * np.cos(2 * np.pi * n / FRAME_LENGTH)).astype(np.float32)


@functools.cache
def mel_matrix() -> np.ndarray:
    """How much each bin of the spectrum adds to each mel bin, float32 `[257, 80]`.

    Triangles whose slopes are linear in mel; the constant part of the signal adds to none.
    """
    with jax.ensure_compile_time_eval(), jax.default_device(jax.local_devices(backend="cpu")[0]):
        hertz = jnp.linspace(0.0, SAMPLE_RATE / 2, _FFT_LENGTH // 2 + 1)[1:, None]
        mels = _mel(hertz)
        edges = jnp.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), MEL_BINS + 2)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        rising = (mels - low) / (centre - low)
        falling = (high - mels) / (high - centre)
        triangles = jnp.maximum(0.0, jnp.minimum(rising, falling))
        return np.asarray(jnp.pad(triangles, ((1, 0), (0, 0))))


def _mel(hertz: jax.Array | float) -> jax.Array:
    return 1127.0 * jnp.log(1.0 + jnp.asarray(hertz, jnp.float32) / 700.0)
