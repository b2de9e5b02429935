"""The workloads as a whole: facts, full-scale path, replicas, resuming, the embedded sample."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from imagenet_files import write_pictures
from interruptions import Interrupt, InterruptIn

import workloads
from algoperf_jax.errors import DataError, UserError
from algoperf_jax.rules import Limits, rule_set
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.imagenet.dataset import open_data

BOTH = ("imagenet_resnet", "imagenet_vit")


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """Where the sample is expanded, once for all tests here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A few pictures in upstream's layout."""
    folder = tmp_path_factory.mktemp("data")
    write_pictures(folder, "train", [7, 5, 6])
    write_pictures(folder, "validation", [5, 4])
    write_pictures(folder, "test", [3])
    return folder


# Specification of the workloads: 1 of each, 7 of the variants; (validation, test) accuracy,
# parameters, batch size of the baselines.
@pytest.mark.parametrize(
    ("name", "targets", "parameters", "batch_size"),
    [
        ("imagenet_resnet", (0.77431, 0.6560), 25_557_032, 1024),
        ("imagenet_resnet_silu", (0.75445, 0.6323), 25_557_032, 512),
        ("imagenet_resnet_gelu", (0.76765, 0.6519), 25_557_032, 512),
        ("imagenet_resnet_large_bn_init", (0.76526, 0.6423), 25_557_032, 1024),
        ("imagenet_vit", (0.77309, 0.6519), 22_122_472, 1024),
        ("imagenet_vit_glu", (0.75738, 0.6359), 50_452_456, 512),
        ("imagenet_vit_post_ln", (0.75312, 0.6286), 22_121_704, 1024),
        ("imagenet_vit_map", (0.77113, 0.6523), 23_896_552, 1024),
    ],
)
def test_full_scale_has_the_benchmark_s_facts(name, targets, parameters, batch_size):
    workload = workloads.get(name, "full")
    assert (workload.name, workload.scale) == (name, "full")
    assert (workload.target.metric, workload.target.direction) == ("accuracy", "max")
    assert (workload.target.validation, workload.target.test) == pytest.approx(targets, abs=1e-12)
    params, _ = jax.eval_shape(workload.init, jax.random.PRNGKey(0))
    assert sum(p.size for p in jax.tree.leaves(params)) == parameters
    assert set(workload.output_layers) <= set(params)
    assert workload.batch_size == batch_size
    assert workload.loss_type == LossType.SOFTMAX_CROSS_ENTROPY
    if name.startswith("imagenet_resnet"):
        assert workload.limits["v0.5"] == Limits(186_666, 63_008, 510)
        assert workload.limits["v0.6"] == Limits(195_999, 66_159, 510)
        assert workload.eval_batch_size == 1024
        assert workload.num_examples["eval_train"] == 50_176
    else:
        assert workload.limits["v0.5"] == Limits(186_666, 77_520, 420)
        assert workload.limits["v0.6"] == Limits(167_999, 69_768, 420)
        assert workload.eval_batch_size == 2048
        assert workload.num_examples["eval_train"] == 51_200


def test_variants_exist_at_full_scale_only():
    with pytest.raises(UserError, match="scale full only"):
        workloads.get("imagenet_vit_map", "mini")


@pytest.mark.parametrize("name", BOTH)
def test_part_of_imagenet_is_not_imagenet(name, small_data):
    workload = workloads.get(name, "full")
    with pytest.raises(DataError, match=r"18 examples, .* 1,281,167.*prepare_data\.py"):
        train(workload, get("nadamw"), Settings(data_dir=small_data))


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_resumed_trial_equals_an_unbroken_one(name, cache_dir, tmp_path):
    workload = workloads.get(name, "mini")
    settings = Settings(replicas=2, batch_size=16, max_steps=6, eval_every_steps=3)
    run = functools.partial(train, workload, get("adamw"), settings, cache_dir=cache_dir)
    whole = run(folder=tmp_path / "whole")
    with pytest.raises(Interrupt):
        run(folder=tmp_path / "broken", reporter=InterruptIn(step=5))
    resumed = run(folder=tmp_path / "broken")
    values = [
        [{k: v for k, v in row.items() if "/" in k} for row in result.ledger.evaluations]
        for result in (whole, resumed)
    ]
    assert values[0] == values[1]
    assert len(values[0]) == 3


@pytest.mark.parametrize(("rules", "collective"), [("v0.5", False), ("v0.6", True)])
def test_rule_set_decides_the_extent_of_batch_statistics_and_nothing_else(rules, collective):
    resnet = dataclasses.replace(workloads.get("imagenet_resnet"), eval_batch_size=64)
    ruled = resnet.under(resnet, rule_set(rules).conditions)
    assert ruled.collective_forward == collective
    assert ruled.eval_batch_size == 64
    transformer = workloads.get("imagenet_vit")
    assert transformer.under(transformer, rule_set(rules).conditions) is transformer


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_full_scale_trains_and_evaluates_on_small_upstream_files(name, small_data):
    workload = workloads.get(name, "full")
    workload = dataclasses.replace(
        workload,
        open_data=functools.partial(open_data, examples={}),
        eval_batch_size=8,
    )
    settings = Settings(data_dir=small_data, replicas=2, batch_size=4, max_steps=2)
    result = train(workload, get("nadamw"), settings)
    first = result.ledger.evaluations[0]
    assert result.outcome.status == "training complete"
    # The model begins with nearly equal logits; all pictures are of the first 18 classes.
    assert first["validation/loss"] == pytest.approx(np.log(1000), rel=0.1)
    assert 0 <= first["test/accuracy"] <= 1
