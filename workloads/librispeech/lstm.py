"""A bidirectional LSTM layer (Hochreiter & Schmidhuber 1997), fast on whole sequences.

What does not depend on the step before is computed for all steps at once, outside the loop: the
products of the inputs before it, and the gradients of the kernels behind it. Both directions go
through one loop.

Axis letters in names of arrays:
  T  steps
  R  directions, 2
  N  examples of the batch
  D  features of the input
  H  features of the state
  G  gates in the order input, forget, cell, output, 4 H
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

STEPS_PER_ITERATION = 4  # of the loop over time


def bidirectional_lstm(
    x_NxTxD: jax.Array,
    lengths: jax.Array,
    input_kernels_RxDxG: jax.Array,
    kernels_RxHxG: jax.Array,
    biases_RxG: jax.Array,
) -> jax.Array:
    """Runs an LSTM forwards and another one backwards over each sequence.

    The state begins with zeros. Padding comes behind the real part in both directions, so it does
    not reach a real frame; what comes out of it is of no use.

        input, forget, output = sigmoid(...),  cell = tanh(...)   of x W + h V + b
        c = forget * c + input * cell
        h = output * tanh(c)

    Args:
      x_NxTxD: float32 inputs.
      lengths: int `[N]`, real steps of each example.
      input_kernels_RxDxG: W of the forward and of the backward direction.
      kernels_RxHxG: V.
      biases_RxG: b.

    Returns:
      float32 `[N, T, 2 H]`, the states h of the forward and of the backward direction.
    """
    examples, steps, _ = x_NxTxD.shape
    flat = x_NxTxD.reshape(examples * steps, -1)
    forwards, backwards = (
        (flat @ kernel + bias).reshape(examples, steps, -1)
        for kernel, bias in zip(input_kernels_RxDxG, biases_RxG, strict=True)
    )
    inputs = jnp.stack([forwards, reversed_in_time(backwards, lengths)]).transpose(2, 0, 1, 3)
    states_TxRxNxH = _states(inputs, kernels_RxHxG)
    forwards, backwards = states_TxRxNxH.transpose(1, 2, 0, 3)
    return jnp.concatenate([forwards, reversed_in_time(backwards, lengths)], axis=-1)


def reversed_in_time(x_NxTxF: jax.Array, lengths: jax.Array) -> jax.Array:
    """Each sequence with its real part reversed, and what lies behind it, too.

    Twice, it gives back what it was given.

    Args:
      x_NxTxF: `[N, T, ...]`.
      lengths: int `[N]`, real steps of each example.
    """
    steps = x_NxTxF.shape[1]
    places_NxT = (steps - 1 - jnp.arange(steps) + lengths[:, None]) % steps
    return jnp.take_along_axis(x_NxTxF, places_NxT[..., None], axis=1)


class _Saved(NamedTuple):
    """What the backward pass needs of every step."""

    gates_TxRxNxG: jax.Array
    cells_TxRxNxH: jax.Array
    states_TxRxNxH: jax.Array


@jax.custom_vjp
def _states(inputs_TxRxNxG: jax.Array, kernels_RxHxG: jax.Array) -> jax.Array:
    """The states of all steps from the inputs' part of the gates, `[T, R, N, H]`."""
    return _forward(inputs_TxRxNxG, kernels_RxHxG)[0]


def _forward(
    inputs_TxRxNxG: jax.Array, kernels_RxHxG: jax.Array
) -> tuple[jax.Array, tuple[_Saved, jax.Array]]:
    directions, features, _ = kernels_RxHxG.shape
    zeros = jnp.zeros((directions, inputs_TxRxNxG.shape[2], features), inputs_TxRxNxG.dtype)

    def step(carry: tuple[jax.Array, jax.Array], inputs: jax.Array) -> Any:
        cell, state = carry
        summed = inputs + _products(state, kernels_RxHxG)
        gates = _activated(summed)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        cell = f * cell + i * g
        state = o * jnp.tanh(cell)
        return (cell, state), _Saved(gates, cell, state)

    _, saved = jax.lax.scan(step, (zeros, zeros), inputs_TxRxNxG, unroll=STEPS_PER_ITERATION)
    return saved.states_TxRxNxH, (saved, kernels_RxHxG)


def _activated(summed: jax.Array) -> jax.Array:
    """All four gates from their sums, `[..., 4 H]`."""
    i, f, g, o = jnp.split(summed, 4, axis=-1)
    return jnp.concatenate(
        [jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)], axis=-1
    )


def _backward(residuals: tuple[_Saved, jax.Array], d_states: jax.Array) -> tuple[Any, Any]:
    saved, kernels_RxHxG = residuals
    transposed_RxGxH = kernels_RxHxG.transpose(0, 2, 1)
    cells_before = jnp.pad(saved.cells_TxRxNxH, ((1, 0), (0, 0), (0, 0), (0, 0)))[:-1]
    zeros = jnp.zeros_like(d_states[0])

    def step(carry: tuple[jax.Array, jax.Array], at: Any) -> Any:
        d_cell, d_state = carry
        gates, cell, cell_before, d_output = at
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        d_state = d_state + d_output
        tanh_cell = jnp.tanh(cell)
        d_cell = d_cell + d_state * o * (1 - tanh_cell * tanh_cell)
        d_summed = jnp.concatenate(
            [
                d_cell * g * i * (1 - i),
                d_cell * cell_before * f * (1 - f),
                d_cell * i * (1 - g * g),
                d_state * tanh_cell * o * (1 - o),
            ],
            axis=-1,
        )
        return (d_cell * f, _products(d_summed, transposed_RxGxH)), d_summed

    _, d_inputs = jax.lax.scan(
        step,
        (zeros, zeros),
        (saved.gates_TxRxNxG, saved.cells_TxRxNxH, cells_before, d_states),
        reverse=True,
        unroll=STEPS_PER_ITERATION,
    )
    states_before = jnp.pad(saved.states_TxRxNxH, ((1, 0), (0, 0), (0, 0), (0, 0)))[:-1]
    directions, features, gates = kernels_RxHxG.shape
    d_kernels = jnp.stack(
        [
            states_before[:, r].reshape(-1, features).T @ d_inputs[:, r].reshape(-1, gates)
            for r in range(directions)
        ]
    )
    return d_inputs, d_kernels


def _products(x_RxNxF: jax.Array, kernels_RxFxP: jax.Array) -> jax.Array:
    """The product of each direction on its own, `[R, N, P]`.

    XLA on CPUs computes two small products in a loop faster than one with a batch axis.
    """
    return jnp.stack([x @ kernel for x, kernel in zip(x_RxNxF, kernels_RxFxP, strict=True)])


_states.defvjp(_forward, _backward)
