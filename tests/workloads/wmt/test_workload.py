"""The workload as a whole: its facts, the full-scale path, scale mini."""

import dataclasses

import jax
import pytest
from wmt_files import EXAMPLES, SIZE, write_archives

import workloads
from algoperf_jax.rules import Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossType
from reference_algorithms import get
from workloads.wmt import CONFIGS, SIZES, with_model
from workloads.wmt.dataset import open_data
from workloads.wmt.prepare import prepare

METRICS = {"accuracy", "loss", "bleu", "bleu_sacrebleu"}
KEY = jax.random.key(0, impl="rbg")


def test_full_scale_has_the_benchmark_s_facts():
    workload = workloads.get("wmt", "full")
    assert workload.target == Target("bleu", "max", 30.8491, 30.7219)
    assert workload.limits["v0.5"].runtime_seconds == 48_151
    assert workload.limits["v0.6"].step_hint == 120_000
    assert (workload.batch_size, workload.eval_batch_size) == (128, 128)
    assert workload.num_examples == {
        "train": 5_906_184,
        "eval_train": 3_072,
        "validation": 3_000,
        "test": 3_003,
    }
    assert workload.loss_type == LossType.SOFTMAX_CROSS_ENTROPY
    assert workload.default_dropout_rate == 0.1


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """What `scripts/prepare_data.py` makes of a small upstream download."""
    folder = tmp_path_factory.mktemp("data")
    raw = write_archives(folder / "raw")
    prepare(folder, raw, examples=EXAMPLES, vocabulary_size=SIZE, report=lambda line: None)
    return folder


# Text for 32,000 pieces would be too much; so the model has as many as there is text for.
SMALL = CONFIGS["wmt"]._replace(
    vocabulary_size=SIZE, features=32, num_heads=2, mlp_dim=32, num_layers=1
)
FULL = CONFIGS["wmt"]._replace(vocabulary_size=SIZE)


@pytest.mark.parametrize(
    ("config", "length", "rooms"),
    # Mini trials and the tests of the prepared files look at the parts.
    [
        pytest.param(SMALL, 256, 2, marks=pytest.mark.slow),
        pytest.param(FULL, 64, 4, marks=pytest.mark.slow),
    ],
    ids=["narrow", "full"],
)
def test_model_trains_on_prepared_data(data_dir, config, length, rooms):
    text = SIZES["full"].text.__class__(length, SIZE, eval_train_examples=16)
    sizes = SIZES["full"]._replace(
        text=text, short=length // rooms, examples={**EXAMPLES, "eval_train": 16}
    )
    workload = dataclasses.replace(
        with_model("wmt", "full", config._replace(length=length), sizes),
        open_data=lambda data_dir, cache_dir: open_data(
            data_dir, cache_dir, text=text, examples=EXAMPLES
        ),
        eval_batch_size=16,
        target=Target("bleu", "max", 101.0, 101.0),
    )
    settings = Settings(data_dir=data_dir, max_steps=1, batch_size=4, replicas=2)
    result = train(workload, get("nadamw"), settings)
    assert result.outcome.status == "training complete", result.traceback
    (row,) = result.ledger.evaluations
    assert {name.split("/")[1] for name in row if name.startswith("train/")} == METRICS
    assert 5 < row["validation/loss"] < 30
    assert 0 <= row["validation/bleu"] < 50


def test_mini_is_the_full_model_with_fewer_and_narrower_layers():
    mini, _ = jax.eval_shape(workloads.get("wmt", "mini").init, KEY)
    full, _ = jax.eval_shape(workloads.get("wmt", "full").init, KEY)
    assert mini.keys() == full.keys()
    for part in ("encoder", "decoder"):
        assert mini[part].keys() < full[part].keys()
        shared = mini[part].keys()
        assert all(
            jax.tree.structure(mini[part][layer]) == jax.tree.structure(full[part][layer])
            for layer in shared
        )
