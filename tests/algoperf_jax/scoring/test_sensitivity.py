"""Leave-one-out and bootstrap, on small fields worked out by hand."""

import numpy as np
import pytest
from numpy import inf

from algoperf_jax.scoring import sensitivity


def test_without_a_workload_the_score_is_that_of_the_others() -> None:
    # Ratios are 1 and 2 on the first, 2.5 and 1 on the second; the variant hangs on the second.
    times = np.array([[10.0, 50.0, 1.0], [20.0, 20.0, inf]])
    found = sensitivity.without_workload(times, parents=(1,), r_max=4.0)
    assert found == pytest.approx(np.array([[1.0, 1.0], [0.0, 2 / 3]]))


def test_without_the_only_workload_nothing_remains() -> None:
    assert np.isnan(sensitivity.without_workload(np.array([[1.0]]), (), 4.0)).all()


def test_without_the_fastest_the_others_gain() -> None:
    found = sensitivity.without_submission(np.array([[10.0], [20.0], [25.0]]), (), 4.0)
    assert found[1, 0] == 1.0
    assert found[2] == pytest.approx([2.75 / 3, 0.5, np.nan], nan_ok=True)


def test_equal_studies_leave_no_uncertainty() -> None:
    study_times = {"a": np.full((2, 5), 10.0), "b": np.full((2, 5), 25.0)}
    samples = sensitivity.bootstrap_scores(study_times, (), 4.0, draws=20)
    assert sensitivity.intervals(samples) == pytest.approx(np.array([[1.0, 1.0], [0.5, 0.5]]))


def test_a_study_that_missed_makes_the_score_uncertain() -> None:
    # Where two of three drawn studies are the one that missed, 7 of 27 draws, the median is too.
    study_times = {"a": np.array([[10.0, 10.0, inf]])}
    samples = sensitivity.bootstrap_scores(study_times, (), 4.0, draws=20_000)
    assert set(np.unique(samples)) == {0.0, 1.0}
    assert samples.mean() == pytest.approx(20 / 27, abs=0.02)


def test_draws_of_a_submission_do_not_depend_on_the_field() -> None:
    own = np.array([[10.0, 20.0, inf]])
    alone = sensitivity.bootstrap_scores({"a": own}, (), 4.0, draws=50)
    never = np.full((1, 3), inf)
    together = sensitivity.bootstrap_scores({"Z": never, "a": own}, (), 4.0, draws=50)
    assert (together[:, 1] == alone[:, 0]).all()
