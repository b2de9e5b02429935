"""All alignments of labels with frames at once: sums of likelihoods at each state and frame.

Graves, Fernandez, Gomez, Schmidhuber (2006), section 4.1. Axes: B examples, T frames, K classes, N
labels. An alignment is at one state at each frame: a label or, between labels, a blank. What is
impossible has the likelihood `e**LOG_ZERO`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from workloads.librispeech import wide_numbers as wide
from workloads.librispeech.wide_numbers import Wide

BLANK = 0
LOG_ZERO = -1e5
"""What stands for the logarithm of 0, as in optax; no log-probability counts as less."""


class State(NamedTuple):
    """Sums of likelihoods for each state at a frame.

    Attributes:
      blank: `[B, N + 1]`, at the blank after no label, after the first, and so on.
      label: `[B, N]`, at a label.
    """

    blank: Wide
    label: Wide


class Frame(NamedTuple):
    """What a frame emits; as `[T, ...]`, what all frames do.

    Attributes:
      is_real, is_last: bool `[B, 1]`.
      blank: log-probabilities `[B, 1]`.
      label: log-probabilities `[B, N]`.
    """

    is_real: jax.Array
    is_last: jax.Array
    blank: jax.Array
    label: jax.Array


class Normaliser(NamedTuple):
    """What makes logits log-probabilities: `(logits - highest) - log_sum`, `[B, T, 1]` each."""

    highest: jax.Array
    log_sum: jax.Array


def normaliser(logits: jax.Array) -> Normaliser:
    """The normaliser of logits `[B, T, K]`."""
    highest = logits.max(axis=-1, keepdims=True)
    return Normaliser(highest, jnp.log(jnp.exp(logits - highest).sum(axis=-1, keepdims=True)))


def frames(
    logits: jax.Array, normaliser: Normaliser, lengths: jax.Array, labels: jax.Array
) -> Frame:
    """All frames.

    Args:
      logits: `[B, T, K]`.
      normaliser: that of the logits.
      lengths: int `[B]`, frames that count.
      labels: int `[B, N]`.
    """
    times = jnp.arange(logits.shape[1])[:, None, None]

    def emitted(chosen: jax.Array) -> jax.Array:
        highest, log_sum = (x.swapaxes(0, 1) for x in normaliser)
        return jnp.maximum((chosen - highest) - log_sum, LOG_ZERO)

    return Frame(
        is_real=times < lengths[:, None],
        is_last=times == lengths[:, None] - 1,
        blank=emitted(logits[:, :, BLANK, None].swapaxes(0, 1)),
        label=emitted(jax.vmap(lambda x, classes: x[:, classes], out_axes=1)(logits, labels)),
    )


def repeats(labels: jax.Array) -> jax.Array:
    """Whether a label is the same as the next one, bool `[B, N - 1]`."""
    return labels[:, :-1] == labels[:, 1:]


def before_all_frames(labels: jax.Array) -> State:
    """No label is emitted; that some are is as good as impossible."""
    rows, slots = labels.shape
    impossible = wide.exp(jnp.float32(LOG_ZERO))
    is_start = jnp.arange(slots + 1) == 0
    blank = wide.where(is_start, wide.one(), impossible)
    return State(_filled(blank, (rows, slots + 1)), _filled(impossible, (rows, slots)))


def ends(labels: jax.Array, label_lengths: jax.Array) -> State:
    """The last label, or the blank after it, and nothing else."""
    blanks = jnp.arange(labels.shape[1] + 1)
    last = label_lengths[:, None]
    return State(
        wide.where(blanks == last, wide.one(), wide.zero()),
        wide.where(blanks[1:] == last, wide.one(), wide.zero()),
    )


def total(begun: State, label_lengths: jax.Array) -> Wide:
    """Likelihoods of the alignments that end after the last label, `[B]`."""
    both = wide.add(begun.blank, _padded(begun.label, (1, 0)))
    return jax.tree.map(
        lambda x: jnp.take_along_axis(x, label_lengths[:, None], axis=1)[:, 0], both
    )


def later(begun: State, frame: Frame, repeats: jax.Array) -> State:
    """The beginnings up to a frame from those up to the frame before."""
    return where(frame.is_real, emitted(moved(begun, repeats, later=True), frame), begun)


def emitted(state: State, frame: Frame) -> State:
    """The sums times the likelihoods of what a frame emits, normalised."""
    return State(
        wide.normalised(wide.multiply(state.blank, wide.exp(frame.blank))),
        wide.normalised(wide.multiply(state.label, wide.exp(frame.label))),
    )


def moved(state: State, repeats: jax.Array, later: bool) -> State:
    """The sums one frame later or earlier, without what that frame emits.

    A blank comes after itself and its label; a label after itself, the blank before it and, as
    good as impossible if they are the same, the label before it.
    """
    # To earlier frames it is the same with the states in reverse.
    side, kept = ((1, 0), slice(None, -1)) if later else ((0, 1), slice(1, None))
    neighbour = _padded(state.label, side)
    penalised = jnp.pad(repeats, ((0, 0), side))
    step = wide.where(penalised, wide.exp(jnp.float32(LOG_ZERO)), wide.one())
    blank_before = jax.tree.map(lambda x: x[:, kept], state.blank)
    label_before = jax.tree.map(lambda x: x[:, kept], neighbour)
    return State(
        blank=wide.add(state.blank, neighbour),
        label=wide.add(state.label, wide.add(blank_before, wide.multiply(step, label_before))),
    )


def where(condition: jax.Array, x: State, y: State) -> State:
    """The states of x for examples where the condition holds, `[B, 1]`, of y for others."""
    return State(wide.where(condition, x.blank, y.blank), wide.where(condition, x.label, y.label))


def _padded(x: Wide, side: tuple[int, int]) -> Wide:
    return jax.tree.map(
        lambda x, zero: jnp.pad(x, ((0, 0), side), constant_values=zero), x, wide.zero()
    )


def _filled(x: Wide, shape: tuple[int, int]) -> Wide:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, shape), x)
