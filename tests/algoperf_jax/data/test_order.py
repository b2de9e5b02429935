"""Orders of training examples, against tf.data itself and against plain simulations."""

import itertools
from collections import Counter

import numpy as np
import pytest

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.order import (
    EpochPermutations,
    EpochShuffles,
    ShuffleBuffer,
    interleaved,
    permutation,
    random_words,
)


def slots_drawn(seed, size, count):
    """The slots that a buffer of `size` draws first, in plain integers."""
    return [int(word) // 2**32 * size // 2**32 for word in random_words(seed, 0, count).tolist()]


def shuffled_by_loop(source, size, slots):
    """A buffer that is filled, and emptied and refilled slot by slot."""
    elements = itertools.cycle(source)
    buffer = [next(elements) for _ in range(size)]
    output = []
    for slot in slots:
        output.append(buffer[slot])
        buffer[slot] = next(elements)
    return output


def chi_square(counts, expected):
    return sum((counts.get(key, 0) - n) ** 2 / n for key, n in expected.items())


def test_words_are_a_sequence_that_can_be_entered_anywhere():
    whole = random_words([3, 1], 0, 1000)
    assert whole.dtype == np.uint64
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, 1001, (50, 2))).tolist():
        np.testing.assert_array_equal(random_words([3, 1], start, stop), whole[start:stop])
    far = 2**40 + 3
    np.testing.assert_array_equal(
        random_words([3, 1], far, far + 9)[5:], random_words([3, 1], far + 5, far + 9)
    )


def test_words_of_different_seeds_have_nothing_in_common():
    sequences = [random_words(seed, 0, 100) for seed in ([1], [2], [1, 1], [1, 2])]
    assert len(np.unique(np.concatenate(sequences))) == 400


# Shards that end within a turn, with a turn, are empty; fewer and more of them than are open.
LENGTHS = [
    [5],
    [16, 16],
    [40, 0, 17, 3],
    [48] * 20,
    np.random.default_rng(0).integers(1, 70, 45).tolist(),
    np.random.default_rng(1).integers(0, 40, 70).tolist(),
    (16 * np.random.default_rng(2).integers(0, 4, 40)).tolist(),
]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("parallel_calls", [None, 4])
def test_files_are_interleaved_as_tf_data_does(lengths, parallel_calls):
    tf = import_tensorflow()
    starts = np.cumsum(lengths) - lengths
    expected = tf.data.Dataset.from_tensor_slices((starts, lengths)).interleave(
        lambda start, length: tf.data.Dataset.range(start, start + tf.cast(length, tf.int64)),
        cycle_length=16,
        block_length=16,
        num_parallel_calls=parallel_calls,
        deterministic=None if parallel_calls is None else True,
    )
    np.testing.assert_array_equal(interleaved(lengths), list(expected.as_numpy_iterator()))


@pytest.mark.parametrize(("examples", "size"), [(100, 8), (37, 37), (10, 64), (1, 3)])
def test_buffer_gives_what_a_slow_simulation_gives(examples, size):
    source = np.random.default_rng(0).permutation(examples)
    slots = slots_drawn([5], size, 1000)
    expected = shuffled_by_loop(source.tolist(), size, slots)
    buffer = ShuffleBuffer(source, size, [5])
    pieces = [buffer.between(start, start + 40) for start in range(0, 1000, 40)]
    assert np.concatenate(pieces).tolist() == expected


def test_buffer_can_be_entered_anywhere_forwards_and_backwards():
    source = np.arange(300)
    whole = ShuffleBuffer(source, 64, [1]).between(0, 20_000)
    wandering = ShuffleBuffer(source, 64, [1])
    rng = np.random.default_rng(0)
    for start in [0, 1, 63, *rng.integers(0, 19_900, 40).tolist()]:
        stop = start + int(rng.integers(0, 100))
        fresh = ShuffleBuffer(source, 64, [1])
        np.testing.assert_array_equal(fresh.between(start, stop), whole[start:stop])
        np.testing.assert_array_equal(wandering.between(start, stop), whole[start:stop])
        np.testing.assert_array_equal(fresh.between(stop, stop + 50), whole[stop : stop + 50])


def test_buffer_holds_each_example_once_per_epoch_in_the_long_run():
    counts = np.bincount(ShuffleBuffer(np.arange(50), 20, [0]).between(0, 50 * 200))
    # What is still in the buffer makes the only difference between examples.
    assert counts.min() >= 197
    assert counts.max() <= 202


