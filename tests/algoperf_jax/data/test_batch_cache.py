"""The bound of the cache, and what it keeps."""

import numpy as np
import pytest

from algoperf_jax.data.batch_cache import BatchCache


@pytest.fixture
def made():
    """The names of all passes made."""
    return []


def batches(made, name, count=2, size=10):
    made.append(name)
    for k in range(count):
        yield {"inputs": np.full(size, k, np.uint8)}


def take(cache, made, name, size=20):
    return [batch["inputs"][0] for batch in cache.one_pass(name, size, lambda: batches(made, name))]


def test_second_pass_comes_from_memory(made):
    cache = BatchCache(100)
    assert take(cache, made, "a") == take(cache, made, "a") == [0, 1]
    assert made == ["a"]
    assert cache.size == 20


def test_pass_used_longest_ago_makes_room(made):
    cache = BatchCache(50)
    for name in ("a", "b", "a", "c", "a", "b"):
        take(cache, made, name)
        assert cache.size <= 50
    assert made == ["a", "b", "c", "b"]


def test_pass_larger_than_the_bound_is_made_again_and_displaces_nothing(made):
    cache = BatchCache(50)
    for name, size in (("a", 20), ("b", 51), ("b", 51), ("a", 20)):
        assert take(cache, made, name, size) == [0, 1]
    assert made == ["a", "b", "b"]
    assert cache.size == 20


def test_pass_that_was_not_finished_is_not_kept(made):
    cache = BatchCache(50)
    unfinished = cache.one_pass("a", 20, lambda: batches(made, "a"))
    next(unfinished)
    unfinished.close()
    assert cache.size == 0
    assert take(cache, made, "a") == [0, 1]
    assert made == ["a", "a"]


def test_kept_arrays_cannot_be_written_to(made):
    cache = BatchCache(50)
    for _ in range(2):
        for batch in cache.one_pass("a", 20, lambda: batches(made, "a")):
            with pytest.raises(ValueError, match="read-only"):
                batch["inputs"][0] = 5
