"""The workload as a whole: its facts, the full-scale path, scale mini."""

import dataclasses

import jax
import pytest
from scan_files import SCANS

import workloads
from algoperf_jax.rules import Limits, Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.fastmri import CONFIGS, SIZES, with_model

KEY = jax.random.key(0)


def test_full_scale_has_the_benchmark_s_facts():
    workload = workloads.get("fastmri", "full")
    assert workload.target == Target("ssim", "max", 0.723653, 0.740633)
    assert workload.limits["v0.5"] == Limits(36_189, 8_859, 80)
    assert workload.limits["v0.6"] == Limits(18_094, 4_430, 80)
    assert (workload.batch_size, workload.eval_batch_size) == (32, 256)
    assert workload.num_examples == {
        "train": 34_742,
        "eval_train": 3_584,
        "validation": 3_554,
        "test": 3_581,
    }
    assert workload.loss_type == LossType.MEAN_ABSOLUTE_ERROR
    variant = workloads.get("fastmri_tanh", "full")
    assert variant.target == Target("ssim", "max", 0.717840, 0.734505)


@pytest.mark.parametrize(
    ("name", "parameters", "leaves"),
    [
        ("fastmri", 7_756_097, 24),
        ("fastmri_model_size", 7_692_929, 19),
        ("fastmri_tanh", 7_756_097, 24),
        ("fastmri_layernorm", 7_761_985, 60),
    ],
)
def test_full_models_have_the_reference_s_parameters(name, parameters, leaves):
    params, _ = jax.eval_shape(workloads.get(name, "full").init, KEY)
    found = jax.tree.leaves(params)
    assert (sum(p.size for p in found), len(found)) == (parameters, leaves)


def trained(name, data_dir, **changes):
    """One step of the benchmark's workload on small volumes."""
    sizes = SIZES["full"]._replace(scans=SCANS, batch_size=4, eval_batch_size=4)
    workload = with_model(name, "full", CONFIGS[name]._replace(**changes), sizes)
    workload = dataclasses.replace(workload, target=Target("ssim", "max", 2.0, 2.0))
    settings = Settings(data_dir=data_dir, max_steps=1, replicas=2)
    return train(workload, get("nadamw"), settings)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("fastmri", {"channels": 4, "levels": 2}),
        *(pytest.param(name, {}, marks=pytest.mark.slow) for name in CONFIGS),
    ],
)
def test_model_trains_on_prepared_data(data_dir, name, changes):
    result = trained(name, data_dir, **changes)
    assert result.outcome.status == "training complete", result.traceback
    (row,) = result.ledger.evaluations
    assert {key.split("/")[1] for key in row if key.startswith("train/")} == {"loss", "ssim"}
    assert 0.3 < row["validation/loss"] < 3
    assert -1 < row["validation/ssim"] < 1


def test_mini_is_the_full_model_with_narrower_layers():
    mini, _ = jax.eval_shape(workloads.get("fastmri", "mini").init, KEY)
    full, _ = jax.eval_shape(workloads.get("fastmri", "full").init, KEY)
    assert jax.tree.structure(mini) == jax.tree.structure(full)
