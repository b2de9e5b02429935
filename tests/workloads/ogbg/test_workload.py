"""The workload as a whole: its facts, the full-scale path, replicas, the embedded sample."""

import dataclasses

import jax
import numpy as np
import pytest
from raw_molecules import write_raw

import workloads
from algoperf_jax.errors import DataError
from algoperf_jax.rules import Target
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.setup import Settings, set_up
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.ogbg.molecules import load
from workloads.ogbg.prepare import prepare

METRICS = {"accuracy", "loss", "mean_average_precision"}


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """Where the sample is expanded, once for all tests here."""
    return tmp_path_factory.mktemp("cache")


def test_full_scale_has_the_benchmark_s_facts():
    workload = workloads.get("ogbg", "full")
    assert workload.target == Target("mean_average_precision", "max", 0.28098, 0.268729)
    assert workload.limits["v0.5"].runtime_seconds == 18_477
    assert workload.limits["v0.6"].step_hint == 52_000
    assert (workload.batch_size, workload.eval_batch_size) == (512, 32_768)
    # The loss is a masked binary cross entropy, whatever the reference declares.
    assert workload.loss_type == LossType.SIGMOID_CROSS_ENTROPY


@pytest.mark.parametrize(
    ("name", "parameters", "decoder"),
    [("ogbg", 3_554_176, "Dense_15"), ("ogbg_model_size", 2_571_648, "Dense_18")],
)
def test_decoder_is_the_output_layer(name, parameters, decoder):
    workload = workloads.get(name, "full")
    params, model_state = jax.eval_shape(workload.init, jax.random.PRNGKey(0))
    assert sum(p.size for p in jax.tree.leaves(params)) == parameters
    assert workload.output_layers == (decoder,)
    assert params[decoder]["kernel"].shape == (256, 128)
    assert model_state == {}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """What `scripts/prepare_data.py` makes of a small upstream download."""
    folder = tmp_path_factory.mktemp("data")
    write_raw(folder / "pcba")
    prepare(folder, folder / "pcba", keep_download=False)
    return folder


def test_full_model_trains_on_prepared_data(data_dir):
    # All of the full-scale path but the number of molecules, the size of evaluation batches, and
    # the target, which so few molecules reach by chance.
    workload = dataclasses.replace(
        workloads.get("ogbg", "full"),
        eval_batch_size=64,
        target=Target("mean_average_precision", "max", 2.0, 2.0),
    )
    settings = Settings(data_dir=data_dir, max_steps=1, batch_size=64)
    result = train(workload, get("nadamw"), settings)
    assert result.outcome.status == "training complete", result.traceback
    (row,) = result.ledger.evaluations
    expected = METRICS | {f"{name}_whole_split" for name in METRICS}
    assert {name.split("/")[1] for name in row if name.startswith("train/")} == expected
    # Six molecules fill no global batch of the reference, so subset and split are the same.
    assert row["validation/loss"] == pytest.approx(row["validation/loss_whole_split"])


@pytest.mark.parametrize("scale", ["mini", "full"])
def test_random_batch_has_the_shapes_of_a_training_batch(scale, data_dir, cache_dir):
    workload = workloads.get("ogbg", scale)
    source = workload.locate_data(data_dir if scale == "full" else None, cache_dir)
    real = next(workload.dataset("train", source, batch_size=32, replicas=2, seed=0))
    random = workload.random_batch(32, 2, 0)
    assert {k: (v.shape, v.dtype) for k, v in random.items()} == {
        k: (v.shape, v.dtype) for k, v in real.items()
    }


def test_missing_data_are_an_error_that_names_the_command(tmp_path):
    with pytest.raises(DataError, match=r"prepare_data\.py ogbg"):
        train(workloads.get("ogbg", "full"), get("nadamw"), Settings(data_dir=tmp_path))


def trained_on(devices, cache_dir):
    """Parameters after three mini steps of eight replicas, dropout on."""
    workload = workloads.get("ogbg", "mini")
    point = {"dropout_rate": 0.1}
    trial = set_up(workload, get("adamw"), Settings(replicas=8, hyperparameters=point), cache_dir)
    layout = Replicas(8, tuple(jax.devices()[:devices]))
    trial = dataclasses.replace(trial, layout=layout)
    programs, stream = Programs(trial), trial.training_batches()
    state = layout.put_state(trial.initial_state())
    for _ in range(3):
        state, _ = programs.step(None)(state, next(stream), programs.inputs(0.0))
    return layout.fetch_state(state).params


def test_one_device_with_eight_replicas_equals_eight_devices(cache_dir):
    one, eight = trained_on(1, cache_dir), trained_on(8, cache_dir)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(eight), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)


def test_sample_s_splits_are_disjoint_and_every_task_occurs_in_each(cache_dir):
    workload = workloads.get("ogbg", "mini")
    source = workload.locate_data(None, cache_dir)
    splits = {name: load(name, source) for name in ("train", "validation", "test")}
    for name, molecules in splits.items():
        assert len(molecules) == workload.num_examples[name]
        positives = (molecules.labels == 1).sum(axis=0)
        assert positives.min() >= 4
        assert (positives < len(molecules)).all()
    graphs = {name: set(_fingerprints(molecules)) for name, molecules in splits.items()}
    assert not graphs["train"] & graphs["validation"]
    assert not graphs["train"] & graphs["test"]
    assert not graphs["validation"] & graphs["test"]


def _fingerprints(molecules):
    """Bytes that equal molecules, stored alike, share."""
    for i in range(len(molecules)):
        nodes = slice(*molecules.node_offsets[i : i + 2])
        edges = slice(*molecules.edge_offsets[i : i + 2])
        yield (
            molecules.node_feat[nodes].tobytes(),
            molecules.edge_feat[edges].tobytes(),
            molecules.edge_index[edges].tobytes(),
        )


def test_mini_is_the_full_model_with_fewer_and_narrower_layers():
    mini, _ = jax.eval_shape(workloads.get("ogbg", "mini").init, jax.random.PRNGKey(0))
    full, _ = jax.eval_shape(workloads.get("ogbg", "full").init, jax.random.PRNGKey(0))
    assert mini.keys() < full.keys()
    assert all(mini[layer].keys() == full[layer].keys() for layer in mini)
