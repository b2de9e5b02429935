"""Connectionist temporal classification: a loss for labels that nobody aligned with the frames.

Graves, Fernandez, Gomez, Schmidhuber (2006), "Connectionist temporal classification", with the
convention of optax that the logarithm of 0 is -1e5: an alignment that cannot be, such as of three
labels with two frames, so has a finite loss near 1e5.

The gradient of a frame's logits is what the model gives each class less what the alignments that
fit the labels give it, weighted by their likelihoods (equation 16 there). `lattice` sums them up.
"""

from typing import Any

import jax
import jax.numpy as jnp

from workloads.librispeech import lattice
from workloads.librispeech import wide_numbers as wide
from workloads.librispeech.lattice import BLANK, Frame, Normaliser, State
from workloads.librispeech.wide_numbers import Wide


def ctc_loss(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Negative log-likelihood of every example's labels.

    The gradient by the logits is 0 at frames behind an example's length, and of an example whose
    loss does not count, whatever the logits are there. Where no alignment is possible, loss and
    gradient are those of alignments with a single violation, each at the cost of
    `lattice.LOG_ZERO`: finite.

    The work grows with the label slots N. What spare slots hold does not change the result, so a
    batch may well be trimmed to its longest labels.

    Args:
      logits: float32 `[B, T, K]`, class 0 is the blank.
      lengths: int `[B]`, frames that count.
      labels: int `[B, N]`, classes; anything behind the labels that count.
      label_lengths: int `[B]`, labels that count.

    Returns:
      float32 `[B]`, in nats. 0 for an example without frames and labels.

    Raises:
      ValueError: the shapes do not fit together.
    """
    shapes = [x.shape for x in (logits, lengths, labels, label_lengths)]
    if [len(shape) for shape in shapes] != [3, 1, 2, 1] or len({s[0] for s in shapes}) > 1:
        raise ValueError(
            "logits [B, T, K], lengths [B], labels [B, N] and label lengths [B] must be of the "
            f"same examples, got {', '.join(map(str, shapes))}."
        )
    is_label = jnp.arange(labels.shape[1]) < label_lengths[:, None]
    return _loss(
        logits.astype(jnp.float32),
        jnp.minimum(lengths, logits.shape[1]),
        jnp.where(is_label, labels, BLANK),
        label_lengths,
    )


@jax.custom_vjp
def _loss(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    frames = lattice.frames(logits, lattice.normaliser(logits), lengths, labels)
    repeats = lattice.repeats(labels)

    def advance(begun: State, frame: Frame) -> tuple[State, None]:
        return lattice.later(begun, frame, repeats), None

    begun, _ = jax.lax.scan(advance, lattice.before_all_frames(labels), frames)
    return -wide.log(lattice.total(begun, label_lengths))


def _forward(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> tuple[jax.Array, tuple[Any, ...]]:
    """The losses, and what `_gradient` takes: `[B, T, N]` is the share of alignments at a label."""
    normaliser = lattice.normaliser(logits)
    frames = lattice.frames(logits, normaliser, lengths, labels)
    repeats = lattice.repeats(labels)

    def advance(begun: State, frame: Frame) -> tuple[State, Wide]:
        begun = lattice.later(begun, frame, repeats)
        return begun, begun.label

    begun, begun_labels = jax.lax.scan(advance, lattice.before_all_frames(labels), frames)
    total = lattice.total(begun, label_lengths)
    ends = lattice.ends(labels, label_lengths)

    def retreat(ended: State, at: tuple[Frame, Wide]) -> tuple[State, jax.Array]:
        frame, begun_label = at
        # Without what this frame emits, which the beginnings have.
        ended = lattice.where(frame.is_last, ends, lattice.moved(ended, repeats, later=False))
        both = wide.multiply(begun_label, ended.label)
        shares = wide.ratio(both, jax.tree.map(lambda x: x[:, None], total))
        return lattice.emitted(ended, frame), jnp.where(frame.is_real, shares, 0.0)

    _, shares = jax.lax.scan(retreat, ends, (frames, begun_labels), reverse=True)
    return -wide.log(total), (logits, normaliser, lengths, labels, shares.swapaxes(0, 1))


def _backward(kept: tuple[Any, ...], cotangent: jax.Array) -> tuple[jax.Array | None, ...]:
    # One at a time, so that nothing but the result is as large as the logits.
    gradient = jax.lax.map(lambda example: _gradient(*example), (*kept, cotangent))
    return gradient, None, None, None


def _gradient(
    logits: jax.Array,
    normaliser: Normaliser,
    length: jax.Array,
    labels: jax.Array,
    shares: jax.Array,
    cotangent: jax.Array,
) -> jax.Array:
    """What the model gives each class less what alignments give it, of one example `[T, K]`."""
    frames, classes = logits.shape
    # Rows of [K, T] are contiguous, so that adding to them takes no scattered writes.
    given = jnp.zeros((classes, frames)).at[labels].add(shares.T)
    given = given.at[BLANK].add(1 - shares.sum(axis=1)).T
    gradient = jnp.exp((logits - normaliser.highest) - normaliser.log_sum) - given
    # A cotangent of 0 times NaN would be NaN.
    counts = (cotangent != 0) & (jnp.arange(frames)[:, None] < length)
    return jnp.where(counts, cotangent * gradient, 0.0)


_loss.defvjp(_forward, _backward)
