"""The workload as a whole: its facts, the full-scale path, replicas, the embedded sample."""

import dataclasses
import functools

import jax
import pytest
from raw_molecules import write_raw

import workloads
from algoperf_jax.rules import Target, rule_set
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.ogbg.dataset import open_data
from workloads.ogbg.prepare import prepare

EXAMPLES = {"train": 30, "validation": 6, "test": 4}
METRICS = {"accuracy", "loss", "mean_average_precision"}


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
    prepare(folder, folder / "pcba", examples=EXAMPLES)
    return folder


@pytest.mark.slow  # mini trials and the tests of the prepared files look at the parts
def test_full_model_trains_on_prepared_data(data_dir):
    # All of the full-scale path but the number of molecules, the size of evaluation batches, and
    # the target, which so few molecules reach by chance.
    workload = dataclasses.replace(
        workloads.get("ogbg", "full"),
        open_data=functools.partial(open_data, examples=EXAMPLES),
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


def test_rule_set_s_shards_decide_what_counts_as_evaluated():
    workload = workloads.get("ogbg", "full")
    conditions = rule_set("v0.5").conditions
    assert workload.under(workload, conditions) is workload
    four = workload.under(workload, dataclasses.replace(conditions, evaluation_shards=4))
    assert four.dataset.keywords["batching"].evaluation_shards == 4
    own = dataclasses.replace(workload, dataset=None)
    assert own.under(own, dataclasses.replace(conditions, evaluation_shards=4)) is own


def test_sample_s_splits_are_disjoint_and_every_task_occurs_in_each(tmp_path):
    workload = workloads.get("ogbg", "mini")
    data = open_data(None, tmp_path)
    splits = {name: data.molecules(name) for name in ("train", "validation", "test")}
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
