"""Activation functions by name, against their formulas in float64."""

import math

import numpy as np
import pytest

from algoperf_jax.nn.activations import ACTIVATIONS, activation

FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_is_that_of_its_formula(name):
    x = np.linspace(-4, 4, 41)
    expected = [FORMULAS[name](value) for value in x]
    np.testing.assert_allclose(activation(name)(np.float32(x)), expected, atol=2e-6)


def test_unknown_name_is_an_error_with_the_names_there_are():
    with pytest.raises(ValueError, match="'swish'; there are relu, gelu, silu, tanh"):
        activation("swish")
