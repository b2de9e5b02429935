"""The workload as a whole: its facts, the full-scale path, scale mini."""

import dataclasses

import jax
import pytest
from click_logs import LOGS

import workloads
from algoperf_jax.rules import Limits, Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.criteo1tb import CONFIGS, SIZES, with_model

KEY = jax.random.key(0)


def test_full_scale_has_the_benchmark_s_facts():
    workload = workloads.get("criteo1tb", "full")
    assert workload.target == Target("loss", "min", 0.123735, 0.126041)
    for rules in ("v0.5", "v0.6"):
        assert workload.limits[rules] == Limits(10_666, 7_703, 120)
    assert (workload.batch_size, workload.eval_batch_size) == (262_144, 131_072)
    assert workload.num_examples == {
        "train": 4_195_197_692,
        "eval_train": 83_361_792,
        "validation": 83_274_637,
        "test": 95_000_000,
    }
    assert workload.loss_type == LossType.SIGMOID_CROSS_ENTROPY
    variant = workloads.get("criteo1tb_embed_init", "full")
    assert variant.target == Target("loss", "min", 0.129657, 0.131967)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("criteo1tb", 539_267_457),
        ("criteo1tb_layernorm", 539_275_137),
        ("criteo1tb_embed_init", 539_267_457),
        ("criteo1tb_resnet", 538_121_473),
    ],
)
def test_full_models_have_the_reference_s_number_of_parameters(name, parameters):
    params, _ = jax.eval_shape(workloads.get(name, "full").init, KEY)
    assert sum(p.size for p in jax.tree.leaves(params)) == parameters


def small(name, **changes):
    """The benchmark's workload with a small table, on small logs."""
    sizes = SIZES["full"]._replace(logs=LOGS, batch_size=8, eval_batch_size=16)
    workload = with_model(name, "full", CONFIGS[name]._replace(rows=1_024, **changes), sizes)
    return dataclasses.replace(workload, target=Target("loss", "min", 0.0, 0.0))


NARROW = {"features": 8, "bottom": (16, 8), "top": (16, 8)}


def test_model_trains_on_prepared_data(data_dir):
    settings = Settings(data_dir=data_dir, max_steps=6, eval_every_steps=3, replicas=2)
    result = train(small("criteo1tb", **NARROW), get("nadamw"), settings)
    assert result.outcome.status == "training complete", result.traceback
    rows = result.ledger.evaluations
    assert {name for name in rows[0] if name.endswith("/loss")} == {
        "train/loss",
        "validation/loss",
        "test/loss",
    }
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in CONFIGS])
def test_full_widths_train_on_prepared_data(data_dir, name):
    settings = Settings(data_dir=data_dir, max_steps=1, replicas=2)
    result = train(small(name), get("nadamw"), settings)
    assert result.outcome.status == "training complete", result.traceback


def test_mini_is_the_full_model_with_narrower_layers():
    mini, _ = jax.eval_shape(workloads.get("criteo1tb", "mini").init, KEY)
    full, _ = jax.eval_shape(workloads.get("criteo1tb", "full").init, KEY)
    assert jax.tree.structure(mini) == jax.tree.structure(full)
