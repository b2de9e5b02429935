"""Where a trial stands, as its folder tells."""

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.files import write_csv, write_json
from algoperf_jax.suite.trial_status import (
    LastEvaluation,
    check_configuration,
    last_evaluation,
    trial_status,
)

ROW = {
    "accumulated_eval_time": 4.0,
    "accumulated_logging_time": 0.5,
    "accumulated_submission_time": 12.5,
    "global_step": 30,
    "validation/ssim": 0.25,
}


def test_a_trial_is_to_do_then_unfinished_then_ended(tmp_path):
    assert trial_status(tmp_path / "none").state == "to do"
    write_json(tmp_path / "meta_data.json", {})
    assert trial_status(tmp_path).state == "unfinished"
    write_json(tmp_path / "outcome.json", {"status": "failed", "reason": "why"})
    assert (trial_status(tmp_path).state, trial_status(tmp_path).reason) == ("failed", "why")
    assert trial_status(tmp_path).ended


def test_damaged_outcome_is_an_error_that_names_the_file(tmp_path):
    write_json(tmp_path / "outcome.json", ["reached"])
    with pytest.raises(UserError, match=r"outcome\.json is not the outcome of a trial"):
        trial_status(tmp_path)


def test_course_is_the_newest_evaluation(tmp_path):
    assert last_evaluation(tmp_path) == LastEvaluation()
    facts = {
        "workload.target_metric": "ssim",
        "workload.target_direction": "max",
        "workload.validation_target_value": 0.75,
    }
    write_json(tmp_path / "meta_data.json", facts)
    write_csv(tmp_path / "eval_measurements.csv", list(ROW), [{**ROW, "global_step": 1}, ROW])
    assert last_evaluation(tmp_path) == LastEvaluation(30, 12.5, 4.5, "ssim 0.25 (target >= 0.75)")


def test_record_of_another_plan_is_refused(tmp_path):
    check_configuration(tmp_path, {"seed": 0})
    write_json(tmp_path / "meta_data.json", {"configuration": {"seed": 1}})
    with pytest.raises(UserError, match="not of this plan: seed is 1 there and 0 here"):
        check_configuration(tmp_path, {"seed": 0})
