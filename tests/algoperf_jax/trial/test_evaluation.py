"""Evaluation counts every example once, however batches and replicas divide a split."""

import dataclasses

import clu.metrics
import flax
import jax
import numpy as np
import pytest
from toy_runs import run
from toy_workload import ToyMetrics, apply, examples, toy

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Target
from algoperf_jax.trial.evaluation import Evaluator, check_metrics
from algoperf_jax.trial.replicas import Replicas


@pytest.fixture(scope="module")
def model():
    return toy().init(jax.random.PRNGKey(3))


def evaluated(model, devices, replicas, **changes):
    layout = Replicas(replicas, tuple(jax.devices()[:devices]))
    workload = toy(eval_batch_size=40, **changes)
    return Evaluator(workload, layout, "the opened data")(*layout.put_state(model))


def mean_loss(model, split):
    """The loss of a split in float64 NumPy, all examples at once."""
    x, y = examples(split)
    batch = {"x": x}
    outputs, _ = apply(*model, batch, rng=None, train=False, dropout_rate=0.0, batch_norm="running")
    return np.mean((np.asarray(outputs, np.float64) - y) ** 2)


# 96 examples in batches of 40: the last batch is mostly padding.
@pytest.mark.parametrize(("devices", "replicas"), [(1, 1), (1, 8), (2, 4), (8, 8)])
def test_padding_and_replicas_do_not_change_the_mean(model, devices, replicas):
    values = evaluated(model, devices, replicas)
    for split in ("train", "validation", "test"):
        assert values[f"{split}/loss"] == pytest.approx(mean_loss(model, split), rel=1e-5)


def test_sums_of_many_batches_keep_the_digits_of_one(model):
    def dataset(split, data, share, *, seed):
        for summed in (2.0**24, 1.0, 1.0):  # as a float32 the sum stays 2**24
            y = np.zeros((1, share.batch_size), np.float32)
            y[0, 0] = summed
            yield {"y": y}

    def evaluate(params, model_state, batch):
        return ToyMetrics.single_from_model_output(loss=batch["y"], score=batch["y"])

    values = evaluated(model, 1, 1, dataset=dataset, eval=evaluate)
    assert values["validation/loss"] == (2**24 + 2) / 120


def test_names_are_those_of_the_records(model):
    assert sorted(evaluated(model, 1, 1)) == [
        "test/loss",
        "test/num_examples",
        "test/score",
        "train/loss",
        "train/score",
        "validation/loss",
        "validation/num_examples",
        "validation/score",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"validation/loss": 0.0}, "expected 'validation/score', found validation/loss"),
        ({"validation/score": 0.0, "test/score": 0.0}, "expected 'validation/loss', found"),
    ],
)
def test_target_s_metric_and_the_loss_have_to_be_computed(values, message):
    with pytest.raises(UserError, match=message):
        check_metrics(toy(), values)


def test_workload_without_a_loss_fails_its_trial_with_what_is_missing():
    @flax.struct.dataclass
    class Score(clu.metrics.Collection):
        score: clu.metrics.Average.from_output("score")

    def evaluate(params, model_state, batch):
        return Score.single_from_model_output(score=batch["weights"], mask=batch["weights"])

    reason = run(toy(eval=evaluate), max_steps=1).outcome.reason
    assert "toy: metrics that eval computes: expected 'validation/loss'" in reason


def test_metrics_on_the_host_are_given_the_merged_collection_and_the_data(model):
    seen = []

    def compute_metrics(merged, data):
        seen.append(data)
        return {**merged.compute(), "bleu": 12}

    values = evaluated(model, 1, 1, compute_metrics=compute_metrics)
    assert seen == ["the opened data"] * 3
    assert values["validation/bleu"] == 12.0
    assert values["validation/loss"] == pytest.approx(mean_loss(model, "validation"), rel=1e-5)


def test_a_workload_without_a_test_split_meets_its_test_target():
    base = toy(target=Target("score", "max", validation=-100.0, test=1.0))
    workload = dataclasses.replace(base, num_examples={**base.num_examples, "test": 0})
    result = run(workload, max_steps=3, eval_every_steps=1, stop_at="both")
    assert (result.outcome.status, result.ledger.step) == ("reached", 1)
    assert not [name for name in result.ledger.evaluations[0] if name.startswith("test/")]
