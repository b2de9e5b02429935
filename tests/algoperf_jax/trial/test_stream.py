"""Batches on their way to the devices: one ahead, with the position of the one handed out."""

import jax
import numpy as np
import pytest
from toy_workload import TrainBatches

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.stream import DeviceStream

LAYOUT = Replicas(4, tuple(jax.devices()[:2]))


def stream():
    return DeviceStream(TrainBatches(BatchShare.whole(32, 4), seed=1), LAYOUT)


def test_batches_are_stacked_by_device_and_lane():
    host = next(TrainBatches(BatchShare.whole(32, 4), seed=1))
    batch = next(stream())
    assert batch["x"].shape == (2, 2, 8, 5)
    np.testing.assert_array_equal(np.asarray(batch["x"]).reshape(4, 8, 5), host["x"])


def test_position_is_that_of_the_batch_handed_out_whatever_was_fetched_ahead():
    batches = stream()
    assert batches.state == {"position": 0}
    next(batches)
    batches.prefetch()
    batches.prefetch()
    assert batches.state == {"position": 1}


def test_restored_stream_goes_on_behind_that_position():
    batches = stream()
    expected = [np.asarray(next(batches)["x"]) for _ in range(4)][2:]
    other = stream()
    next(other)
    other.prefetch()
    other.restore({"position": 2})
    for x in expected:
        np.testing.assert_array_equal(next(other)["x"], x)


def test_finite_stream_ends():
    batches = DeviceStream(iter([{"x": np.zeros((4, 1))}]), LAYOUT)
    assert len(list(batches)) == 1


def test_wrong_number_of_replicas_is_an_error():
    with pytest.raises(UserError, match=r"replica axis of 4, found shape \(3, 1\)"):
        next(DeviceStream(iter([{"x": np.zeros((3, 1))}]), LAYOUT))
