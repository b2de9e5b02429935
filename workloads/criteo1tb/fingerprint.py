"""FarmHash's Fingerprint64 of short keys, many at a time.

Geoff Pike, "Introducing FarmHash" (2014): its function for 8 to 16 bytes, on words that hold the
first eight. All arithmetic is modulo 2**64.
"""

from collections.abc import Sequence

import numpy as np

_K2 = 0x9AE16A3B2F90404F
_WORD_BYTES = 8


class Fingerprints:
    """Fingerprints of keys of eight characters, each followed by the suffix of its column."""

    def __init__(self, suffixes: Sequence[bytes]):
        """Makes the function.

        Args:
          suffixes: one for each column, of one to seven bytes.

        Raises:
          ValueError: a suffix is empty or longer.
        """
        lengths = [len(suffix) for suffix in suffixes]
        if not all(1 <= length < _WORD_BYTES for length in lengths):
            raise ValueError(f"suffixes must have 1 to 7 bytes, got {list(suffixes)}.")
        # The function reads the last eight bytes of its input as a word, which begins within the
        # key: so the key moves down by the suffix, which has the upper bytes.
        self._shift = np.array([8 * length for length in lengths], np.uint64)
        above = [
            int.from_bytes(suffix, "little") << 8 * (_WORD_BYTES - len(suffix))
            for suffix in suffixes
        ]
        self._above = np.array(above, np.uint64)
        self._factor = np.array(
            [(_K2 + 2 * (_WORD_BYTES + length)) % 2**64 for length in lengths], np.uint64
        )

    def __call__(self, keys: np.ndarray) -> np.ndarray:
        """The fingerprints.

        Args:
          keys: uint64 `[..., columns]`, the eight bytes of each key as a little-endian word.

        Returns:
          uint64 of the same shape.
        """
        first = keys + np.uint64(_K2)
        last = (keys >> self._shift) | self._above
        c = _rotated(last, 37) * self._factor + first
        d = (_rotated(first, 25) + last) * self._factor
        result = _mixed((c ^ d) * self._factor)
        return _mixed((d ^ result) * self._factor) * self._factor


def _rotated(words: np.ndarray, by: int) -> np.ndarray:
    """Rotates to the right."""
    return (words >> np.uint64(by)) | (words << np.uint64(64 - by))


def _mixed(words: np.ndarray) -> np.ndarray:
    return words ^ (words >> np.uint64(47))
