"""Two submissions compared, against SciPy and hand-worked numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.reading import RecordedRuns
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.trust.pairs import compared, pair, pooled_sigma

NUMBERS = {
    "a": np.array([10.0, 12.0, 14.0]),
    "b": np.array([15.0, 17.0]),
    "c": np.array([1.0]),
    "none": np.empty(0),
}


def test_sigma_is_pooled_within_submissions() -> None:
    # Squares within: 8 and 2; degrees 2 + 1 + 0.
    sigma, degrees = pooled_sigma(list(NUMBERS.values()))
    assert (sigma, degrees) == (pytest.approx(math.sqrt(10 / 3)), 3)


def test_z_and_p_are_those_of_the_normal_distribution() -> None:
    found = compared("w", "steps to target", NUMBERS, "a", "b", larger_is_better=False)
    z = (12 - 16) / (math.sqrt(10 / 3) * math.sqrt(1 / 3 + 1 / 2))
    assert found.z == pytest.approx(z)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert (found.runs_a, found.runs_b, found.mean_a, found.mean_b) == (3, 2, 12, 16)
    assert found.a_is_better == 1  # every mean of draws of a is below every one of b
    other = compared("w", "final metric", NUMBERS, "a", "b", larger_is_better=True)
    assert other.a_is_better == 0


def test_the_bootstrap_agrees_with_all_draws() -> None:
    numbers = {"a": np.array([1.0, 4.0]), "b": np.array([2.0, 3.0])}
    found = compared("w", "steps to target", numbers, "a", "b", larger_is_better=False)
    # Means of a: 1, 2.5, 2.5, 4; of b: 2, 2.5, 2.5, 3. Below: 4 + 2 x 1; ties: 2 x 2.
    assert found.a_is_better == pytest.approx((6 + 0.5 * 4) / 16, abs=4 * 0.5 / 100)


def test_without_runs_there_is_no_number() -> None:
    found = compared("w", "steps to target", NUMBERS, "a", "none", larger_is_better=False)
    assert found.runs_b == 0
    assert all(map(math.isnan, (found.mean_b, found.z, found.p, found.a_is_better)))


def test_a_field_s_runs_are_compared_on_each_workload(
    records: RecordedRuns, results: ScoringResults
) -> None:
    args = results, records.runs, records.evaluations
    found = pair(*args, "schedule_free_adamw", "schedule_free_adamw_jax")
    assert len(found) == 3 * len(results.protocol.workloads)
    steps = {one.workload: one for one in found if one.quantity == "steps to target"}
    assert (steps["ogbg"].runs_a, steps["ogbg"].runs_b) == (3, 3)
    assert (steps["librispeech_deepspeech"].runs_a, steps["librispeech_deepspeech"].runs_b) == (
        3,
        0,
    )
    with pytest.raises(UserError, match="no submission is called 'nobody'"):
        pair(*args, "nobody", "ademamix")
