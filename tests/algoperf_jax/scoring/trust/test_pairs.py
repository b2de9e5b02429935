"""Two submissions compared, against SciPy and hand-worked numbers."""

import itertools
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


def test_z_and_p_are_those_of_student_s_distribution() -> None:
    found = compared("w", "steps to target", NUMBERS, "a", "b", larger_is_better=False)
    z = (12 - 16) / (math.sqrt(10 / 3) * math.sqrt(1 / 3 + 1 / 2))
    assert found.z == pytest.approx(z)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(z), 3))
    assert (found.finite_a, found.finite_b, found.mean_a, found.mean_b) == (3, 2, 12, 16)
    assert math.isnan(found.a_is_better)  # two studies are too few to draw from
    more = {**NUMBERS, "b": np.array([15.0, 17.0, 16.0])}
    found = compared("w", "steps to target", more, "a", "b", larger_is_better=False)
    assert found.a_is_better == 1  # every mean of draws of a is below every one of b
    assert compared("w", "final metric", more, "a", "b", larger_is_better=True).a_is_better == 0


def test_p_is_uniform_where_there_is_no_difference() -> None:
    """As often below 0.05 as it should be, also in the smallest field: two of three studies."""
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(2_000):
        numbers = {"a": rng.normal(size=3), "b": rng.normal(size=3)}
        below += (
            compared("w", "final metric", numbers, "a", "b", larger_is_better=True, draws=1).p
            < 0.05
        )
    assert below / 2_000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2_000))


def test_a_miss_has_no_number_and_is_never_the_better_one() -> None:
    numbers = {"a": np.array([1.0, math.inf, math.inf]), "b": np.array([5.0, 6.0, 7.0])}
    found = compared("w", "steps to target", numbers, "a", "b", larger_is_better=False)
    assert (found.finite_a, found.studies_a, found.mean_a) == (1, 3, 1.0)
    assert found.a_is_better == pytest.approx(1 / 27, abs=0.01)  # all three draws the one hit


def test_the_bootstrap_agrees_with_all_draws() -> None:
    numbers = {"a": np.array([1.0, 4.0, 5.0]), "b": np.array([2.0, 3.0, 5.0])}
    found = compared("w", "steps to target", numbers, "a", "b", larger_is_better=False)
    sums = {
        name: np.array([sum(draw) for draw in itertools.product(x, repeat=3)])
        for name, x in numbers.items()
    }
    below = (sums["a"][:, None] < sums["b"]).mean()
    right = below + 0.5 * (sums["a"][:, None] == sums["b"]).mean()
    assert found.a_is_better == pytest.approx(right, abs=4 * 0.5 / 100)


def test_without_runs_there_is_no_number() -> None:
    found = compared("w", "steps to target", NUMBERS, "a", "none", larger_is_better=False)
    assert found.studies_b == 0
    assert all(map(math.isnan, (found.mean_b, found.z, found.p, found.a_is_better)))


def test_a_field_s_runs_are_compared_on_each_workload(
    records: RecordedRuns, results: ScoringResults
) -> None:
    args = results, records.runs, records.evaluations
    found = pair(*args, "schedule_free_adamw", "schedule_free_adamw_jax")
    assert len(found) == 3 * len(results.protocol.workloads)
    steps = {one.workload: one for one in found if one.quantity == "steps to target"}
    assert (steps["ogbg"].finite_a, steps["ogbg"].finite_b) == (3, 3)
    speech = steps["librispeech_deepspeech"]
    assert (speech.finite_a, speech.finite_b, speech.studies_b) == (3, 0, 3)
    with pytest.raises(UserError, match="no submission is called 'nobody'"):
        pair(*args, "nobody", "ademamix")
