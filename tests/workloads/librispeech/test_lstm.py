"""The bidirectional LSTM against flax's cell, one step and one direction at a time."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from workloads.librispeech.lstm import bidirectional_lstm, reversed_in_time

EXAMPLES, STEPS, INPUTS, FEATURES = 3, 7, 5, 4
LENGTHS = np.array([7, 3, 0])


@pytest.fixture(scope="module")
def arrays():
    random = np.random.RandomState(0)
    shapes = [
        (EXAMPLES, STEPS, INPUTS),
        (2, INPUTS, 4 * FEATURES),
        (2, FEATURES, 4 * FEATURES),
        (2, 4 * FEATURES),
    ]
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def _with_flax(x, input_kernels, kernels, biases):
    """What flax's `OptimizedLSTMCell` computes, as the reference uses it."""
    cell = nn.OptimizedLSTMCell(FEATURES)
    directions = []
    for d in range(2):
        split = [np.split(x[d], 4, axis=-1) for x in (input_kernels, kernels, biases)]
        params = {}
        for gate, i, h, bias in zip("ifgo", *split, strict=True):
            params[f"i{gate}"] = {"kernel": i}
            params[f"h{gate}"] = {"kernel": h, "bias": bias}
        rows = []
        for row, length in zip(x, LENGTHS, strict=True):
            real, padding = row[:length], row[length:]
            if d == 1:
                # Real steps backwards, and padding behind them, in reverse too.
                real, padding = real[::-1], padding[::-1]
            carry, states = (jnp.zeros(FEATURES), jnp.zeros(FEATURES)), []
            for step in np.concatenate([real, padding]):
                carry, state = cell.apply({"params": params}, carry, step)
                states.append(state)
            states = np.array(states)
            if d == 1:
                states = np.concatenate([states[:length][::-1], states[length:][::-1]])
            rows.append(states)
        directions.append(np.array(rows))
    return np.concatenate(directions, axis=-1)


def test_states_are_those_of_flax(arrays):
    found = bidirectional_lstm(arrays[0], LENGTHS, *arrays[1:])
    np.testing.assert_allclose(found, _with_flax(*arrays), rtol=0, atol=2e-6)


def _plain(x, input_kernels, kernels, biases):
    """The formulas as a scan for each direction, for JAX to differentiate."""

    def direction(d):
        def step(carry, inputs):
            cell, state = carry
            summed = inputs @ input_kernels[d] + state @ kernels[d] + biases[d]
            i, f, g, o = jnp.split(summed, 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            state = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (cell, state), state

        zeros = jnp.zeros((EXAMPLES, FEATURES))
        inputs = reversed_in_time(x, LENGTHS) if d else x
        _, states = jax.lax.scan(step, (zeros, zeros), inputs.swapaxes(0, 1))
        return reversed_in_time(states.swapaxes(0, 1), LENGTHS) if d else states.swapaxes(0, 1)

    return jnp.concatenate([direction(0), direction(1)], axis=-1)


def test_gradients_are_those_of_the_formulas(arrays):
    weights = np.random.RandomState(1).standard_normal((EXAMPLES, STEPS, 2 * FEATURES))

    def gradients(function):
        def value(*arrays):
            return (function(*arrays) * weights).sum()

        return jax.jit(jax.grad(value, argnums=(0, 1, 2, 3)))(*arrays)

    found = gradients(lambda x, *rest: bidirectional_lstm(x, LENGTHS, *rest))
    for actual, expected in zip(found, gradients(_plain), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_reversal_keeps_padding_behind_and_undoes_itself():
    steps = np.tile(np.arange(5), (3, 1))[..., None]
    lengths = np.array([5, 2, 0])
    found = reversed_in_time(steps, lengths)
    assert found[..., 0].tolist() == [[4, 3, 2, 1, 0], [1, 0, 4, 3, 2], [4, 3, 2, 1, 0]]
    np.testing.assert_array_equal(reversed_in_time(found, lengths), steps)
