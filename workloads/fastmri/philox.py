"""The random numbers of TensorFlow's stateless generator on CPUs, of which masks are made.

Philox 4x32-10 (Salmon et al. 2011) with TensorFlow's way from a seed to its key and counter.
"""

from collections.abc import Iterator

import numpy as np

Seed = tuple[int, int]
"""Two signed integers of 64 bits."""

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_SEED_KEY = (0x3EC8F720, 0x02461E29)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def words(seed: Seed, count: int) -> np.ndarray:
    """The first words of a seed's stream, uint32 `[count]`."""
    start = [half for number in seed for half in _halves(number)]
    mixed = _philox([np.array([word], np.uint64) for word in start], _SEED_KEY)
    key = int(mixed[0][0]), int(mixed[1][0])
    # The counter has 128 bits, the lowest word first; no stream here is 2**32 blocks long.
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counter = [
        blocks,
        np.zeros_like(blocks),
        *(np.broadcast_to(m, blocks.shape) for m in mixed[2:]),
    ]
    return np.stack(_philox(counter, key), axis=-1).ravel()[:count].astype(np.uint32)


def uniforms(seed: Seed, count: int) -> np.ndarray:
    """Uniform numbers in [0, 1), float32 `[count]`."""
    bits = words(seed, count) & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)
    return bits.view(np.float32) - np.float32(1)


def fold(seed: Seed, number: int) -> Seed:
    """Another seed, one for each number."""
    low, high = words(seed, 2).tolist()
    joined = low + (high << 32)
    return joined - (1 << 64 if joined >> 63 else 0), number


def _halves(number: int) -> Iterator[int]:
    """The lower and the upper 32 bits of a signed integer of 64 bits."""
    yield number & 0xFFFFFFFF
    yield number >> 32 & 0xFFFFFFFF


def _philox(counter: list[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    """One block of four words for each counter; words are 32 bits in uint64 arrays."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = (c * np.uint64(m) for c, m in zip((c0, c2), _MULTIPLIERS, strict=True))
        c0, c1, c2, c3 = (
            p1 >> _HALF ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            p0 >> _HALF ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k + step & 0xFFFFFFFF for k, step in zip((k0, k1), _KEY_STEPS, strict=True))
    return [c0, c1, c2, c3]
