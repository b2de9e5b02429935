"""Batches from plans: order, resumption, work ahead, errors."""

import itertools
import threading

import numpy as np
import pytest

from algoperf_jax.data.batches import TrainBatches, built_ahead, example_plan, one_pass
from algoperf_jax.data.order import EpochPermutations, OnePass


def plan(batch_size=4, examples=10):
    return example_plan(EpochPermutations(examples, [3]), batch_size)


def build(examples):
    return examples.start, examples.ids.tolist()


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_follow_the_order_without_a_gap(ahead):
    batches = list(itertools.islice(TrainBatches(plan(), build, ahead), 5))
    assert [start for start, _ in batches] == [0, 4, 8, 12, 16]
    ids = [i for _, some in batches for i in some]
    assert ids == EpochPermutations(10, [3]).between(0, 20).tolist()


@pytest.mark.parametrize("ahead", [0, 2])
def test_stream_goes_on_from_its_position_whatever_was_built_ahead(ahead):
    batches = TrainBatches(plan(), build, ahead)
    for k in range(6):
        state = batches.get_state()
        assert state == {"position": 4 * k}
        resumed = TrainBatches(plan(), build, ahead)
        next(resumed)
        resumed.set_state(state)
        assert resumed.get_state() == state
        assert next(resumed) == next(batches)


def test_one_pass_ends_with_what_is_left():
    passed = list(one_pass(example_plan(OnePass(np.arange(10)), 4), build, ahead=1))
    assert passed == [(0, [0, 1, 2, 3]), (4, [4, 5, 6, 7]), (8, [8, 9])]
    assert list(one_pass(example_plan(OnePass(np.arange(8)), 4), build))[-1] == (4, [4, 5, 6, 7])
    assert list(one_pass(example_plan(OnePass(np.arange(0)), 4), build)) == []


@pytest.mark.parametrize("ahead", [0, 1])
def test_error_is_raised_where_its_batch_is_asked_for_and_the_batch_tried_again(ahead):
    failures = [ValueError("damaged"), ValueError("still damaged")]

    def failing(examples):
        if examples.start == 8 and failures:
            raise failures.pop(0)
        return build(examples)

    batches = TrainBatches(plan(), failing, ahead)
    assert [next(batches)[0] for _ in range(2)] == [0, 4]
    for message in ("damaged", "still damaged"):
        with pytest.raises(ValueError, match=message):
            next(batches)
        assert batches.get_state() == {"position": 8}
    assert next(batches)[0] == 8


def test_no_more_is_built_ahead_than_was_said():
    begun, drawn, go_on = [], [], threading.Event()

    def requests():
        for k in itertools.count():
            drawn.append(k)
            yield k

    def waiting(request):
        begun.append(request)
        assert go_on.wait(timeout=60)
        return request

    go_on.set()
    results = built_ahead(waiting, requests(), ahead=2)
    for k in range(5):
        assert next(results) == k
        assert drawn == list(range(k + 3))
    assert max(begun) <= 6


def test_next_batch_is_built_while_nobody_asks():
    built = threading.Event()

    def noting(request):
        if request == 1:
            built.set()
        return request

    results = built_ahead(noting, itertools.count(), ahead=1)
    assert next(results) == 0
    assert built.wait(timeout=60)


def test_without_work_ahead_the_callers_thread_builds():
    threads = built_ahead(lambda _: threading.current_thread(), range(2), ahead=0)
    assert set(threads) == {threading.current_thread()}
