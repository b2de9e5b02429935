"""Ratios, profiles and both integrals, against hand-worked values and closed forms."""

import numpy as np
import pytest
from numpy import inf

from algoperf_jax.scoring import profiles
from algoperf_jax.scoring.profiles import exact_scores, performance_ratios, trapezoid_scores

COUNTED = np.array([[10.0, inf, 6.0], [20.0, 30.0, inf], [10.0, 45.0, inf]])


def test_ratios_are_times_over_the_fastest() -> None:
    ratios = performance_ratios(COUNTED)
    assert ratios.tolist() == [[1.0, inf, 1.0], [2.0, 1.0, inf], [1.0, 1.5, inf]]


def test_a_workload_that_nobody_solves_has_infinite_ratios() -> None:
    assert performance_ratios(np.array([[inf], [inf]])).tolist() == [[inf], [inf]]


def test_profiles_count_workloads_within_tau_inclusively() -> None:
    shares = profiles.profiles(performance_ratios(COUNTED), np.array([1.0, 1.5, 2.0, 4.0]))
    third = 1 / 3
    assert shares == pytest.approx(
        np.array([[2 * third] * 4, [third, third, 2 * third, 2 * third], [third, *[2 * third] * 3]])
    )


def test_exact_score_is_the_mean_of_what_ratios_leave_up_to_four() -> None:
    # (4 - 2) / 3 and (4 - 1) / 3 of one workload in three; 4 itself is worth nothing.
    assert exact_scores(performance_ratios(COUNTED), 4.0)[1] == pytest.approx((2 / 3 + 1) / 3)
    assert exact_scores(np.array([[4.0], [1.0]]), 4.0).tolist() == [0.0, 1.0]


def test_a_single_submission_scores_its_share_of_solved_workloads() -> None:
    ratios = performance_ratios(np.array([[3.0, inf, 8.0, 2.0]]))
    assert exact_scores(ratios, 4.0).tolist() == [0.75]
    assert trapezoid_scores(ratios, 4.0) == pytest.approx([0.75])


@pytest.mark.parametrize("ratio", [1.0, 1.0 + 1e-12, 1.5, 2.0, 3.99, 4.0, 4.01])
def test_trapezoid_has_its_closed_form(ratio: float) -> None:
    # Section 6 of the scoring rules: h = 3/99, k the first point at or after the ratio.
    h, taus = 3 / 99, np.linspace(1, 4, 100)
    k = int(np.searchsorted(taus, ratio))
    closed = 0.0 if ratio > 4 else 1.0 if k == 0 else (4 - taus[k] + h / 2) / 3
    assert trapezoid_scores(np.array([[ratio]]), 4.0)[0] == pytest.approx(closed, abs=1e-12)


def test_trapezoid_with_many_points_is_the_exact_integral(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "TRAPEZOID_POINTS", 1_000_001)
    ratios = np.array([[1.0, 1.23456, 2.71828, 3.14159, 5.0]])
    exact = exact_scores(ratios, 4.0)
    assert trapezoid_scores(ratios, 4.0) == pytest.approx(exact, abs=1e-6)


def test_scores_do_not_depend_on_the_unit_of_time_of_a_workload() -> None:
    scaled = COUNTED * np.array([0.25, 1024.0, 4.0])
    before = exact_scores(performance_ratios(COUNTED), 4.0)
    assert (exact_scores(performance_ratios(scaled), 4.0) == before).all()
