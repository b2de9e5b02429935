"""Mean average precision, and the metrics collection over replicas and batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from workloads.ogbg.metrics import (
    OgbgMetrics,
    OgbgSubsetMetrics,
    average_precision_per_task,
    evaluate,
    mean_average_precision,
)


def _golden_scores(golden):
    record = golden.load("metrics")["mean_average_precision"]
    labels = np.array(record["labels_nan_as_null"], np.float32)
    labels[record["padding_rows"]] = np.nan
    return record, np.array(record["logits"], np.float32), labels, ~np.isnan(labels)


def _small_example():
    """12 rows and 5 tasks by formula; the values are the reference implementation's (v0.6)."""
    row, task = np.arange(12)[:, None], np.arange(5)
    logits = (((7 * row + 11 * task) % 13 - 6) / 3).astype(np.float32)
    weights = ((row + 2 * task) % 4 != 0).astype(np.float32)
    labels = ((3 * row + 2 * task**2) % 5 == 0) * weights
    labels[:, 3], labels[:, 4] = 0, weights[:, 4]
    return logits, labels, weights


def _random_scores(rows, tasks, seed=0, share_positive=0.05):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3, 2, (rows, tasks)).astype(np.float32)
    labels = (rng.random((rows, tasks)) < share_positive).astype(np.float32)
    weights = (rng.random((rows, tasks)) < 0.7).astype(np.float32)
    return logits, labels, weights


def _batch(labels, weights, in_subset=None):
    in_subset = np.ones(len(labels), bool) if in_subset is None else in_subset
    return {"labels": labels, "weights": weights, "in_reference_subset": in_subset}


def test_mean_average_precision_matches_the_reference(golden):
    record, *scores = _golden_scores(golden)
    expected = record["mean_average_precision"]
    np.testing.assert_allclose(mean_average_precision(*scores), expected, rtol=1e-7)


def test_average_precision_of_each_task_matches_the_reference(golden):
    record, *scores = _golden_scores(golden)
    expected = np.array(record["per_task_average_precision"], np.float64)
    np.testing.assert_allclose(average_precision_per_task(*scores), expected, rtol=1e-7)


def test_small_example():
    logits, labels, weights = _small_example()
    per_task = average_precision_per_task(logits, labels, weights)
    np.testing.assert_allclose(per_task, [0.26785714, 0.39285714, 0.25, np.nan, 1], atol=1e-8)
    computed = evaluate(logits, _batch(labels, weights)).compute()
    assert computed == pytest.approx(
        {"accuracy": 0.48888889, "loss": 0.88159764, "mean_average_precision": 0.4776785714},
        rel=1e-6,
    )


def test_average_precision_agrees_with_scikit_learn_with_ties_and_missing_labels():
    logits, labels, weights = _random_scores(500, 20)
    logits = np.round(logits)  # many ties
    expected = [
        average_precision_score(y[w != 0], 1 / (1 + np.exp(-x[w != 0].astype(np.float64))))
        for x, y, w in zip(logits.T, labels.T, weights.T, strict=True)
    ]
    actual = average_precision_per_task(logits, labels, weights)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_logits_whose_sigmoids_round_to_one_float_tie():
    logits = np.array([[40.0], [30.0], [-1.0]], np.float32)
    labels = np.array([[0], [1], [0]])
    assert mean_average_precision(logits, labels, np.ones((3, 1))) == 0.5


def test_task_with_only_positive_labels_counts_as_soon_as_one_label_is_missing():
    logits, labels = np.zeros((3, 1), np.float32), np.ones((3, 1))
    assert np.isnan(mean_average_precision(logits, labels, np.ones((3, 1))))
    assert mean_average_precision(logits, labels, np.array([[1], [1], [0]])) == 1


def test_no_task_in_use_gives_nan():
    assert np.isnan(mean_average_precision(*_random_scores(10, 3, share_positive=0)))


