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
from workloads.librispeech.lattice import BLANK, Frame, State
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


def _forward(*batch: jax.Array) -> tuple[jax.Array, jax.Array]:
    # The gradient is as large as the logits, and they need not be kept in turn.
    return _loss_and_gradient(*batch)


def _backward(gradient: jax.Array, cotangent: jax.Array) -> tuple[jax.Array | None, ...]:
    cotangent = cotangent[:, None, None]
    # A cotangent of 0 times NaN would be NaN.
    return jnp.where(cotangent != 0, cotangent * gradient, 0.0), None, None, None


_loss.defvjp(_forward, _backward)


def _trimmed(function: Callable) -> Callable:
    """Makes a function of a batch compute with fewer label slots where that will do."""

    def of_batch(
        logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
    ) -> Any:
        def of_slots(slots: int) -> Any:
            return function(logits, lengths, labels[:, :slots], label_lengths)

        slots = labels.shape[1]
        if slots <= USUAL_LABELS:
            return of_slots(slots)
        is_usual = jnp.max(label_lengths) <= USUAL_LABELS
        return jax.lax.cond(is_usual, lambda: of_slots(USUAL_LABELS), lambda: of_slots(slots))

    return _joining_lanes(of_batch)


def _joining_lanes(function: Callable) -> Callable:
    """Makes `vmap` of a function of a batch one call with the examples of all lanes.

    `vmap` of a condition computes both branches, because lanes might differ.
    """
    of_batch = jax.custom_batching.custom_vmap(function)

    def of_lanes(lanes: int, varies: Any, *batch: jax.Array) -> tuple[Any, Any]:
        batches = [
            x if own else jnp.broadcast_to(x, (lanes, *x.shape))
            for x, own in zip(batch, varies, strict=True)
        ]
        joined = of_batch(*(x.reshape(-1, *x.shape[2:]) for x in batches))
        result = jax.tree.map(lambda x: x.reshape(lanes, -1, *x.shape[1:]), joined)
        return result, jax.tree.map(lambda _: True, result)

    of_batch.def_vmap(of_lanes)
    return of_batch


@_trimmed
def _loss_alone(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Losses `[B]`."""
    frames = lattice.frames(logits, lattice.normaliser(logits), lengths, labels)
    repeats = lattice.repeats(labels)

    def advance(begun: State, frame: Frame) -> tuple[State, None]:
        return lattice.later(begun, frame, repeats), None

    begun, _ = jax.lax.scan(advance, lattice.before_all_frames(labels), frames)
    return -wide.log(lattice.total(begun, label_lengths))


@_trimmed
def _loss_and_gradient(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Losses `[B]` and their gradients `[B, T, K]`."""
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
    gradient = _gradient(logits, normaliser, frames.is_real, labels, occupied)
    return -wide.log(total), gradient


def _gradient(
    logits: jax.Array,
    normaliser: lattice.Normaliser,
    is_real: jax.Array,
    labels: jax.Array,
    occupied: jax.Array,
) -> jax.Array:
    """The probabilities of all classes less the shares of alignments that emit them `[B, T, K]`.

    Args:
      occupied: `[T, B, N]`, the shares of alignments that are at a label.
    """
    at_blank = 1 - occupied.sum(axis=2).T[..., None]
    is_blank = jnp.arange(logits.shape[2]) == BLANK
    gradient = jnp.exp((logits - normaliser.highest) - normaliser.log_sum)
    gradient -= jnp.where(is_blank, at_blank, 0.0)
    gradient = jnp.where(is_real.swapaxes(0, 1), gradient, 0.0)
    times, examples = jnp.ogrid[: logits.shape[1], : logits.shape[0]]
    return gradient.at[examples[..., None], times[..., None], labels].add(-occupied)
