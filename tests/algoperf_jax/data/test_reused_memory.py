"""When memory is used again, and when it is not."""

import jax
import numpy as np
import pytest

from algoperf_jax.data.reused_memory import ReusedMemory


def address(array):
    return array.__array_interface__["data"][0]


def test_array_has_the_shape_and_type_asked_for_and_can_be_written_to():
    memory = ReusedMemory()
    for shape, dtype in (((3, 5), np.float32), ((), np.int64), ((0, 4), np.uint8)):
        array = memory.empty(shape, dtype)
        array[...] = 7
        assert (array.shape, array.dtype) == (shape, dtype)
        assert (array == 7).all()


def test_memory_is_used_again_when_the_array_is_gone():
    memory = ReusedMemory()
    array = memory.empty((100,), np.float32)
    first = address(array)
    del array
    assert address(memory.empty((100,), np.float32)) == first


@pytest.mark.parametrize(
    "view",
    [
        lambda array: array[3:],
        lambda array: array.reshape(10, 10).T[2:],
        lambda array: memoryview(array),
        lambda array: np.asarray(memoryview(array))[5:],
        lambda array: array.view(np.uint8)[::7],
        lambda array: jax.device_put(array),
    ],
)
def test_memory_is_not_used_again_while_anything_refers_to_it(view):
    memory = ReusedMemory()
    array = memory.empty((100,), np.float32)
    array[:] = np.arange(100)
    held = view(array)
    content = np.array(held)
    del array
    for _ in range(3):
        memory.empty((100,), np.float32)[:] = -1
    np.testing.assert_array_equal(held, content)


def test_arrays_that_exist_at_the_same_time_share_nothing():
    memory = ReusedMemory()
    arrays = [memory.empty((100,), np.uint8) for _ in range(5)]
    for k, array in enumerate(arrays):
        array[:] = k
    assert [int(array.max()) for array in arrays] == [0, 1, 2, 3, 4]


def test_memory_outlives_the_object_that_made_it():
    array = ReusedMemory().empty((100,), np.uint8)
    array[:] = 5
    assert (array == 5).all()
