"""Masked means and collected rows, over batches and replicas."""

import flax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import CollectedRows, floats, masked_mean


@flax.struct.dataclass
class Means(clu_metrics.Collection):
    score: masked_mean("score", "counts")


def means(scores, counts):
    return Means.single_from_model_output(score=jnp.float32(scores), counts=jnp.array(counts))


def test_mean_is_over_the_entries_of_all_batches_that_count():
    merged = means([1, 2, 100], [1, 1, 0]).merge(means([6, 100, 100], [1, 0, 0]))
    assert float(merged.compute()["score"]) == 3.0


def rows(values):
    return CollectedRows(values={"a": (jnp.array(values),)})


def test_rows_of_replicas_and_batches_are_joined_in_order():
    replicas = rows([[[1, 1], [2, 2]], [[3, 3], [4, 4]]]).reduce()
    merged = replicas.merge(rows([[5, 5]]))
    np.testing.assert_array_equal(merged.rows()["a"][:, 0], [1, 2, 3, 4, 5])


def test_nothing_collected_has_no_rows():
    assert CollectedRows.empty().rows() == {}


def test_nested_results_become_flat_floats():
    assert floats({"loss": jnp.float32(1), "scores": {"bleu": 2}}) == {"loss": 1.0, "bleu": 2.0}
