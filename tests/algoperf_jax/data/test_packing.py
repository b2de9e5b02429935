"""Packs of a stream, against a slow loop that packs item by item."""

import itertools

import numpy as np
import pytest

from algoperf_jax.data import packing as packing_module
from algoperf_jax.data.order import EpochPermutations, OnePass
from algoperf_jax.data.packing import Packing, packed_plan

ITEMS = 60
ROOM = (20, 30, 6)


def packing(group=None, items=ITEMS):
    rng = np.random.default_rng(0)
    sizes = [rng.integers(1, 9, items), rng.integers(0, 13, items), np.ones(items, np.int64)]
    return Packing(np.stack(sizes, axis=1), ROOM, group)


def packs_by_loop(sizes, stream, group):
    """Lists of items: the running pack is closed when the next item does not fit, or at a group."""
    packs, running = [], []
    for position, item in enumerate(stream):
        taken = sizes[[*running, item]].sum(axis=0)
        if running and ((taken > ROOM).any() or (group and position % group == 0)):
            packs.append(running)
            running = []
        running.append(item)
    return packs, running


def packs_of(plan, batches, position=0):
    taken = list(itertools.islice(plan(position), batches))
    return [items.tolist() for _, packs in taken for items in packs.items], [
        end for end, _ in taken
    ]


@pytest.mark.parametrize("group", [None, 7])
@pytest.mark.parametrize("at_a_time", [1, 5, 4096])
def test_packs_of_an_endless_stream_are_those_of_a_slow_loop(group, at_a_time, monkeypatch):
    monkeypatch.setattr(packing_module, "_ITEMS_AT_A_TIME", at_a_time)
    order = EpochPermutations(ITEMS, [1])
    expected, _ = packs_by_loop(packing().sizes, order.between(0, 400).tolist(), group)
    found, ends = packs_of(packed_plan(order, packing(group), 4, range(4)), 15)
    assert found == expected[:60]
    assert ends == np.cumsum([len(p) for p in expected[:60]])[3::4].tolist()


def test_a_plan_goes_on_from_any_batch():
    plan = packed_plan(EpochPermutations(ITEMS, [1]), packing(7), 4, range(4))
    whole, ends = packs_of(plan, 12)
    for k, end in enumerate(ends[:-1]):
        assert packs_of(plan, 1, end)[0] == whole[4 * (k + 1) : 4 * (k + 2)]


def test_a_process_gets_its_own_packs_of_the_same_batches():
    order = EpochPermutations(ITEMS, [1])
    whole, ends = packs_of(packed_plan(order, packing(), 4, range(4)), 6)
    mine, same_ends = packs_of(packed_plan(order, packing(), 4, [1, 3]), 6)
    assert same_ends == ends
    assert mine == [pack for k, pack in enumerate(whole) if k % 4 in (1, 3)]


def test_starts_are_the_positions_of_the_packs():
    order = EpochPermutations(ITEMS, [1])
    for _, packs in itertools.islice(packed_plan(order, packing(), 4, range(4))(0), 6):
        assert packs.starts[0] == packs.start
        for start, items in zip(packs.starts, packs.items, strict=True):
            assert order.between(start, start + len(items)).tolist() == items.tolist()


@pytest.mark.parametrize("items", [1, 17, 60])
def test_finite_stream_is_packed_once_and_completed_with_empty_packs(items):
    order = OnePass(np.arange(items))
    full, rest = packs_by_loop(packing().sizes, range(items), None)
    expected = [*full, rest]
    found, _ = packs_of(packed_plan(order, packing(), 4, range(4)), 1000)
    assert found[: len(expected)] == expected
    assert len(found) % 4 == 0
    assert not any(found[len(expected) :])
    assert len(found) - len(expected) < 4


def test_pack_larger_than_the_data_set_takes_items_of_several_epochs():
    small = Packing(np.ones((5, 1), np.int64), (32,))
    found, _ = packs_of(packed_plan(EpochPermutations(5, [0]), small, 2, range(2)), 1)
    assert [len(pack) for pack in found] == [32, 32]
    stream = [*found[0], *found[1]]
    for epoch in range(12):
        assert sorted(stream[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]


def test_item_larger_than_the_room_is_named():
    assert packing().first_too_large() is None
    assert Packing(np.array([[1], [5], [6]]), (4,)).first_too_large() == 1
