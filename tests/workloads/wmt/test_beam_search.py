"""The search against the reference's results, and that nothing that makes it fast changes them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import PERIOD, GoldenSet, assert_array_record, by_name

from workloads.wmt import beam_search as search
from workloads.wmt.beam_search import Stage, beam_search, extended, started
from workloads.wmt.config import Config
from workloads.wmt.model import Transformer
from workloads.wmt.translation import translations

STAGES = {
    "one": lambda n, length: [Stage(n, length)],
    "longer and fewer": lambda n, length: [Stage(n, 4), Stage(n, length), Stage(1, length)],
}


@functools.cache
def _table(golden: GoldenSet):
    """The logits of the golden table model, `[token, next token]`."""
    vocabulary = golden.load("metrics")["beam_search"]["table_model"]["vocab"]
    k = (np.arange(vocabulary**2) % PERIOD) ** 2 % PERIOD
    table = 2 * golden.wave(0.7 * k + golden.phi)
    return jnp.asarray(table.reshape(vocabulary, vocabulary), jnp.float32)


def _table_model(golden, eos_bias, beams):
    """The golden table model: `next_logits`, its sources and its memory.

    Its state s is a number that every beam has and that depends on all tokens before. The memory
    has that of every position.
    """
    table = _table(golden)

    def next_logits(state, sources, memory):
        before = jnp.maximum(state.position - 1, 0)
        own = jnp.take_along_axis(memory[:, before], state.descent[:, :, before], axis=1)
        s = jnp.where(state.position > 0, own, sources[:, None])
        s = 0.5 * s + 0.21 * state.newest
        waves = jnp.cos(s[..., None] * jnp.arange(len(table)) + state.position)
        logits = (table[state.newest] + waves).at[..., search.END].add(eos_bias)
        return logits, memory.at[:, state.position].set(s)

    def memory(stage):
        return jnp.zeros((stage.sentences, stage.length, beams))

    return next_logits, 0.37 * jnp.arange(3.0), memory


@pytest.mark.parametrize(
    ("number", "stages"),
    [
        *((number, "one") for number in range(9)),
        *((number, "longer and fewer") for number in (2, 5)),
    ],
)
def test_table_model_is_decoded_like_the_reference(golden, number, stages):
    case = golden.load("metrics")["beam_search"]["table_model"]["cases"][number]
    beams, length = case["beam_size"], case["max_decode_len"]
    next_logits, sources, memory = _table_model(golden, case["eos_bias"], beams)
    found = jax.jit(
        lambda real: beam_search(
            next_logits,
            sources,
            memory,
            real,
            STAGES[stages](3, length),
            beams=beams,
            length_penalty=case["alpha"],
        )
    )(jnp.ones(3, bool))
    np.testing.assert_array_equal(found.tokens, case["sequences"])
    np.testing.assert_allclose(found.scores, case["scores"], rtol=1e-5)


@functools.cache
def _tiny(golden):
    """The golden tiny transformer: its record, network and parameters' shapes."""
    record = golden.load("metrics")["beam_search"]["tiny_transformer"]
    config = record["config"]
    network = Transformer(
        Config(
            vocabulary_size=config["vocab_size"],
            features=config["emb_dim"],
            num_heads=config["num_heads"],
            mlp_dim=config["mlp_dim"],
            num_layers=config["num_layers"],
            length=config["max_len"],
        )
    )
    batch = {name: np.array(record[name]) for name in ("sources", "targets")}
    batch = {"inputs": batch["sources"], "targets": batch["targets"]}
    shapes = jax.eval_shape(
        lambda key: network.init(key, batch, train=False, dropout_rate=0.0), jax.random.key(0)
    )["params"]
    assert sorted(by_name(shapes)) == sorted(name for name, _ in record["params"])
    return record, network, batch, shapes


def _tiny_params(golden, case):
    def multiplied(path, x):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if "embedding" in name:
            return x * np.float32(case["embed_times"])
        if x.ndim > 1:
            return x * np.float32(case["kernel_times"])
        return x * np.float32(case["bias_times"]) if name.endswith("bias") else x

    params = golden.fill_tree(_tiny(golden)[3], f"fill_{case['fill']}")
    return jax.tree_util.tree_map_with_path(multiplied, params)


@functools.cache
def _tiny_translations(golden, beams, stages):
    """`(params, bias of the end) -> Found`, compiled."""
    record, network, batch, _ = _tiny(golden)

    def found(params, bias):
        class WithBias(Transformer):
            def step(self, *arguments):
                logits, pasts = super().step(*arguments)
                return logits.at[..., search.END].add(bias), pasts

        chosen = STAGES[stages](3, record["config"]["max_decode_len"])
        inputs = jnp.asarray(batch["inputs"])
        return translations(WithBias(network.config), params, inputs, chosen, beams=beams)

    return jax.jit(found)