def law(size, examples, length):
    """Probabilities of the first outputs, from all sequences of draws, which are equally likely."""
    draws = list(itertools.product(range(size), repeat=length))
    outputs = Counter(tuple(shuffled_by_loop(range(examples), size, slots)) for slots in draws)
    return {output: n / len(draws) for output, n in outputs.items()}


# 3 slots, 5 examples, 4 outputs: 0.9999 quantile of chi-square with at most 80 degrees of freedom.
TRIALS, LIMIT = 4000, 135


def test_law_is_that_of_drawing_slots_uniformly():
    outputs = [tuple(ShuffleBuffer(np.arange(5), 3, [k]).between(0, 4)) for k in range(TRIALS)]
    expected = {output: p * TRIALS for output, p in law(3, 5, 4).items()}
    assert chi_square(Counter(outputs), expected) < LIMIT


def test_law_is_that_of_tf_data():
    tf = import_tensorflow()
    repeated = tf.data.Dataset.range(5).repeat().shuffle(3, seed=1, reshuffle_each_iteration=True)
    outputs = repeated.take(4).repeat(TRIALS).batch(4).batch(TRIALS).get_single_element().numpy()
    expected = {output: p * TRIALS for output, p in law(3, 5, 4).items()}
    counts = Counter(map(tuple, outputs.tolist()))
    assert counts.keys() <= expected.keys()
    assert chi_square(counts, expected) < LIMIT


def test_permutations_give_every_example_once_per_epoch_each_in_its_own_order():
    stream = EpochPermutations(30, [2]).between(0, 90).reshape(3, 30)
    for epoch in stream:
        assert sorted(epoch) == list(range(30))
    assert len({tuple(epoch) for epoch in stream.tolist()}) == 3
    assert stream[0].tolist() != EpochPermutations(30, [3]).between(0, 30).tolist()


def test_permutations_can_be_entered_anywhere():
    whole = EpochPermutations(30, [2]).between(0, 400)
    stream = EpochPermutations(30, [2])
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, 400, (60, 2))).tolist():
        np.testing.assert_array_equal(stream.between(start, stop), whole[start:stop])


def test_permutation_is_uniform():
    counts = Counter(tuple(permutation([k], 4).tolist()) for k in range(4800))
    assert len(counts) == 24
    # 0.9999 quantile of chi-square with 23 degrees of freedom.
    assert chi_square(counts, dict.fromkeys(counts, 200)) < 59


def shuffled_once_by_loop(source, size, slots):
    """A pass through a buffer: slots are refilled while the source lasts; then what they hold."""
    source = list(source)
    buffer, output = source[:size], []
    for slot, element in zip(slots, source[size:], strict=True):
        output.append(buffer[slot])
        buffer[slot] = element
    return output, buffer


def test_epochs_through_a_buffer_are_those_of_a_plain_loop():
    size, source = 7, np.arange(100, 140)
    stream = EpochShuffles(source, size, [5])
    for epoch in range(3):
        begin = epoch * len(source)
        found = stream.between(begin, begin + len(source)).tolist()
        slots = slots_drawn([5, epoch], size, len(source) - size)
        output, left = shuffled_once_by_loop(source, size, slots)
        assert found[: len(output)] == output
        assert sorted(found[len(output) :]) == sorted(left)
        assert found[len(output) :] != left  # emptied in an order of its own


def test_epochs_through_a_buffer_can_be_entered_anywhere():
    whole = EpochShuffles(np.arange(50), 16, [1, 2]).between(0, 200)
    assert all(sorted(whole[i : i + 50]) == list(range(50)) for i in range(0, 200, 50))
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, 201, (50, 2))).tolist():
        found = EpochShuffles(np.arange(50), 16, [1, 2]).between(start, stop)
        np.testing.assert_array_equal(found, whole[start:stop])


def test_buffer_larger_than_the_source_gives_permutations():
    whole = EpochShuffles(np.arange(5), 1_000, [0]).between(0, 50)
    epochs = whole.reshape(10, 5)
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5


def test_last_slots_are_emptied_in_all_orders_alike():
    # As tf.data does, which draws each of what is left with the same probability.
    seen = Counter(
        tuple(EpochShuffles(np.arange(3), 3, [seed]).between(0, 3)) for seed in range(1_200)
    )
    assert chi_square(seen, dict.fromkeys(itertools.permutations(range(3)), 200)) < 20.5  # 99.9 %
