"""Evaluation: the same whatever room its programs take, and from ids to BLEU as published."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from workloads.wmt import workload
from workloads.wmt.beam_search import Stage
from workloads.wmt.config import Config
from workloads.wmt.evaluation import (
    WmtMetrics,
    compute_metrics,
    evaluate,
    search_stages,
    until_end,
)
from workloads.wmt.model import Transformer
from workloads.wmt.translation import translations

LENGTH = 16
NETWORK = Transformer(
    Config(vocabulary_size=30, features=16, num_heads=2, mlp_dim=16, num_layers=1, length=LENGTH)
)
KEY = jax.random.key(0, impl="rbg")


def _batch(lengths, seed=0):
    """Rows with sources of these lengths and targets that are a token shorter; 0: padding."""
    rng = np.random.default_rng(seed)
    batch = {name: np.zeros((len(lengths), LENGTH), np.int32) for name in ("inputs", "targets")}
    for row, length in enumerate(lengths):
        for name, n in (("inputs", length), ("targets", length - 1)):
            if length:
                batch[name][row, :n] = [*rng.integers(3, 30, n - 1), 2]
    return {**batch, "weights": (batch["targets"] > 0).astype(np.float32)}


@functools.cache
def _params():
    def init(key):
        return NETWORK.init(key, _batch([3]), train=False, dropout_rate=0.0)["params"]

    # Larger than they begin with, so that translations differ and some of them end.
    return jax.tree.map(lambda x: 3 * x, jax.jit(init)(KEY))


@jax.jit
def _evaluate(params, batch):
    return evaluate(NETWORK, params, batch, short=8)


@jax.jit
def _in_one_stage(params, inputs):
    found = translations(NETWORK, params, inputs, [Stage(len(inputs), LENGTH)])
    return found.tokens[:, -1, 1:]


# The first batch is short, the second one is not and has rows of padding.
@pytest.mark.parametrize("lengths", [[3, 8, 5, 7, 2, 4], [3, 9, 16, 5, 0, 0]])
def test_room_does_not_change_translations(lengths):
    batch = _batch(lengths)
    metrics = _evaluate(_params(), batch)
    real = batch["targets"].any(axis=1)
    hypotheses = np.asarray(metrics.sentences.values["hypotheses"][0])[real]
    np.testing.assert_array_equal(hypotheses, _in_one_stage(_params(), batch["inputs"])[real])
    assert len(np.unique(hypotheses, axis=0)) > 1


@pytest.mark.parametrize("lengths", [[3, 8, 5, 7, 2, 4], [3, 9, 16, 5, 0, 0]])
def test_loss_and_accuracy_are_over_target_tokens(lengths):
    batch = _batch(lengths)
    metrics = _evaluate(_params(), batch)
    outputs = NETWORK.apply({"params": _params()}, batch, train=False, dropout_rate=0.0)
    log_probs = np.asarray(jax.nn.log_softmax(outputs.logits()), np.float64)
    losses, right = [], []
    for row, column in zip(*np.nonzero(batch["targets"]), strict=True):
        token = batch["targets"][row, column]
        losses.append(-log_probs[row, column, token])
        right.append(log_probs[row, column].argmax() == token)
    np.testing.assert_allclose(metrics.loss.compute(), np.mean(losses), rtol=1e-5)
    np.testing.assert_allclose(metrics.accuracy.compute(), np.mean(right), rtol=1e-6)


def test_cached_steps_predict_what_the_whole_model_predicts():
    # One beam that is led along the target: its logits are those of teacher forcing.
    batch = _batch([6, 9])
    expected = NETWORK.apply({"params": _params()}, batch, train=False, dropout_rate=0.0).logits()
    targets = jnp.asarray(batch["targets"])

    class Led(Transformer):
        def step(self, tokens, pasts, position, mask, sources, inputs):
            logits, pasts = super().step(tokens, pasts, position, mask, sources, inputs)
            jax.debug.callback(
                lambda *step: seen.append(jax.tree.map(np.asarray, step)), position, logits
            )
            led = jax.nn.one_hot(targets[:, position], logits.shape[-1]) * 1e4
            return led[:, None], pasts

    seen = []
    stages = [Stage(2, LENGTH)]
    inputs = jnp.asarray(batch["inputs"])
    jax.jit(lambda p: translations(Led(NETWORK.config), p, inputs, stages, beams=1))(_params())
    jax.effects_barrier()
    seen.sort(key=lambda step: step[0])
    assert [position for position, _ in seen[:5]] == [0, 1, 2, 3, 4]
    for position, logits in seen[:5]:
        np.testing.assert_allclose(logits[:, 0], expected[:, position], rtol=1e-4, atol=1e-4)


def test_stages_double_their_length_and_end_with_a_quarter_of_the_sentences():
    assert search_stages(16, 64, 256) == [(16, 64), (16, 128), (16, 256), (4, 256)]
    assert search_stages(3, 256, 256) == [(3, 256)]
    assert search_stages(8, 48, 64) == [(8, 48), (8, 64), (2, 64)]


def test_sentences_are_cut_at_their_first_end():
    rows = np.array([[5, 6, 2, 7, 2], [2, 5, 5, 5, 5], [5, 6, 7, 8, 9]])
    # Without any end the reference keeps one token.
    assert [row.tolist() for row in until_end(rows)] == [[5, 6, 2], [2], [5]]


def test_metrics_come_from_text_of_all_merged_batches(tmp_path):
    mini = workloads.get("wmt")
    data = mini.open_data(None, tmp_path)
    texts = ["The device is already configured.", "Please enter your password again now."]
    wrong = ["The device is already configured.", "Please enter your username again now."]

    def part(reference, hypothesis):
        rows = [np.zeros((2, 63), np.int32) for _ in range(2)]  # the second row is padding
        for array, text in zip(rows, (reference, hypothesis), strict=True):
            ids = data.vocabulary.encode([text])[0]
            array[0, : len(ids)] = ids
        return WmtMetrics.single_from_model_output(
            loss=jnp.ones((2, 3)),
            is_correct=jnp.ones((2, 3)),
            weights=jnp.array([[1.0, 1, 0], [0, 0, 0]]),
            references=rows[0],
            hypotheses=rows[1],
        )

    def of(pairs):
        parts = [jax.tree.map(np.asarray, part(*pair)) for pair in pairs]
        return compute_metrics(functools.reduce(lambda a, b: a.merge(b), parts), data)

    perfect = of(zip(texts, texts, strict=True))
    assert perfect["bleu"] == pytest.approx(100) and perfect["loss"] == 1
    metrics = of(zip(texts, wrong, strict=True))
    # 13a: 6 and 7 tokens, all but one right; n-grams with the wrong one: 1, 2, 3 and 4.
    precisions = [12 / 13, 9 / 11, 6 / 9, 3 / 7]
    assert metrics["bleu"] == pytest.approx(100 * np.prod(precisions) ** 0.25)
    assert metrics["bleu_sacrebleu"] == pytest.approx(metrics["bleu"])


@pytest.mark.parametrize("fill", [pytest.param("fill_A", marks=pytest.mark.slow), "fill_B"])
def test_full_model_translates_like_the_reference(golden, fill):
    network = Transformer(workloads.wmt.CONFIGS["wmt"])
    shapes, _ = jax.eval_shape(workload("wmt", "full").init, KEY)
    expected = golden.load("wmt")[fill]["beam_decode"]
    assert expected["stable_under_jitter"]
    inputs = golden.arrays("inputs_wmt")["inputs"]
    stages = [Stage(len(inputs), expected["max_decode_len"])]
    found = jax.jit(lambda params: translations(network, params, inputs, stages).tokens[:, -1, 1:])(
        golden.fill_tree(shapes, fill)
    )
    np.testing.assert_array_equal(found, expected["tokens"])
