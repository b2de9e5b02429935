"""The shapes of batches, and batches as arrays.

Audio travels to the devices as 16-bit integers with its lengths; paddings are made there. A batch
holds, with a leading axis of replicas:

  audio          int16 `[r, n, S]`, samples at 16 kHz, 0 behind the end
  audio_lengths  int32 `[r, n]`, real samples
  labels         int32 `[r, n, U]`, word pieces, 0 behind the end
  label_lengths  int32 `[r, n]`, real labels, the end included
  weights        float32 `[r, n]`, 1 for an utterance and 0 for padding

Axis letters in names of arrays:
  S  samples of the waveform
  U  labels
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from workloads.librispeech.front_end import FRAME_STEP, frame_count, samples_of

Batch = dict[str, np.ndarray]

STRIDE = 4
"""Frames of the front-end for each frame of the models."""


class Utterances(Protocol):
    """What batches are made of; see `utterances.Utterances`."""

    lengths: np.ndarray
    label_lengths: np.ndarray

    def audio(self, i: int) -> np.ndarray:
        """Samples of utterance i, int16."""
        ...

    def labels(self, i: int) -> np.ndarray:
        """Its labels, int32."""
        ...


class Shapes(NamedTuple):
    """The shapes of a workload's batches; the defaults are the benchmark's.

    Attributes:
      samples: S of training batches: the most of an utterance.
      labels: U: the most of an utterance.
      evaluation_frames: evaluation batches may be cut to so many frames of the front-end, where
        their longest utterance allows it; ascending, each of the form 4 k + 2.
    """

    samples: int = 320_000
    labels: int = 256
    evaluation_frames: Sequence[int] = (502, 802, 1_102, 1_402, 1_702)

    @property
    def frames(self) -> int:
        """Frames that the models make of a whole utterance."""
        return -(-frame_count(self.samples) // STRIDE)


def samples_needed(longest: int, shapes: Shapes) -> int:
    """How many samples a batch needs whose longest utterance has so many: the least of a few sizes.

    What the models compute for real frames does not depend on the padding as long as one frame of
    silence follows the longest utterance, and the padding of the strided convolutions lies as in
    the whole: the number of frames is 2 more than a multiple of 4.

    Args:
      longest: real samples.
      shapes: of the workload's batches.

    Raises:
      ValueError: one of the numbers of frames is not of that form.
    """
    for frames in shapes.evaluation_frames:
        if frames % STRIDE != 2:
            raise ValueError(f"{frames} frames are not 2 more than a multiple of {STRIDE}")
        if frames > -(-longest // FRAME_STEP):
            return samples_of(frames)
    return shapes.samples


def batch_of(
    utterances: Utterances, ids: np.ndarray, share: BatchShare, samples: int, labels: int
) -> Batch:
    """Makes the arrays of a process's share of a batch.

    Args:
      utterances: of the split.
      ids: int, those of the whole batch; where there are fewer than places, padding fills the last.
      share: what of the batch is built.
      samples, labels: sizes S and U.
    """
    own = share.filled(len(ids))
    wanted = ids[own]
    audio = np.zeros((len(wanted), samples), np.int16)
    pieces = np.zeros((len(wanted), labels), np.int32)
    for row, i in enumerate(wanted.tolist()):
        heard, said = utterances.audio(i), utterances.labels(i)
        audio[row, : len(heard)] = heard
        pieces[row, : len(said)] = said
    arrays = {
        "audio": audio,
        "audio_lengths": utterances.lengths[wanted].astype(np.int32),
        "labels": pieces,
        "label_lengths": utterances.label_lengths[wanted].astype(np.int32),
    }
    return {**share.divided(arrays), "weights": share.mask(len(ids))}
