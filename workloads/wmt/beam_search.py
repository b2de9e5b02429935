"""Beam search for the best-scored sequences, as the benchmark does it.

The search of Wu et al. (2016, arXiv:1609.08144) with their length penalty and without coverage. It
knows nothing of models: a function gives the logits of every beam's next token.

Three things make it fast and leave its result as it is.

- A sentence is done when no beam that goes on can get among its finished ones any more, however
  long it grows. The others of its batch have no part in that.
- Stages: sequences begin with little room and get more when they need it, and when few sentences
  are left, these go on alone.
- What a model keeps of earlier tokens stays where it was written. `Beams.descent` says where a
  beam's own lies, and only that is put in order when beams are chosen.

Axis letters: N sentences, K beams, C candidates, V pieces, T positions.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

START = 0
END = 2
"""Ids of the tokens that a sequence begins and ends with."""

BEAMS = 4
LENGTH_PENALTY = 0.6

IMPOSSIBLE = np.float32(-1e7)
"""Score of what is no candidate."""


class Stage(NamedTuple):
    """The room of a part of the search.

    Attributes:
      sentences: how many are looked at.
      length: the most tokens of a sequence, the start included.
    """

    sentences: int
    length: int


class Beams(NamedTuple):
    """Where a search stands. The beams of a sentence are sorted by score, the best one last.

    Attributes:
      position: int32 scalar, place of the newest token of the living beams.
      sentences: int32 `[N]`, the numbers of these sentences in the batch.
      done: bool `[N]`, whether a sentence's result can no longer change.
      living: int32 `[N, K, T]`, the tokens of the beams that go on.
      log_probs: float32 `[N, K]`, of these.
      descent: int32 `[N, K, T]`, for a living beam and a position up to the newest: the beam under
        whose number the model wrote down what it keeps of that token.
      finished: int32 `[N, K, T]`, the tokens of the best sequences that have ended.
      scores: float32 `[N, K]`, of these: log probability over length penalty.
      is_finished: bool `[N, K]`, whether there is such a sequence.
    """

    position: jax.Array
    sentences: jax.Array
    done: jax.Array
    living: jax.Array
    log_probs: jax.Array
    descent: jax.Array
    finished: jax.Array
    scores: jax.Array
    is_finished: jax.Array

    @property
    def newest(self) -> jax.Array:
        """The newest token of every living beam, int32 `[N, K]`."""
        return self.living[:, :, self.position]

    def descends(self, length: int) -> jax.Array:
        """What a living beam has behind it, bool `[N, K, length, K]`: at a position, whose token.

        Exactly one of the last axis up to the newest position, none behind it.
        """
        beams = jnp.arange(self.living.shape[1])
        so_far = jnp.arange(length) <= self.position
        return (self.descent[:, :, :length, None] == beams) & so_far[:, None]


class Found(NamedTuple):
    """The sequences of a search, the best one last.

    Attributes:
      tokens: int32 `[N, K, T]`, the start included, 0 behind the end. Of a sentence of which no
        sequence has ended, the living ones.
      scores: float32 `[N, K]`; log probabilities where no sequence has ended.
    """

    tokens: jax.Array
    scores: jax.Array


Memory = Any  # arrays [N, ..., length of a stage, ...], zeros before they are written
NextLogits = Callable[[Beams, Any, Memory], tuple[jax.Array, Memory]]


def beam_search(
    next_logits: NextLogits,
    sources: Any,
    memory: Callable[[Stage], Memory],
    real: jax.Array,
    stages: Sequence[Stage],
    *,
    beams: int = BEAMS,
    length_penalty: float = LENGTH_PENALTY,
) -> Found:
    """Searches for the best sequences of every sentence.

    Args:
      next_logits: `(beams, sources, memory) -> (logits, memory)`, float32 `[N, K, V]` of the tokens
        behind the newest ones of the living beams.
      sources: arrays `[N, ...]`, what the model knows of every sentence.
      memory: what the model keeps of tokens at the beginning of a stage, zeros. The memory of the
        stage before is put into the first places of all its axes.
      real: bool `[N]`, False for rows of padding, for which nothing is searched.
      stages: the first has room for all sentences; a later one has as much or more length, and as
        many or fewer sentences. A stage is over when its length is used up, or when a later one has
        room for the sentences that are left. The last length is the most of a sequence, which also
        decides when a sentence is done.
      beams: K.
      length_penalty: exponent of the length that log probabilities are divided by.
    """
    state = started(real, beams, stages[-1].length)
    results = state
    kept = memory(stages[0])
    for number, stage in enumerate(stages):
        if number:
            state, sources, kept = _moved(state, sources, kept, memory(stage))
        smaller = (later.sentences for later in stages if later.sentences < stage.sentences)
        leave_at = max(smaller, default=0)

        def goes_on(carry: tuple, stage: Stage = stage, leave_at: int = leave_at) -> jax.Array:
            left = (~carry[0].done).sum()
            return (carry[0].position < stage.length - 1) & (left > leave_at)

        def advance(carry: tuple, sources: Any = sources) -> tuple[Beams, Memory]:
            logits, kept = next_logits(carry[0], sources, carry[1])
            return extended(carry[0], logits, length_penalty), kept

        state, kept = jax.lax.while_loop(goes_on, advance, (state, kept))
        results = _with_results(results, state)
    any_finished = results.is_finished.any(axis=1)
    return Found(
        jnp.where(any_finished[:, None, None], results.finished, results.living),
        jnp.where(any_finished[:, None], results.scores, results.log_probs),
    )


def started(real: jax.Array, beams: int, length: int) -> Beams:
    """The beams before the first token: all equal, so all but one are no candidates."""
    sentences = len(real)
    nothing = jnp.full((sentences, beams), IMPOSSIBLE)
    tokens = jnp.full((sentences, beams, length), START, jnp.int32)
    own = jnp.broadcast_to(jnp.arange(beams, dtype=jnp.int32)[:, None], tokens.shape)
    return Beams(
        position=jnp.int32(0),
        sentences=jnp.arange(sentences, dtype=jnp.int32),
        done=~real,
        living=tokens,
        log_probs=nothing.at[:, 0].set(0.0),
        descent=own,
        finished=tokens,
        scores=nothing,
        is_finished=jnp.zeros((sentences, beams), bool),
    )


def extended(
    state: Beams, logits_NxKxV: jax.Array, length_penalty: float = LENGTH_PENALTY
) -> Beams:
    """The beams with one more token, chosen by its logits."""
    beams, length = state.living.shape[1:]
    position = state.position + 1
    log_probs_NxKxV = jax.nn.log_softmax(logits_NxKxV) + state.log_probs[:, :, None]
    log_probs_NxC, parents_NxC, tokens_NxC = _candidates(log_probs_NxKxV, 2 * beams)
    ended_NxC = tokens_NxC == END
    sequences_NxCxT = _rows(state.living, parents_NxC).at[:, :, position].set(tokens_NxC)

    scores_NxC = log_probs_NxC / _penalty(position, length_penalty) + ~ended_NxC * IMPOSSIBLE
    scores = jnp.concatenate([state.scores, scores_NxC], axis=1)
    best_NxK = _best(scores, beams)
    finished = _rows(jnp.concatenate([state.finished, sequences_NxCxT], axis=1), best_NxK)
    is_finished = _rows(jnp.concatenate([state.is_finished, ended_NxC], axis=1), best_NxK)
    scores = _rows(scores, best_NxK)

    living_NxC = log_probs_NxC + ended_NxC * IMPOSSIBLE
    best_NxK = _best(living_NxC, beams)
    log_probs = _rows(living_NxC, best_NxK)
    descent = _rows(state.descent, _rows(parents_NxC, best_NxK))
    # Scores can only fall, and at best keep their log probability and get the largest penalty.
    attainable = log_probs[:, -1] / _penalty(length, length_penalty)
    return Beams(
        position=position,
        sentences=state.sentences,
        done=state.done | (is_finished.all(axis=1) & (scores.min(axis=1) > attainable)),
        living=_rows(sequences_NxCxT, best_NxK),
        log_probs=log_probs,
        descent=descent.at[:, :, position].set(jnp.arange(beams, dtype=jnp.int32)),
        finished=finished,
        scores=scores,
        is_finished=is_finished,
    )


def _candidates(scores_NxKxV: jax.Array, count: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The best tokens behind any beam: scores, beams and tokens `[N, count]`, the best one first.

    Of equal ones, those of the lower beam come first, and then the lower tokens.
    """
    per_beam = min(count, scores_NxKxV.shape[-1])
    # The best of each beam first: a sort of everything is what takes long.
    scores, tokens = jax.lax.top_k(scores_NxKxV, per_beam)
    scores, places = jax.lax.top_k(scores.reshape(len(scores), -1), count)
    tokens = jnp.take_along_axis(tokens.reshape(len(tokens), -1), places, axis=1)
    return scores, places // per_beam, tokens


