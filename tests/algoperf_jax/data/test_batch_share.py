"""Which part of a batch a process builds."""

import numpy as np
import pytest

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError


def test_positions_are_those_of_the_local_replicas_one_after_the_other():
    share = BatchShare(12, 4, range(1, 3))
    assert share.shape == (2, 3)
    assert share.positions.tolist() == [3, 4, 5, 6, 7, 8]


def test_shares_of_all_processes_make_up_the_batch():
    shares = [BatchShare(24, 8, range(k, k + 2)) for k in range(0, 8, 2)]
    positions = np.concatenate([share.positions for share in shares])
    assert positions.tolist() == BatchShare.whole(24, 8).positions.tolist() == list(range(24))


@pytest.mark.parametrize("examples", range(13))
def test_mask_marks_the_examples_there_are(examples):
    share = BatchShare(12, 4, range(1, 3))
    mask = share.mask(examples)
    assert (mask.shape, mask.dtype) == ((2, 3), np.float32)
    assert mask.ravel().tolist() == [float(p < examples) for p in share.positions]


def test_arrays_are_divided_into_replicas_and_filled_with_zeros():
    share = BatchShare(12, 4, range(1, 3))
    divided = share.divided({"a": np.arange(1, 7), "b": np.ones((4, 2), np.uint8)})
    assert divided["a"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert divided["b"].shape == (2, 3, 2)
    assert divided["b"].dtype == np.uint8
    assert divided["b"][..., 0].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_nothing_is_copied_where_nothing_has_to_be_filled():
    array = np.arange(12)
    assert np.shares_memory(BatchShare.whole(12, 4).divided(array), array)


@pytest.mark.parametrize(
    ("batch_size", "replicas", "local", "message"),
    [
        (30, 4, range(4), "batch size 30 is not a positive multiple of the 4 replicas"),
        (0, 4, range(4), "batch size 0 is not a positive multiple"),
        (8, 0, range(0), "batch size 8 is not a positive multiple of the 0 replicas"),
        (8, 4, range(2, 6), r"local replicas range\(2, 6\) are not a part of range\(0, 4\)"),
        (8, 4, range(0), r"local replicas range\(0, 0\) are not a part"),
    ],
)
def test_numbers_that_do_not_go_together_are_an_error(batch_size, replicas, local, message):
    with pytest.raises(UserError, match=message):
        BatchShare(batch_size, replicas, local)
