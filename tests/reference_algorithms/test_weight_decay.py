"""Weight decay by kind, on parameters of every sort that the toy and OGBG models have."""

import jax
import optax
import pytest
from toy_workload import toy

import workloads
from algoperf_jax.submission import Submission
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up
from reference_algorithms.weight_decay import weight_decay_mask


def mask_of(workload, tmp_path):
    """The mask that a submission gets for the workload."""
    masks = []

    def optimizer(hyperparameters, problem):
        masks.append(weight_decay_mask(problem))
        return optax.add_decayed_weights(0.1, masks[0])

    set_up(workload, Submission(optimizer=optimizer), Settings(replicas=1), tmp_path)
    return masks[0]


def test_matrices_decay_and_normalisation_and_biases_do_not(tmp_path):
    assert mask_of(toy(), tmp_path) == {
        "Dense_0": {"kernel": True},
        "BatchNorm_0": {"scale": False, "bias": False},
        "Dense_1": {"kernel": True, "bias": False},
    }


@pytest.mark.parametrize("name", ["ogbg"])
def test_mask_fits_every_mini_workload(name, tmp_path):
    workload = workloads.get(name)
    params, _ = jax.eval_shape(workload.init, jax.random.PRNGKey(0))
    mask = mask_of(workload, tmp_path)
    assert jax.tree.structure(mask) == jax.tree.structure(params)
    assert mask["node_embedding"] == {"kernel": True, "bias": False}
