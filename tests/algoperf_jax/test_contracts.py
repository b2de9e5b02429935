"""The contract's border: each break is an error that says what was expected and what was found."""

import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_jax import contracts
from algoperf_jax.errors import UserError
from algoperf_jax.workload import LossTerms


def test_equal_trees_pass():
    contracts.check_same_tree({"a": jnp.ones(3)}, {"a": jnp.zeros(3)}, "updates")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": jnp.ones(4)}, r"updates at \['a'\]: expected float32\[3\], found float32\[4\]"),
        ({"a": jnp.ones(3, int)}, r"expected float32\[3\], found int32\[3\]"),
        ({"b": jnp.ones(3)}, "expected"),
        ({}, r"expected float32\[3\], found nothing"),
    ],
)
def test_different_tree_is_named(found, message):
    with pytest.raises(UserError, match=message):
        contracts.check_same_tree(found, {"a": jnp.zeros(3)}, "updates")


def test_loss_terms_have_to_be_scalars():
    bad = LossTerms(jnp.zeros(2), jnp.float32(1), jnp.zeros(2))
    with pytest.raises(UserError, match="loss: summed"):
        contracts.check_loss_terms(bad, "loss")
    with pytest.raises(UserError, match="expected LossTerms, found float"):
        contracts.check_loss_terms(1.0, "loss")


def test_batch_needs_the_replica_axis():
    with pytest.raises(UserError, match=r"leaf \['x'\].*axis of 4, found shape \(3, 2\)"):
        contracts.check_batch({"x": np.zeros((3, 2))}, 4, "a batch")


def test_state_with_a_function_is_refused_with_its_path():
    with pytest.raises(UserError, match=r"\['inner'\]\[1\].*function"):
        contracts.check_arrays({"inner": [jnp.ones(1), lambda: 0]}, "state")


def test_missing_metric_is_named():
    with pytest.raises(UserError, match="expected 'b', found a"):
        contracts.check_keys({"a": 1}, ["a", "b"], "metrics")


def test_floats_that_became_wider_are_rounded_to_what_they_were():
    old = {"a": jnp.bfloat16(1), "b": jnp.float32(1), "n": jnp.int32(1)}
    new = {"a": jnp.float32(1 + 2**-10), "b": jnp.bfloat16(1), "n": jnp.float32(2)}
    found = contracts.with_types_of(old, new)
    assert (found["a"].dtype, float(found["a"])) == (jnp.bfloat16, 1.0)
    # Nothing else is: these are told to whoever made them.
    assert (found["b"].dtype, found["n"].dtype) == (jnp.bfloat16, jnp.float32)
    assert contracts.with_types_of(old, {"a": new["a"]}) == {"a": new["a"]}
