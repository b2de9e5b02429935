"""Batch sizes that differ from the workloads' own."""

from reference_algorithms import distributed_shampoo, schedule_free_adamw
from reference_algorithms.batch_sizes import deviating


def test_only_deviations_are_known():
    batch_size = deviating(fastmri=16)
    assert batch_size("fastmri") == 16
    assert batch_size("wmt") is None


def test_published_deviations():
    assert schedule_free_adamw.submission.batch_size("librispeech_conformer") == 224
    assert distributed_shampoo.submission.batch_size("librispeech_conformer") == 200
