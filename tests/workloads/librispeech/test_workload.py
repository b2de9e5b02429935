"""The workloads as a whole: their facts, rule sets, the full-scale path, scale mini."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from librispeech_files import CORPUS, write_tree
from traced import primitives

import workloads
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.rules import RULE_SETS, Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.librispeech import CONFIGS, FULL_SIZES, with_model
from workloads.librispeech.batching import Shapes
from workloads.librispeech.prepare import prepare

BASES = ("librispeech_conformer", "librispeech_deepspeech")
METRICS = {"loss", "wer", "wer_plain"}
KEY = jax.random.key(0, impl="rbg")


def test_full_scale_has_the_benchmark_s_facts():
    conformer, deepspeech = (workloads.get(name, "full") for name in BASES)
    assert conformer.target == Target("wer", "min", 0.085884, 0.052981)
    assert deepspeech.target == Target("wer", "min", 0.119936, 0.074143)
    assert conformer.limits["v0.6"].runtime_seconds == 58_015
    assert deepspeech.limits["v0.5"].step_hint == 48_000
    for workload in (conformer, deepspeech):
        assert (workload.batch_size, workload.eval_batch_size) == (256, 256)
        assert workload.num_examples == {
            "train": 263_840,
            "eval_train": 5_376,
            "validation": 5_348,
            "test": 2_472,
        }
        assert workload.loss_type == LossType.CTC_LOSS
    variant = workloads.get("librispeech_deepspeech_norm_and_spec_aug", "full")
    assert variant.eval_batch_size == 128


@pytest.mark.parametrize(
    ("name", "rules", "is_global"),
    [
        ("librispeech_conformer", "v0.5", False),
        ("librispeech_conformer", "v0.6", True),
        ("librispeech_deepspeech", "v0.5", True),
        ("librispeech_deepspeech", "v0.6", True),
    ],
)
def test_rule_sets_decide_whose_statistics_batch_norm_takes(name, rules, is_global):
    workload = workloads.get(name)
    ruled = workload.under(workload, RULE_SETS[rules].conditions)
    assert ruled.collective_forward == is_global


@pytest.mark.parametrize(("rules", "places"), [("v0.5", 1 + 2 * 3), ("v0.6", 1 + 2 * 6)])
def test_rule_sets_decide_where_a_conformer_has_dropout(rules, places):
    workload = workloads.get("librispeech_conformer")
    ruled = workload.under(workload, RULE_SETS[rules].conditions)
    batch = jax.tree.map(lambda x: x[0], ruled.example_batch(BatchShare.whole(1)))
    params, state = jax.eval_shape(ruled.init, KEY)

    def forward(params, state, rate, key):
        outputs, _ = ruled.apply(
            params, state, batch, rng=key, train=True, dropout_rate=rate, batch_norm="running"
        )
        return outputs.logits

    jaxpr = jax.make_jaxpr(forward)(params, state, jnp.float32(0.1), KEY).jaxpr
    spec_augment = 4
    assert primitives(jaxpr)["random_bits"] == places + spec_augment


def test_functions_put_in_place_of_the_workload_s_own_stay():
    workload = workloads.get("librispeech_deepspeech")
    changed = dataclasses.replace(workload, apply=print, compute_metrics=repr)
    ruled = changed.under(changed, RULE_SETS["v0.6"].conditions)
    assert (ruled.apply, ruled.compute_metrics) == (print, repr)


def test_word_error_rate_counts_the_padding_of_the_rule_set_s_hardware():
    workload = workloads.get("librispeech_conformer", "full")
    ruled = workload.under(workload, RULE_SETS["v0.5"].conditions)
    assert ruled.compute_metrics.keywords == {"padding_group": (256, 8)}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """What `scripts/prepare_data.py` makes of a small upstream tree."""
    folder = tmp_path_factory.mktemp("data")
    write_tree(folder / "raw")
    prepare(folder, folder / "raw", corpus=CORPUS, report=lambda line: None)
    return folder


# The shapes of the benchmark's batches, but for the length of audio.
SHAPES = Shapes(samples=4_401, evaluation_frames=(10, 18))
SIZES = FULL_SIZES._replace(
    corpus=CORPUS, shapes=SHAPES, batch_size=4, eval_batch_size=16, eval_train_examples=16
)
NARROW = {"features": 16, "subsampling_channels": 4}
FEW = {
    "librispeech_conformer": {"num_heads": 2, "num_blocks": 1},
    "librispeech_deepspeech": {"num_recurrent_layers": 1, "num_feed_forward_layers": 1},
}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        # Mini trials and the tests of the prepared files look at the parts.
        *(pytest.param(name, NARROW | FEW[name], marks=pytest.mark.slow) for name in BASES),
        *(pytest.param(name, {}, marks=pytest.mark.slow) for name in BASES),
    ],
    ids=["narrow conformer", "narrow deepspeech", "conformer", "deepspeech"],
)
def test_model_trains_on_prepared_data(data_dir, name, changes):
    config = CONFIGS[name]._replace(pieces=CORPUS.pieces, **changes)
    workload = dataclasses.replace(
        with_model(name, "full", config, SIZES), target=Target("wer", "min", -1.0, -1.0)
    )
    settings = Settings(data_dir=data_dir, max_steps=1, replicas=2)
    result = train(workload, get("nadamw"), settings)
    assert result.outcome.status == "training complete", result.traceback
    (row,) = result.ledger.evaluations
    assert {name.split("/")[1] for name in row if name.startswith("train/")} == METRICS
    # These utterances are too short to be aligned, at a cost of 1e5 each.
    assert 1e5 / 50 < row["validation/loss"] < 1e5
    assert 0 < row["validation/wer"] < row["validation/wer_plain"]


@pytest.mark.parametrize("name", BASES)
def test_mini_is_the_full_model_with_fewer_and_narrower_layers(name):
    mini, _ = jax.eval_shape(workloads.get(name, "mini").init, KEY)
    full, _ = jax.eval_shape(workloads.get(name, "full").init, KEY)
    assert mini.keys() < full.keys()
    for layer in mini:
        assert jax.tree.structure(mini[layer]) == jax.tree.structure(full[layer])
