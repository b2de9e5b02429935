"""Losses and weights as terms that add up."""

import jax
import numpy as np

from algoperf_jax.nn.loss_terms import loss_terms

LOSSES = np.array([[1.0, 2.0], [3.0, np.nan]], np.float32)
WEIGHTS = np.array([[1, 0], [1, 0]])


def test_what_has_weight_zero_does_not_count_even_if_it_is_no_number():
    terms = loss_terms(LOSSES, WEIGHTS)
    assert (float(terms.summed), float(terms.n_valid)) == (4.0, 2.0)
    assert terms.per_example.tolist() == [[1.0, 0.0], [3.0, 0.0]]
    assert {x.dtype.name for x in terms} == {"float32"}


def test_gradient_of_what_does_not_count_is_zero():
    slopes = jax.grad(lambda x: loss_terms(x, WEIGHTS).summed)(LOSSES)
    assert slopes.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_fractional_weights_count_in_part():
    terms = loss_terms(np.float32([2.0, 4.0]), np.float32([0.5, 1.0]))
    assert (float(terms.summed), float(terms.n_valid)) == (5.0, 1.5)
