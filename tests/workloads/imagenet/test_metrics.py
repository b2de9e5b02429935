"""The metrics collection over replicas and batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from workloads.imagenet.metrics import ImagenetMetrics, evaluate

_evaluate = jax.jit(evaluate)


def _random_split(examples, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (examples, classes)).astype(np.float32)
    return logits, {
        "targets": rng.integers(0, classes, examples, np.int32),
        "weights": (rng.random(examples) < 0.8).astype(np.float32),
    }


def _expected(logits, batch):
    """Accuracy and loss of the examples with weight 1, in float64."""
    real = batch["weights"] == 1
    x, y = logits[real].astype(np.float64), batch["targets"][real]
    log_shares = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return {
        "accuracy": (x.argmax(axis=1) == y).mean(),
        "loss": -log_shares[np.arange(len(y)), y].mean(),
    }


def _rows(batch, rows):
    return {name: x[rows] for name, x in batch.items()}


def test_evaluation_of_a_batch_matches_the_reference(case_for_logits):
    computed = _evaluate(case_for_logits.logits, case_for_logits.batch).compute()
    sums = case_for_logits.expected["eval_metrics"]
    examples = case_for_logits.batch["weights"].sum()
    assert computed == pytest.approx({name: x / examples for name, x in sums.items()}, rel=1e-5)


def test_values_are_means_over_the_examples():
    logits, batch = _random_split(500)
    assert _evaluate(logits, batch).compute() == pytest.approx(_expected(logits, batch), rel=1e-6)


def test_among_equal_logits_the_first_class_is_predicted():
    logits = np.array([[0.0, 3.0, 3.0], [3.0, 3.0, 0.0], [1.0, 1.0, 1.0]], np.float32)
    hits = _evaluate(logits, {"targets": np.array([1, 0, 0])}).compute()
    misses = _evaluate(logits, {"targets": np.array([2, 1, 2])}).compute()
    assert (hits["accuracy"], misses["accuracy"]) == (1, 0)


def test_batches_of_different_fill_merge_to_the_mean_over_examples():
    logits, batch = _random_split(60)
    batch["weights"][:] = 1
    batch["weights"][43:] = 0  # the last of three batches is nearly empty
    total = ImagenetMetrics.empty()
    for start in range(0, 60, 20):
        rows = slice(start, start + 20)
        total = total.merge(_evaluate(logits[rows], _rows(batch, rows)))
    assert total.compute() == pytest.approx(_expected(logits, batch), rel=1e-6)


def test_no_example_of_fifty_thousand_is_lost():
    correct = 49_999
    logits = jnp.eye(2)[jnp.zeros(1000, jnp.int32)]
    hit = _evaluate(logits, {"targets": np.zeros(1000, np.int32)})
    missed_one = _evaluate(logits, {"targets": np.eye(1, 1000, dtype=np.int32)[0]})
    total = ImagenetMetrics.empty()
    for collection in [hit] * 49 + [missed_one]:
        total = total.merge(collection)
    assert total.compute()["accuracy"] == np.float32(correct) / np.float32(50_000)


@pytest.mark.parametrize("mapped", [jax.vmap, jax.pmap])
def test_stacked_replicas_reduce_to_the_result_of_one_batch(mapped):
    replicas = jax.local_device_count() if mapped is jax.pmap else 4
    logits, batch = _random_split(replicas * 6)
    shards = jax.tree.map(lambda x: x.reshape(replicas, -1, *x.shape[1:]), (logits, batch))
    stacked = mapped(evaluate)(*shards)
    computed = jax.device_get(stacked).reduce().compute()
    assert computed == pytest.approx(_expected(logits, batch), rel=1e-6)


def test_padding_rows_change_nothing():
    logits, batch = _random_split(50)
    padded = {name: np.concatenate([x, np.zeros(9, x.dtype)]) for name, x in batch.items()}
    padded_logits = np.concatenate([logits, np.eye(9, 10, dtype=np.float32)])
    computed = _evaluate(padded_logits, padded).compute()
    assert computed == pytest.approx(_evaluate(logits, batch).compute(), rel=1e-6)


def test_without_weights_every_example_counts():
    logits, batch = _random_split(50)
    everything = batch | {"weights": np.ones(50, np.float32)}
    computed = _evaluate(logits, {"targets": batch["targets"]}).compute()
    assert computed == _evaluate(logits, everything).compute()


def test_results_are_plain_floats():
    assert all(type(x) is float for x in _evaluate(*_random_split(5)).compute().values())


def test_split_without_examples_gives_nan():
    assert all(np.isnan(value) for value in ImagenetMetrics.empty().compute().values())
