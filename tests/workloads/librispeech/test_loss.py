"""The loss terms of utterances: weights, counts, and what does not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech.ctc import ctc_loss
from workloads.librispeech.loss import Outputs, loss

RNG = np.random.default_rng(0)
LOSS = jax.jit(loss)
OUTPUTS = Outputs(
    jnp.asarray(RNG.normal(size=(3, 12, 6)), jnp.float32), jnp.array([12, 9, 10], jnp.int32)
)
BATCH = {
    "labels": jnp.asarray(RNG.integers(1, 6, (3, 4)), jnp.int32),
    "label_lengths": jnp.array([4, 2, 3], jnp.int32),
}


def test_terms_match_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["ctc"]
    logits = 2.5 * golden.texture((5, 14, 9)) + 0.6 * (np.arange(9) == 0)
    lengths = (1 - np.array(record["logit_paddings"])).sum(axis=1).astype(np.int32)
    label_lengths = (1 - np.array(record["label_paddings"])).sum(axis=1).astype(np.int32)
    batch = {"labels": np.array(record["labels"], np.int32), "label_lengths": label_lengths}
    terms = LOSS(Outputs(jnp.float32(logits), lengths), batch)
    np.testing.assert_allclose(terms.per_example, record["per_example_loss"], rtol=1e-6)
    np.testing.assert_allclose(terms.summed, record["summed"], rtol=1e-6)
    assert float(terms.n_valid) == record["n_valid_examples"]


def test_mean_is_per_word_piece():
    terms = LOSS(OUTPUTS, BATCH)
    single = jax.jit(ctc_loss)(*OUTPUTS, BATCH["labels"], BATCH["label_lengths"])
    np.testing.assert_allclose(terms.per_example, single, rtol=1e-6)
    np.testing.assert_allclose(terms.summed, single.sum(), rtol=1e-6)
    assert float(terms.n_valid) == 9


def test_utterances_that_do_not_count_may_be_anything():
    weights = jnp.array([1.0, 0.0, 1.0])
    outputs = OUTPUTS._replace(logits=OUTPUTS.logits.at[1].set(jnp.nan))
    terms = LOSS(outputs, {**BATCH, "weights": weights})
    expected = LOSS(OUTPUTS, BATCH).per_example
    np.testing.assert_allclose(terms.per_example, weights * expected, rtol=1e-6)
    assert float(terms.n_valid) == 7
    batch = {**BATCH, "weights": weights}
    summed = jax.jit(jax.grad(lambda logits: loss(outputs._replace(logits=logits), batch).summed))
    found = summed(outputs.logits)
    assert np.isfinite(found).all() and not found[1].any() and found[0].any()


def test_nothing_that_counts_gives_zeros():
    terms = LOSS(OUTPUTS, {**BATCH, "weights": jnp.zeros(3)})
    assert (float(terms.summed), float(terms.n_valid)) == (0, 0)


def test_label_smoothing_is_ignored():
    smoothed = LOSS(OUTPUTS, BATCH, label_smoothing=0.3)
    np.testing.assert_array_equal(smoothed.per_example, LOSS(OUTPUTS, BATCH).per_example)


def test_weights_that_are_not_of_utterances_are_refused():
    with pytest.raises(ValueError, match=r"got \(3, 4\) and \(3,\)"):
        loss(OUTPUTS, {**BATCH, "weights": jnp.ones((3, 4))})
