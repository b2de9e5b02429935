"""Dropout with a traced rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_jax.nn.dropout import Dropout, dropout

KEY = jax.random.key(3)


def _normal(shape):
    return jax.random.normal(jax.random.key(7), shape)


def test_traced_rate_zero_is_no_dropout_bit_for_bit():
    x = _normal((64, 33))
    dropped = jax.jit(dropout)(x, jnp.float32(0.0), KEY)
    np.testing.assert_array_equal(dropped, x)


def test_traced_rate_zero_leaves_gradients_unchanged_bit_for_bit():
    x = _normal((64, 33))
    grad = jax.jit(jax.grad(lambda x, rate: jnp.sum(dropout(x, rate, KEY) ** 2)))
    np.testing.assert_array_equal(grad(x, 0.0), 2 * x)


def test_kept_elements_are_divided_by_keep_probability():
    x = _normal((100, 100))
    dropped = np.asarray(dropout(x, 0.3, KEY))
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], np.asarray(x)[kept] / 0.7, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_dropped_elements_is_the_rate(rate):
    n = 40_000
    dropped = np.asarray(dropout(jnp.ones(n), rate, KEY))
    standard_error = np.sqrt(rate * (1 - rate) / n)
    assert abs(np.mean(dropped == 0) - rate) < 5 * standard_error


def test_rate_one_gives_zeros_and_finite_gradients():
    x = _normal((8, 8))
    value, grad = jax.value_and_grad(lambda x, r: jnp.sum(dropout(x, r, KEY)))(x, jnp.float32(1))
    assert value == 0
    np.testing.assert_array_equal(grad, jnp.zeros_like(x))


def test_rates_share_one_compiled_program():
    traces = []

    @jax.jit
    def run(rate):
        traces.append(rate)
        return dropout(jnp.ones(16), rate, KEY)

    run(0.1), run(0.2), run(0.0)
    assert len(traces) == 1


def test_dtype_is_that_of_the_input():
    assert dropout(jnp.ones(4, jnp.bfloat16), jnp.float32(0.5), KEY).dtype == jnp.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_python_rate_outside_the_unit_interval_is_refused(rate):
    with pytest.raises(ValueError, match="dropout rate"):
        dropout(jnp.ones(4), rate, KEY)


def test_module_matches_the_function_statistically_and_depends_on_its_key():
    x = jnp.ones(10_000)
    masks = [
        Dropout().apply({}, x, 0.25, deterministic=False, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 1)
    ]
    assert abs(np.mean(np.asarray(masks[0]) == 0) - 0.25) < 0.03
    assert not np.array_equal(masks[0], masks[1])


@pytest.mark.parametrize(("rate", "deterministic"), [(0.5, True), (0, False), (0.0, False)])
def test_module_without_dropout_needs_no_random_stream(rate, deterministic):
    x = _normal((5, 5))
    np.testing.assert_array_equal(Dropout().apply({}, x, rate, deterministic=deterministic), x)


def test_module_has_no_parameters():
    assert Dropout().init(KEY, jnp.ones(3), 0.5, deterministic=True) == {}
