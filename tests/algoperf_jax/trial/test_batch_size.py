"""Who chooses a trial's batch size, and what a submission's hook may say."""

import dataclasses

import numpy as np
import pytest
from toy_runs import sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.trial.batch_size import chosen_batch_size


def workload_of(name="toy", scale="full"):
    return dataclasses.replace(toy(), name=name, scale=scale)


@pytest.mark.parametrize(
    ("sizes", "name", "scale", "size", "chosen_by"),
    [
        ({"toy_gelu": 8, "toy": 16}, "toy_gelu", "full", 8, "the submission for 'toy_gelu'"),
        ({"toy": 16}, "toy_gelu", "full", 16, "the submission for 'toy'"),
        (
            {"other": 16},
            "toy_gelu",
            "full",
            32,
            "the workload, as the submission has none for 'toy_gelu' and 'toy'",
        ),
        ({"toy": 16}, "toy", "mini", 32, "the workload, as the submission has none for 'toy_mini'"),
        ({"toy_mini": 4}, "toy", "mini", 4, "the submission for 'toy_mini'"),
        ({"toy": np.int64(16)}, "toy", "full", 16, "the submission for 'toy'"),
    ],
)
@pytest.mark.parametrize("raises", [False, True])
def test_batch_size_falls_back_to_base_and_workload(sizes, name, scale, size, chosen_by, raises):
    hook = sizes.__getitem__ if raises else sizes.get
    found = chosen_batch_size(workload_of(name, scale), sgd(batch_size=hook))
    assert found == (size, chosen_by)
    assert type(found.examples) is int


def test_settings_come_first_and_without_a_hook_the_workload_chooses():
    hook = {"toy": 16}.get
    assert chosen_batch_size(workload_of(), sgd(batch_size=hook), 8) == (8, "the settings")
    assert chosen_batch_size(workload_of(), sgd()) == (32, "the workload")


@pytest.mark.parametrize("size", [0, -1, True, 16.0, "16"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(UserError, match=r"batch_size\('toy'\) gives .*; a positive int is needed"):
        chosen_batch_size(workload_of(), sgd(batch_size=lambda name: size))


def test_errors_of_the_hook_are_not_taken_for_having_no_size():
    def broken(name):
        raise ValueError("a real mistake")

    with pytest.raises(
        UserError, match=r"ValueError: a real mistake \(test_batch.*, line .* return None"
    ):
        chosen_batch_size(workload_of(), sgd(batch_size=broken))
    with pytest.raises(UserError, match="raised KeyError: 'another'"):
        chosen_batch_size(workload_of(), sgd(batch_size=lambda name: {}["another"]))
