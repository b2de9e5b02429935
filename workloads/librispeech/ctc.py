"""Connectionist temporal classification: a loss for labels that nobody aligned with the frames.

Graves, Fernandez, Gomez, Schmidhuber (2006), "Connectionist temporal classification", with the
convention of optax that the logarithm of 0 is -1e5: an alignment that cannot be, such as of three
labels with two frames, so has a finite loss near 1e5.

Axes: B examples, T frames, K classes, N labels. An alignment is at one state at each frame: a label
or, between labels, a blank. The likelihoods of all its beginnings up to a frame are summed up for
each state, and those of all its ends. Their product tells how often alignments are at that state,
which is all that a gradient needs.

The sums reach e^-4000 while their ratios matter. Of logarithms of that size float32 leaves three
digits behind the point, so here they are `wide_numbers`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from workloads.librispeech import wide_numbers as wide
from workloads.librispeech.wide_numbers import Wide

BLANK = 0
LOG_ZERO = -1e5
"""What stands for the logarithm of 0; no log-probability counts as less."""

WIDTHS = (64, 96, 128)
"""Numbers of labels for which there is a program of its own, beside that for all label slots."""


def ctc_loss(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Negative log-likelihood of every example's labels.

    It can be differentiated once, by the logits. The gradient is 0 at frames behind an example's
    length, and of an example whose loss does not count, whatever the logits are there. Where no
    alignment is possible, it is that of alignments with a single violation: finite.

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
    return _loss(logits.astype(jnp.float32), lengths, labels, label_lengths)


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
    """Makes a function of a batch compute with as few labels as its longest example has."""

    def of_batch(
        logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
    ) -> Any:
        slots = labels.shape[1]
        widths = [*(width for width in WIDTHS if width < slots), slots]

        def of_width(width: int) -> Callable:
            return lambda: function(logits, lengths, labels[:, :width], label_lengths)

        longest = jnp.max(label_lengths, initial=0)
        choice = jnp.searchsorted(jnp.array(widths[:-1]), longest)
        return jax.lax.switch(choice, [of_width(width) for width in widths])

    return _joining_lanes(of_batch)


def _joining_lanes(function: Callable) -> Callable:
    """Makes `vmap` of a function of a batch one call with the examples of all lanes.

    `vmap` of a choice computes every branch, because each lane might choose another.
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


class _State(NamedTuple):
    """Sums of likelihoods for each state at a frame.

    Attributes:
      blank: `[B, N + 1]`, at the blank after no label, after the first, and so on.
      label: `[B, N]`, at a label.
    """

    blank: Wide
    label: Wide


class _Frame(NamedTuple):
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


