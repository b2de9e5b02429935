"""Batch sizes that differ from the workloads' own."""

import pytest

from reference_algorithms import distributed_shampoo, schedule_free_adamw
from reference_algorithms.batch_sizes import deviating


def test_only_deviations_are_known():
    batch_size = deviating(fastmri=16)
    assert batch_size("fastmri") == 16
    with pytest.raises(ValueError, match="no batch size of its own for workload 'wmt'"):
        batch_size("wmt")


def test_published_deviations():
    assert schedule_free_adamw.submission.batch_size("librispeech_conformer") == 224
    assert distributed_shampoo.submission.batch_size("librispeech_conformer") == 200
