"""Steps against seconds, and the time in evaluations, from numbers written down here."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.results import ScoringResults, results_of
from algoperf_jax.scoring.trust.pace import pace


def test_seconds_per_step_and_share_of_evaluations(
    tmp_path: Path, facts: dict[str, Facts], write_trial: Callable[..., Path]
) -> None:
    header = b"global_step,score,accumulated_submission_time,accumulated_eval_time,"
    header += b"validation/accuracy\n"
    for study, (seconds, evals) in enumerate([(20, 5), (40, 40), (60, 20)]):
        text = header + f"1,1,1,1,0.1\n100,{seconds},{seconds},{evals},0.7\n".encode()
        write_trial(text, study=study)
    write_trial([(10, 5.0, 0.7)], submission="plain")  # without the columns
    records = read([tmp_path / "logs"], facts, RULE_SETS["v0.5"], "external", base_only=True)
    results = results_of(records.runs, records.protocol, draws=2)
    found = pace(results, records.runs, records.evaluations)
    np.testing.assert_allclose(found.seconds_per_step_SxW, [[0.4, math.nan], [0.5, math.nan]])
    np.testing.assert_allclose(found.evaluation_share_SxW, [[0.25, math.nan], [math.nan, math.nan]])


def test_the_board_by_steps_is_that_of_scoring_steps(
    records: RecordedRuns, results: ScoringResults
) -> None:
    found = pace(results, records.runs, records.evaluations).by_steps
    right = results_of(records.runs, records.protocol, time="steps", draws=2)
    np.testing.assert_array_equal(found.exact_S, right.exact_S)
    # One step of the two JAX implementations of DiLoCo is one of many inner ones.
    assert found.ranking != results.ranking
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found.exact_S, results.exact_S, atol=0.01)
