"""Batches: order, masks, parts of processes, resumption, and every slice once."""

import numpy as np
import pytest
from scan_files import SCANS, VOLUMES, volume

from algoperf_jax.data.batch_share import BatchShare
from workloads.fastmri.dataset import dataset, example_batch

BATCH_SIZE = 4


def share_of(local=range(2), batch_size=BATCH_SIZE):
    return BatchShare(batch_size, 2, local)


def batches_of(data, split, local=range(2), batch_size=BATCH_SIZE, seed=0):
    return dataset(split, data, share_of(local, batch_size), seed=seed, scans=SCANS)


def slices_in(batch, split="train"):
    """Which slices a batch has, found by their images up to scale; padding left out."""
    images = np.concatenate([volume(name)[1] for name in sorted(VOLUMES[split])])
    real = batch["weights"].ravel() != 0
    found = []
    for target, mean, std in zip(
        *(
            batch[name].reshape(-1, *batch[name].shape[2:])[real]
            for name in ("targets", "mean", "std")
        ),
        strict=True,
    ):
        difference = np.abs(target * std + mean - images).max(axis=(1, 2))
        found.append(int(np.argmin(difference)))
        assert difference[found[-1]] < 1e-9
    return found


def test_batches_have_a_leading_replica_axis(data):
    batch = next(batches_of(data, "train"))
    assert {name: (x.shape, x.dtype.name) for name, x in batch.items()} == {
        "inputs": ((2, 2, 16, 16), "float32"),
        "targets": ((2, 2, 16, 16), "float32"),
        **dict.fromkeys(("mean", "std", "volume_max", "weights"), ((2, 2), "float32")),
    }
    example = example_batch(share_of(), scans=SCANS)
    assert {name: (x.shape, x.dtype) for name, x in example.items()} == {
        name: (x.shape, x.dtype) for name, x in batch.items()
    }


def test_epochs_have_every_slice_once_in_new_orders(data):
    batches = batches_of(data, "train", seed=5)
    stream = [i for _ in range(9) for i in slices_in(next(batches))]  # four epochs of nine slices
    epochs = [tuple(stream[9 * k : 9 * k + 9]) for k in range(4)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len(set(epochs)) == 4


def test_a_slice_keeps_its_mask_for_the_whole_trial(data):
    def inputs_of(seed):
        batches, found = batches_of(data, "train", seed=seed), {}
        for _ in range(9):
            batch = next(batches)
            for i, image in zip(slices_in(batch), batch["inputs"].reshape(-1, 16, 16), strict=True):
                np.testing.assert_array_equal(found.setdefault(i, image), image)
        return found

    first, second = inputs_of(3), inputs_of(4)
    assert sorted(first) == list(range(9))
    assert all(not np.allclose(first[i], second[i]) for i in first)


def test_resumed_stream_goes_on(data):
    batches = batches_of(data, "train", seed=3)
    for _ in range(5):
        next(batches)
    state = batches.get_state()
    assert state == {"position": 5 * BATCH_SIZE}
    resumed = batches_of(data, "train", seed=3)
    resumed.set_state(state)
    for _ in range(4):
        expected, found = next(batches), next(resumed)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("split", ["train", "eval_train", "validation", "test"])
@pytest.mark.parametrize("batch_size", [4, 8])
def test_processes_build_their_replicas_parts(data, split, batch_size):
    locals_ = (range(2), range(1), range(1, 2))
    streams = [iter(batches_of(data, split, local, batch_size)) for local in locals_]
    whole, first, second = map(next, streams)
    for name in whole:
        np.testing.assert_array_equal(whole[name], np.concatenate([first[name], second[name]]))


@pytest.mark.parametrize("batch_size", [2, 4, 8])
def test_evaluations_have_every_slice_once(data, batch_size):
    for split, expected in (("validation", range(5)), ("test", range(5, 8))):
        batches = list(batches_of(data, split, batch_size=batch_size))
        assert [i for batch in batches for i in slices_in(batch, "val")] == list(expected)
        assert len(batches) == -(-len(expected) // batch_size)


def test_eval_train_is_a_fixed_part_with_masks_of_its_own(data):
    (one,) = batches_of(data, "eval_train", seed=0)
    (other,) = batches_of(data, "eval_train", seed=1)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    chosen = slices_in(one)
    assert len(set(chosen)) == SCANS.eval_train_slices
    in_training = next(batches_of(data, "train", batch_size=18))
    of_training = dict(
        zip(slices_in(in_training), in_training["inputs"].reshape(-1, 16, 16), strict=True)
    )
    for i, image in zip(chosen, one["inputs"].reshape(-1, 16, 16), strict=True):
        assert not np.allclose(of_training[i], image)
