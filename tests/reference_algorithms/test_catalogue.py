"""Every registered algorithm: its name, its search space, two steps, its state on disk."""

import jax
import numpy as np
import pytest
from distinct_algorithms import distinct
from toy_workload import toy

import reference_algorithms
from algoperf_jax import tuning
from algoperf_jax.rules import Target
from algoperf_jax.trial.checkpoints import Checkpoints
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms import target_setting

NAMES = list(reference_algorithms.CATALOGUE.entries)


@pytest.mark.parametrize("name", NAMES)
def test_submission_is_called_what_the_catalogue_calls_it(name: str):
    submission = reference_algorithms.get(name)
    assert submission.name == name
    assert submission.description


@pytest.mark.parametrize("name", NAMES)
def test_every_point_of_the_search_space_fits_the_submission(name: str):
    submission = reference_algorithms.get(name)
    if submission.search_space is None:
        return
    for point in tuning.points(tuning.parse(submission.search_space), 5):
        assert set(submission.point(point)._fields) == set(submission.hyperparameters)


@pytest.mark.parametrize("name", distinct())
def test_two_steps_run_and_the_state_survives_a_checkpoint(name: str, tmp_path):
    out_of_reach = Target("score", "max", validation=1.0, test=1.0)
    result = train(
        toy(target=out_of_reach),
        reference_algorithms.get(name),
        Settings(replicas=2, max_steps=2),
        folder=tmp_path,
    )
    assert result.outcome.status == "training complete", result.traceback
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.state))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    restored = checkpoints.restore(result.state).state
    checkpoints.close()
    jax.tree.map(np.testing.assert_array_equal, restored, result.state)


def test_target_setting_knows_the_variants_too():
    assert len(target_setting.SUBMISSIONS) == 32
    submission = reference_algorithms.get("reference_algorithms.target_setting:wmt_post_ln")
    assert submission.hyperparameters["warmup_steps"] == 9999
    assert "not a valid submission" in submission.description


def test_papers_spaces_draw_the_points_that_the_protocol_states():
    (point,) = tuning.points(tuning.parse(reference_algorithms.get("nadamw").search_space), 1)
    assert point == pytest.approx(
        {
            "learning_rate": 0.0019814680146414726,
            "one_minus_beta1": 0.045677535963609565,
            "beta2": 0.999,
            "warmup_factor": 0.05,
            "weight_decay": 0.010340635370188849,
            "label_smoothing": 0.1,
            "dropout_rate": 0.0,
        }
    )


def test_the_smaller_space_of_a_paper_baseline_differs_in_beta1_alone():
    tuned, fixed = (reference_algorithms.get(n).search_space for n in ("lamb", "lamb_no_beta1"))
    assert list(tuned) == list(fixed)
    assert {name for name in tuned if tuned[name] != fixed[name]} == {"one_minus_beta1"}
    assert fixed["one_minus_beta1"] == {"feasible_points": [0.1]}
