"""FLAC files as LibriSpeech has them: checked by what they say of themselves, then decoded.

RFC 9639; the first block of a file says its rate, channels, bits, samples and their MD5 hash.
"""

import hashlib
from pathlib import Path

import numpy as np

from algoperf_jax.errors import DataError

SAMPLE_RATE = 16_000

_STREAMINFO_BYTES = 42  # from the beginning of the file


def decode(path: Path, utterance: str) -> np.ndarray:
    """Returns the samples of a file, int16 `[samples]`.

    The library behind it releases the interpreter while it decodes, so threads share the work.

    Args:
      path: the file.
      utterance: its id, for error messages.

    Raises:
      DataError: it is not a FLAC file, is incomplete or damaged, or is anything else than 16 kHz,
        one channel, 16 bits.
    """
    remedy = "unpack its archive again and run the command again"
    try:
        hashed = _stated_hash(path, utterance)
        import soundfile  # the preparation's only, so nobody else has to wait for it

        samples, _ = soundfile.read(path, dtype="int16")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{utterance}: {path} cannot be decoded ({reason}); {remedy}") from None
    if any(hashed) and hashlib.md5(samples.astype("<i2").tobytes()).digest() != hashed:
        raise DataError(f"{utterance}: {path} is damaged, its checksum is wrong; {remedy}")
    return samples


def _stated_hash(path: Path, utterance: str) -> bytes:
    """Returns the MD5 hash of its samples that a file states; zeros where it states none."""
    with open(path, "rb") as file:
        begin = file.read(_STREAMINFO_BYTES)
    if len(begin) < _STREAMINFO_BYTES or begin[:4] != b"fLaC":
        raise ValueError("it does not begin as FLAC files do")
    packed = int.from_bytes(begin[18:26], "big")  # 20, 3, 5 and 36 bits
    rate = packed >> 44
    channels = (packed >> 41 & 0x7) + 1
    bits = (packed >> 36 & 0x1F) + 1
    if (rate, channels, bits) != (SAMPLE_RATE, 1, 16):
        raise DataError(
            f"{utterance}: {path} has {rate:,} Hz, {bits} bits, channels: {channels}; there should "
            f"be {SAMPLE_RATE:,} Hz, 16 bits, one channel; replace it by upstream's file"
        )
    return begin[26:42]