def _best(scores: jax.Array, count: int) -> jax.Array:
    """The places of the best scores of each row, int32 `[N, count]`, the best one last."""
    return jnp.flip(jax.lax.top_k(scores, count)[1], axis=-1)


def _rows(x: jax.Array, places: jax.Array) -> jax.Array:
    """`x[n, places[n]]` for every n."""
    return jnp.take_along_axis(x, places.reshape(*places.shape, *[1] * (x.ndim - 2)), axis=1)


def _penalty(length: jax.Array | int, exponent: float) -> jax.Array:
    """What the log probability of that many tokens, the end included, is divided by."""
    return ((5.0 + length) / 6.0) ** exponent


def _moved(state: Beams, sources: Any, old: Memory, new: Memory) -> tuple[Beams, Any, Memory]:
    """The sentences for which `new` has room, those first that are not done, and their memory."""
    room = len(jax.tree.leaves(new)[0])
    if room < len(state.done):
        places = jnp.argsort(state.done, stable=True)[:room]
        state, sources, old = jax.tree.map(
            lambda x: x[places] if x.ndim else x, (state, sources, old)
        )
    kept = jax.tree.map(
        lambda new, old: jax.lax.dynamic_update_slice(new, old, (0,) * new.ndim), new, old
    )
    return state, sources, kept


def _with_results(results: Beams, state: Beams) -> Beams:
    """The batch's results with those of some of its sentences brought up to date."""
    return jax.tree.map(
        lambda all, some: all.at[state.sentences].set(some) if some.ndim else some, results, state
    )
