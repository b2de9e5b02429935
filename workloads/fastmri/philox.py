"""The random numbers of TensorFlow's stateless generator on CPUs, of which masks are made.

Philox 4x32-10 (Salmon et al. 2011) with TensorFlow's way from a seed to its key and counter.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

Seed = tuple[int, int]
"""Two signed integers of 64 bits."""

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_SEED_KEY = (0x3EC8F720, 0x02461E29)
_ROUNDS = 10
_LOW = 0xFFFFFFFF


def words(seed: Seed, count: int) -> np.ndarray:
    """The first words of a seed's stream, uint32 `[count]`."""
    key_low, key_high, *upper = _philox([h for n in seed for h in _halves(n)], _SEED_KEY)
    # The counter has 128 bits, the lowest word first; no stream here is 2**32 blocks long.
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    found = _philox([blocks, np.zeros_like(blocks), *upper], (key_low, key_high))
    return np.stack(found, axis=-1).ravel()[:count].astype(np.uint32)


def uniforms(seed: Seed, count: int) -> np.ndarray:
    """Uniform numbers in [0, 1), float32 `[count]`."""
    bits = words(seed, count) & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)
    return bits.view(np.float32) - np.float32(1)


def fold(seed: Seed, number: int) -> Seed:
    """Another seed, one for each number."""
    return _first_number(seed), number


@functools.lru_cache(maxsize=16)
def _first_number(seed: Seed) -> int:
    """The first signed integer of 64 bits of a seed's stream."""
    low, high = words(seed, 2).tolist()
    joined = low + (high << 32)
    return joined - (1 << 64 if joined >> 63 else 0)


def _halves(number: int) -> Iterator[int]:
    """The lower and the upper 32 bits of a signed integer of 64 bits."""
    yield number & _LOW
    yield number >> 32 & _LOW


def _philox(counter: list[Any], key: tuple[int, int]) -> list[Any]:
    """One block of four words for each counter.

    Words of 32 bits are Python integers or uint64 arrays, which may be mixed.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & _LOW, p0 >> 32 ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k + step & _LOW for k, step in zip((k0, k1), _KEY_STEPS, strict=True))
    return [c0, c1, c2, c3]