@_trimmed
def _loss_alone(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> jax.Array:
    """Losses `[B]`."""
    frames = _frames(logits, _normaliser(logits), lengths, labels)
    repeats = _repeats(labels)

    def advance(begun: _State, frame: _Frame) -> tuple[_State, None]:
        return _later(begun, frame, repeats), None

    begun, _ = jax.lax.scan(advance, _before_all_frames(labels), frames)
    return -wide.log(_total(begun, label_lengths))


@_trimmed
def _loss_and_gradient(
    logits: jax.Array, lengths: jax.Array, labels: jax.Array, label_lengths: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Losses `[B]` and their gradients `[B, T, K]`."""
    is_label = jnp.arange(labels.shape[1]) < label_lengths[:, None]
    labels = jnp.where(is_label, labels, BLANK)
    normaliser = _normaliser(logits)
    frames = _frames(logits, normaliser, lengths, labels)
    repeats = _repeats(labels)

    def advance(begun: _State, frame: _Frame) -> tuple[_State, Wide]:
        begun = _later(begun, frame, repeats)
        return begun, begun.label

    begun, begun_labels = jax.lax.scan(advance, _before_all_frames(labels), frames)
    total = _total(begun, label_lengths)
    ends = _ends(labels, label_lengths)

    def retreat(ended: _State, at: tuple[_Frame, Wide]) -> tuple[_State, jax.Array]:
        frame, begun_label = at
        # Without what this frame emits, which the beginnings have.
        ended = _where(frame.is_last, ends, _moved(ended, repeats, later=False))
        both = wide.multiply(begun_label, ended.label)
        occupied = wide.ratio(both, jax.tree.map(lambda x: x[:, None], total))
        return _emitted(ended, frame), jnp.where(frame.is_real, occupied, 0.0)

    _, occupied_TxBxN = jax.lax.scan(retreat, ends, (frames, begun_labels), reverse=True)
    probabilities = jnp.exp((logits - normaliser.highest) - normaliser.log_sum)
    blank_BxTx1 = 1 - occupied_TxBxN.sum(axis=2).T[..., None]
    is_blank = jnp.arange(logits.shape[2]) == BLANK
    gradient = probabilities - jnp.where(is_blank, blank_BxTx1, 0.0)
    gradient = jnp.where(jnp.swapaxes(frames.is_real, 0, 1), gradient, 0.0)
    examples, times = jnp.arange(logits.shape[0])[:, None], jnp.arange(logits.shape[1])[:, None, None]
    gradient = gradient.at[examples, times, labels].add(-occupied_TxBxN)
    return -wide.log(total), gradient


class _Normaliser(NamedTuple):
    """What makes logits log-probabilities: `(logits - highest) - log_sum`, `[B, T, 1]` each."""

    highest: jax.Array
    log_sum: jax.Array


def _normaliser(logits: jax.Array) -> _Normaliser:
    highest = logits.max(axis=-1, keepdims=True)
    return _Normaliser(highest, jnp.log(jnp.exp(logits - highest).sum(axis=-1, keepdims=True)))


def _frames(
    logits: jax.Array, normaliser: _Normaliser, lengths: jax.Array, labels: jax.Array
) -> _Frame:
    """All frames."""
    times = jnp.arange(logits.shape[1])[:, None, None]

    def emitted(classes: jax.Array) -> jax.Array:
        chosen = jnp.take_along_axis(logits, classes[:, None], axis=2)
        log_p = (chosen - normaliser.highest) - normaliser.log_sum
        return jnp.maximum(log_p, LOG_ZERO).swapaxes(0, 1)

    return _Frame(
        is_real=times < lengths[:, None],
        is_last=times == lengths[:, None] - 1,
        blank=emitted(jnp.full_like(labels[:, :1], BLANK)),
        label=emitted(labels),
    )


def _repeats(labels: jax.Array) -> jax.Array:
    """Whether a label is the same as the next one, bool `[B, N - 1]`."""
    return labels[:, :-1] == labels[:, 1:]


def _before_all_frames(labels: jax.Array) -> _State:
    """No label is emitted; that some are is as good as impossible."""
    rows, slots = labels.shape
    impossible = wide.exp(jnp.float32(LOG_ZERO))
    is_start = jnp.arange(slots + 1) == 0
    blank = wide.where(is_start, wide.exp(jnp.float32(0)), impossible)
    return _State(_filled(blank, (rows, slots + 1)), _filled(impossible, (rows, slots)))


def _ends(labels: jax.Array, label_lengths: jax.Array) -> _State:
    """The last label, or the blank after it, and nothing else."""
    certain = wide.exp(jnp.float32(0))
    blanks = jnp.arange(labels.shape[1] + 1)
    last = label_lengths[:, None]
    return _State(
        wide.where(blanks == last, certain, wide.ZERO),
        wide.where(blanks[1:] == last, certain, wide.ZERO),
    )


def _total(begun: _State, label_lengths: jax.Array) -> Wide:
    """Likelihoods of the alignments that end after the last label, `[B]`."""
    both = wide.add(begun.blank, _padded(begun.label, (1, 0)))
    return jax.tree.map(
        lambda x: jnp.take_along_axis(x, label_lengths[:, None], axis=1)[:, 0], both
    )


def _later(begun: _State, frame: _Frame, repeats: jax.Array) -> _State:
    """The beginnings up to a frame from those up to the frame before."""
    return _where(frame.is_real, _emitted(_moved(begun, repeats, later=True), frame), begun)


def _emitted(state: _State, frame: _Frame) -> _State:
    return _State(
        wide.normalised(wide.multiply(state.blank, wide.exp(frame.blank))),
        wide.normalised(wide.multiply(state.label, wide.exp(frame.label))),
    )


def _moved(state: _State, repeats: jax.Array, later: bool) -> _State:
    """The sums one frame later or earlier, without what that frame emits.

    A blank comes after itself and its label; a label after itself, the blank before it and, as
    good as impossible if they are the same, the label before it.
    """
    # To earlier frames it is the same with the states in reverse.
    side, kept = ((1, 0), slice(None, -1)) if later else ((0, 1), slice(1, None))
    neighbour = _padded(state.label, side)
    penalised = jnp.pad(repeats, ((0, 0), side))
    step = wide.where(penalised, wide.exp(jnp.float32(LOG_ZERO)), wide.exp(jnp.float32(0)))
    blank_before = jax.tree.map(lambda x: x[:, kept], state.blank)
    label_before = jax.tree.map(lambda x: x[:, kept], neighbour)
    return _State(
        blank=wide.add(state.blank, neighbour),
        label=wide.add(state.label, wide.add(blank_before, wide.multiply(step, label_before))),
    )


def _padded(x: Wide, side: tuple[int, int]) -> Wide:
    return jax.tree.map(
        lambda x, zero: jnp.pad(x, ((0, 0), side), constant_values=zero), x, wide.ZERO
    )


def _filled(x: Wide, shape: tuple[int, int]) -> Wide:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, shape), x)


def _where(condition: jax.Array, x: _State, y: _State) -> _State:
    return _State(
        wide.where(condition, x.blank, y.blank), wide.where(condition, x.label, y.label)
    )
