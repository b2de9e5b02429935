"""How long translating takes, beside decoding every sentence to the end of its room."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from workloads.comparison import Compiled
from workloads.wmt import CONFIGS, MINI_CONFIG, SIZES
from workloads.wmt.beam_search import BEAMS, END, Stage, extended, started
from workloads.wmt.evaluation import search_stages
from workloads.wmt.model import Transformer
from workloads.wmt.translation import decoder, translations

SENTENCES = 128
MEAN_LENGTH = 0.11
"""Of a sentence, in units of the longest: about 28 of 256 tokens."""

_CERTAIN = 1e3  # a logit that decides


class Comparison:
    """A batch of sentences that is translated in both ways.

    Parameters are initial ones, whose translations would not end. So that they end as those of a
    trained model do, every translation is made to end where its source does; everything else is
    computed as ever.

    Attributes:
      description: the model, its batch and the room of a translation.
      tolerance: of tokens, which must be equal.
    """

    tolerance = 0.0

    def __init__(self, workload: str, scale: str):
        """Makes sources and parameters for the workload of that name."""
        self._network = _Ending(CONFIGS[workload] if scale == "full" else MINI_CONFIG)
        config = self._network.config
        self._length, self._short = config.length, SIZES[scale].short
        self._inputs = jnp.asarray(_sources(config.vocabulary_size, self._length, self._short))
        example = {"inputs": self._inputs[:1], "targets": self._inputs[:1]}
        self._params = jax.jit(
            lambda key: self._network.init(key, example, train=False, dropout_rate=0.0)["params"]
        )(jax.random.key(0))
        self.description = (
            f"{workload} at scale {scale}, {SENTENCES} sentences, {self._length} tokens"
        )

    def plain(self) -> Compiled:
        """What takes all steps for all sentences with all of the room; gives tokens `[N, T]`."""
        stage = Stage(SENTENCES, self._length)

        def program(params: Any, inputs: jax.Array) -> jax.Array:
            next_logits, sources, memory = decoder(self._network, params, inputs, BEAMS)

            def advance(_: jax.Array, carry: tuple) -> tuple:
                logits, kept = next_logits(carry[0], sources, carry[1])
                return extended(carry[0], logits), kept

            start = started(jnp.ones(SENTENCES, bool), BEAMS, self._length), memory(stage)
            state, _ = jax.lax.fori_loop(0, self._length - 1, advance, start)
            return state.finished[:, -1]

        return Compiled(program, self._params, self._inputs)

    def fast(self) -> Compiled:
        """What translates as evaluations do; gives the same tokens."""
        stages = search_stages(SENTENCES, self._short, self._length)

        def program(params: Any, inputs: jax.Array) -> jax.Array:
            return translations(self._network, params, inputs, stages).tokens[:, -1]

        return Compiled(program, self._params, self._inputs)


class _Ending(Transformer):
    """The model with translations that are as long as their sources."""

    def step(self, *arguments: Any) -> tuple[jax.Array, Any]:
        _, _, position, _, _, inputs = arguments
        logits_NxKxV, pasts = super().step(*arguments)
        ends_N = position >= (inputs != 0).sum(axis=1) - 1
        bias_N = jnp.where(ends_N, _CERTAIN, -_CERTAIN)
        return logits_NxKxV.at[..., END].add(bias_N[:, None]), pasts


def _sources(vocabulary_size: int, length: int, longest: int) -> np.ndarray:
    """Made-up sources, int32 `[SENTENCES, longest]`, of the lengths that real ones have."""
    rng = np.random.default_rng(0)
    shape = 3.0  # as skewed as the lengths of newspaper sentences
    lengths = rng.gamma(shape, MEAN_LENGTH * length / shape, SENTENCES).astype(int)
    tokens = rng.integers(END + 1, vocabulary_size, (SENTENCES, longest), np.int32)
    return np.where(np.arange(longest) < np.clip(lengths, 2, longest)[:, None], tokens, 0)