@pytest.mark.parametrize("number", range(6))
def test_tiny_transformer_predicts_and_translates_like_the_reference(golden, number):
    record, network, batch, _ = _tiny(golden)
    case = record["cases"][number]
    params = _tiny_params(golden, case)
    outputs = network.apply({"params": params}, batch, train=False, dropout_rate=0.0)
    assert_array_record(outputs.logits(), case["teacher_forced_logits"], 1e-5)
    for expected in case["beam"]:
        assert expected["stable_under_jitter"]
        translate = _tiny_translations(golden, expected["beam_size"], "one")
        found = translate(params, expected["eos_bias"])
        np.testing.assert_array_equal(found.tokens, expected["sequences"])
        np.testing.assert_allclose(found.scores, expected["scores"], rtol=1e-5)


def test_stages_do_not_change_translations(golden):
    for case in _tiny(golden)[0]["cases"]:
        for expected in (e for e in case["beam"] if e["beam_size"] == search.BEAMS):
            translate = _tiny_translations(golden, search.BEAMS, "longer and fewer")
            found = translate(_tiny_params(golden, case), expected["eos_bias"])
            np.testing.assert_array_equal(found.tokens, expected["sequences"])


# Results of the benchmark's specification for logits that depend on the token before only.
SPECIFIED = {1: ([0, 2], -3.6319640), 2: ([0, 3, 6, 2], -1.5249834), 3: ([0, 1, 2], -1.1090664)}


def _hashed(i, seed):
    h = (i * 2_654_435_761 + seed) % 2**32
    h ^= h >> 15
    h = h * 2_246_822_519 % 2**32
    h ^= h >> 13
    return 2 * h / 2**32 - 1


@pytest.mark.parametrize("seed", SPECIFIED)
def test_specified_toys_are_decoded_as_stated(seed):
    rows = [[3 * _hashed(7 * c + i, seed) for i in range(7)] for c in range(7)]
    table = jnp.asarray(rows, jnp.float32)

    def next_logits(state, sources, memory):
        return table[state.newest], memory

    def memory(stage):
        return jnp.zeros((stage.sentences, stage.length))

    found = beam_search(next_logits, (), memory, jnp.ones(1, bool), [Stage(1, 10)])
    tokens, score = SPECIFIED[seed]
    np.testing.assert_array_equal(found.tokens[0, -1], tokens + [0] * (10 - len(tokens)))
    np.testing.assert_allclose(found.scores[0, -1], score, rtol=1e-6)


def test_sentences_that_are_done_take_no_more_steps(golden):
    next_logits, sources, memory = _table_model(golden, 0.0, 4)

    @jax.jit
    def state_after(steps):
        def step(_, carry):
            state, kept = carry
            logits, kept = next_logits(state, sources, kept)
            return extended(state, logits), kept

        start = (started(jnp.ones(3, bool), 4, 40), memory(Stage(3, 40)))
        return jax.lax.fori_loop(0, steps, step, start)[0]

    # Sentence by sentence: from the step on at which it is done, its result stays.
    last = state_after(39)
    done_at = [next(t for t in range(40) if state_after(t).done[i]) for i in range(3)]
    assert len(set(done_at)) > 1 and max(done_at) < 39
    for i, step in enumerate(done_at):
        np.testing.assert_array_equal(state_after(step).finished[i], last.finished[i])
        assert not state_after(step - 1).done[i]
    # The search ends with the slowest: there is no room for more.
    found = beam_search(
        next_logits, sources, memory, jnp.ones(3, bool), [Stage(3, max(done_at) + 1), Stage(3, 40)]
    )
    np.testing.assert_array_equal(found.tokens, last.finished)


def test_rows_of_padding_do_not_hold_up_the_others(golden):
    next_logits, sources, memory = _table_model(golden, 0.0, 4)

    def endless(state, sources, memory):
        logits, memory = next_logits(state, sources, memory)
        return logits.at[2, :, search.END].set(-1e9), memory  # this one never ends

    real = jnp.array([True, True, False])
    steps = []
    beam_search(
        lambda *a: (jax.debug.callback(lambda: steps.append(1)), endless(*a))[1],
        sources,
        memory,
        real,
        [Stage(3, 200)],
    )
    jax.effects_barrier()
    assert 0 < len(steps) < 60
