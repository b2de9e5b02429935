"""Connectionist temporal classification: a loss for labels that nobody aligned with the frames.

Graves, Fernandez, Gomez, Schmidhuber (2006), "Connectionist temporal classification", with the
convention of optax that the logarithm of 0 is -1e5: an alignment that cannot be, such as of three
labels with two frames, so has a finite loss near 1e5.

The gradient of a frame's logits is what the model gives each class less what the alignments that
fit the labels give it, weighted by their likelihoods (equation 16 there). `lattice` sums them up.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from workloads.librispeech import lattice
from workloads.librispeech import wide_numbers as wide
from workloads.librispeech.lattice import BLANK, Frame, Normaliser, State
from workloads.librispeech.wide_numbers import Wide

USUAL_LABELS = 128
"""A batch of examples with no more labels is computed with so many label slots.

Transcripts of 256 characters are at most about 100 word pieces."""


def ctc_loss(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Negative log-likelihood of every example's labels.

    It can be differentiated once, by the logits. The gradient is 0 at frames behind an example's
    length, and of an example whose loss does not count, whatever the logits are there. Where no
    alignment is possible, loss and gradient are those of alignments with a single violation, each
    at the cost of `lattice.LOG_ZERO`: finite.

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
def _loss(*batch: jax.Array) -> jax.Array:
    return _loss_alone(*batch)


def _forward(*batch: jax.Array) -> tuple[jax.Array, tuple[Any, ...]]:
    losses, normaliser, occupied = _loss_and_occupied(*batch)
    return losses, (normaliser, occupied, *batch)


def _backward(kept: tuple[Any, ...], cotangent: jax.Array) -> tuple[jax.Array | None, ...]:
    return _gradient(cotangent, *kept), None, None, None


_loss.defvjp(_forward, _backward)


def _trimmed(function: Callable) -> Callable:
    """Makes a function of a batch compute with fewer label slots where that will do.

    Args:
      function: takes how many slots to compute with, and arrays with a leading axis of examples,
        the last two of which are labels and label lengths. Its result does not depend on the slots.

    Returns:
      A function of the arrays alone.
    """

    def of_batch(*batch: Any) -> Any:
        *_, labels, label_lengths = batch
        slots = labels.shape[1]
        if slots <= USUAL_LABELS:
            return function(slots, *batch)
        return jax.lax.cond(
            jnp.max(label_lengths) <= USUAL_LABELS,
            lambda: function(USUAL_LABELS, *batch),
            lambda: function(slots, *batch),
        )

    return _joining_lanes(of_batch)


def _joining_lanes(function: Callable) -> Callable:
    """Makes `vmap` of a function of examples one call with the examples of all lanes.

    `vmap` of a condition computes both branches, because lanes might differ.
    """
    of_batch = jax.custom_batching.custom_vmap(function)

    def of_lanes(lanes: int, varies: Any, *batch: Any) -> tuple[Any, Any]:
        def joined(x: jax.Array, own: bool) -> jax.Array:
            x = x if own else jnp.broadcast_to(x, (lanes, *x.shape))
            return x.reshape(-1, *x.shape[2:])

        results = of_batch(*jax.tree.map(joined, batch, tuple(varies)))
        results = jax.tree.map(lambda x: x.reshape(lanes, -1, *x.shape[1:]), results)
        return results, jax.tree.map(lambda _: True, results)

    of_batch.def_vmap(of_lanes)
    return of_batch


@_trimmed
def _loss_alone(
    slots: int, logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Losses `[B]`."""
    labels = labels[:, :slots]
    frames = lattice.frames(logits, lattice.normaliser(logits), lengths, labels)
    repeats = lattice.repeats(labels)

    def advance(begun: State, frame: Frame) -> tuple[State, None]:
        return lattice.later(begun, frame, repeats), None

    begun, _ = jax.lax.scan(advance, lattice.before_all_frames(labels), frames)
    return -wide.log(lattice.total(begun, label_lengths))


@_trimmed
def _loss_and_occupied(
    slots: int, logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> tuple[jax.Array, Normaliser, jax.Array]:
    """Losses `[B]`, the normaliser, and the share of alignments at each label, `[B, T, N]`."""
    room = labels.shape[1] - slots
    labels = labels[:, :slots]
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
        occupied = wide.ratio(both, jax.tree.map(lambda x: x[:, None], total))
        return lattice.emitted(ended, frame), jnp.where(frame.is_real, occupied, 0.0)

    _, occupied = jax.lax.scan(retreat, ends, (frames, begun_labels), reverse=True)
    occupied = jnp.pad(occupied.swapaxes(0, 1), ((0, 0), (0, 0), (0, room)))
    return -wide.log(total), normaliser, occupied


def _gradient(
    cotangent: jax.Array,
    normaliser: Normaliser,
    occupied: jax.Array,
    logits: jax.Array,
    lengths: jax.Array,
    labels: jax.Array,
    label_lengths: jax.Array,
) -> jax.Array:
    """What the model gives each class less what the alignments give it, `[B, T, K]`."""
    del label_lengths  # nothing is at other labels
    frames, classes = logits.shape[1:]

    def of_example(example: tuple[Any, ...]) -> jax.Array:
        cotangent, normaliser, occupied, logits, length, labels = example
        # Rows of [K, T] are contiguous, so that adding to them takes no scattered writes.
        given = jnp.zeros((classes, frames)).at[labels].add(occupied.T)
        given = given.at[BLANK].add(1 - occupied.sum(axis=1)).T
        gradient = jnp.exp((logits - normaliser.highest) - normaliser.log_sum) - given
        # A cotangent of 0 times NaN would be NaN.
        counts = (cotangent != 0) & (jnp.arange(frames)[:, None] < length)
        return jnp.where(counts, cotangent * gradient, 0.0)

    # One at a time, so that nothing but the result is as large as the logits.
    return jax.lax.map(of_example, (cotangent, normaliser, occupied, logits, lengths, labels))