def test_nan_logits_give_nan_only_where_labelled():
    logits, labels, weights = _random_scores(200, 3)
    expected = mean_average_precision(logits, labels, weights)
    unlabelled = np.where(weights == 0, np.nan, logits)
    assert mean_average_precision(unlabelled, labels, weights) == expected
    logits[np.argwhere(weights != 0)[0][0]] = np.nan
    assert np.isnan(mean_average_precision(logits, labels, weights))


def test_evaluation_of_a_batch_matches_the_reference(case_for_logits):
    case = case_for_logits
    computed = jax.jit(evaluate)(case.logits, case.batch).compute()
    assert computed == pytest.approx(case.expected["eval"]["eval_metrics"], rel=1e-5)


def test_batches_merge_to_the_result_of_one_batch(golden):
    record, logits, labels, weights = _golden_scores(golden)
    labels = np.nan_to_num(labels)
    total = OgbgMetrics.empty()
    for rows in (slice(0, 10), slice(10, 24)):
        batch = _batch(labels[rows], weights[rows].astype(np.float32))
        total = total.merge(jax.jit(evaluate)(logits[rows], batch))
    computed = total.compute()
    expected = record["mean_average_precision_two_batches_merged"]
    assert computed["mean_average_precision"] == pytest.approx(expected, rel=1e-7)
    assert computed["accuracy"] == pytest.approx(record["accuracy_metric"], rel=1e-6)


@pytest.mark.parametrize("mapped", [jax.vmap, jax.pmap])
@pytest.mark.parametrize("collection", [OgbgMetrics, OgbgSubsetMetrics])
def test_stacked_replicas_reduce_and_merge_to_the_result_of_one_batch(mapped, collection):
    replicas = jax.local_device_count() if mapped is jax.pmap else 4
    batches, rows = 3, 5
    logits, labels, weights = _random_scores(batches * replicas * rows, 6, share_positive=0.3)
    in_subset = np.arange(len(logits)) % 3 != 0

    def run(logits, batch):
        return evaluate(logits, batch, collection=collection)

    expected = run(logits, _batch(labels, weights, in_subset)).compute()
    shards = jax.tree.map(
        lambda x: x.reshape(batches, replicas, rows, *x.shape[1:]),
        (logits, _batch(labels, weights, in_subset)),
    )
    total = collection.empty()
    for number in range(batches):
        stacked = mapped(run)(*jax.tree.map(lambda x, n=number: x[n], shards))
        total = total.merge(jax.device_get(stacked).reduce())
    assert total.compute() == pytest.approx(expected, rel=1e-6)


def test_plain_names_mean_the_reference_subset_and_whole_split_names_everything():
    logits, labels, weights = _random_scores(300, 5, share_positive=0.2)
    in_subset = np.arange(300) < 180
    subset = _batch(labels[in_subset], weights[in_subset])
    expected = evaluate(logits[in_subset], subset).compute()
    whole = evaluate(logits, _batch(labels, weights)).compute()
    expected |= {f"{name}_whole_split": value for name, value in whole.items()}
    assert expected["mean_average_precision"] != expected["mean_average_precision_whole_split"]
    batch = _batch(labels, weights, in_subset)
    computed = evaluate(logits, batch, collection=OgbgSubsetMetrics).compute()
    assert computed == pytest.approx(expected, rel=1e-6)


def test_padding_rows_change_nothing():
    logits, labels, weights = _random_scores(50, 5, share_positive=0.3)
    padded_logits = np.concatenate([logits, np.full((9, 5), 3, np.float32)])
    labels_and_weights = [np.concatenate([x, np.zeros((9, 5))]) for x in (labels, weights)]
    padded = evaluate(padded_logits, _batch(*labels_and_weights)).compute()
    assert padded == pytest.approx(evaluate(logits, _batch(labels, weights)).compute(), rel=1e-6)


def test_results_are_plain_floats():
    logits, labels, weights = _random_scores(50, 5)
    computed = evaluate(logits, _batch(labels, weights)).compute()
    assert all(type(value) is float for value in computed.values())


def test_split_without_labels_gives_nan():
    scores = jnp.zeros((4, 3))
    for collection in (evaluate(scores, _batch(scores, scores)), OgbgMetrics.empty()):
        assert all(np.isnan(value) for value in collection.compute().values())
