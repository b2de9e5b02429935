"""Transformations that need an adapter: the hint that names it, and what it computes.

What is right says optax itself, in a plain loop without the kit.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_runs import run, sgd

from algoperf_jax.adapters import named_arguments, with_slow_params
from algoperf_jax.errors import UserError

ADVERSARY = optax.chain(optax.contrib.normalize(), optax.sgd(0.05))


def opaque_sam():
    return optax.contrib.sam(optax.adam(1e-2), ADVERSARY, sync_period=2, opaque_mode=True)


def outcome_of(optimizer, **settings):
    return run(submission=sgd(optimizer=lambda hp, problem: optimizer), max_steps=4, **settings)


def assert_same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


@pytest.mark.parametrize(
    "optimizer, adapter",
    [
        (lambda: optax.chain(optax.identity(), opaque_sam()), "algoperf_jax.named_arguments(...)"),
        (lambda: optax.lookahead(optax.sgd(0.1), 2, 0.5), "algoperf_jax.with_slow_params(...)"),
        (lambda: optax.contrib.sophia(1e-2), 'named_arguments(..., obj_fn="value_fn")'),
    ],
    ids=["closed_in_a_chain", "lookahead", "sophia"],
)
def test_what_does_not_fit_is_told_its_adapter(optimizer, adapter):
    result = outcome_of(optimizer())
    assert result.outcome.status == "failed"
    assert adapter in result.outcome.reason
    assert "in the submission's optimizer" in result.outcome.reason


def test_a_closed_signature_in_a_chain_is_as_outside_of_it():
    inside = outcome_of(optax.chain(optax.identity(), named_arguments(opaque_sam())))
    assert inside.outcome.status == "training complete", inside.traceback
    assert_same(inside.state.params, outcome_of(opaque_sam()).state.params, rtol=1e-6)


def test_sophia_estimates_the_curvature_of_the_loss_that_is_offered():
    optimizer = named_arguments(optax.contrib.sophia(1e-2), obj_fn="value_fn")
    result = outcome_of(optimizer)
    assert result.outcome.status == "training complete", result.traceback
    diagonal = jax.tree.leaves(result.state.opt_state[0].nu)
    assert max(float(abs(leaf).max()) for leaf in diagonal) > 0


def test_lookahead_is_that_of_optax():
    """Against optax's own pair of parameters on a quadratic."""
    lookahead = optax.lookahead(optax.sgd(0.3), sync_period=2, slow_step_size=0.5)
    params = {"w": jnp.array([1.0, -2.0])}
    pair = optax.LookaheadParams.init_synced(params)
    adapted = with_slow_params(lookahead)
    state, own = lookahead.init(pair), adapted.init(params)
    for _ in range(5):
        updates, state = lookahead.update(pair.fast, state, pair)
        pair = optax.apply_updates(pair, updates)
        updates, own = adapted.update(params, own, params)
        params = optax.apply_updates(params, updates)
        assert_same((params, own.slow), (pair.fast, pair.slow), rtol=1e-6)


def test_lookahead_s_slow_parameters_can_be_evaluated():
    seen = []

    def view(state, hp):
        seen.append(jax.tree.structure(state.opt_state.slow) == jax.tree.structure(state.params))
        return state.opt_state.slow, state.model_state

    optimizer = with_slow_params(optax.lookahead(optax.sgd(0.1), 2, 0.5))
    submission = sgd(optimizer=lambda hp, problem: optimizer, eval_view=view)
    assert run(submission=submission, max_steps=3).outcome.status == "training complete"
    assert seen == [True]


def test_an_argument_that_is_not_offered_is_refused_with_those_that_are():
    optimizer = named_arguments(optax.contrib.sophia(1e-2), obj_fn="loss_fn")
    reason = outcome_of(optimizer).outcome.reason
    assert reason.startswith("named_arguments: obj_fn='loss_fn' given, offered are value, grad,")
    with pytest.raises(UserError):
        optimizer.update({}, optimizer.init({}), {}, value=0.0)


def test_another_unexpected_argument_is_the_user_s_own_mistake():
    def update(grads, state, params=None):
        return jax.tree.map(lambda g: jnp.sum(g, axes=0), grads), state

    reason = outcome_of(optax.GradientTransformation(lambda params: (), update)).outcome.reason
    assert "named_arguments" not in reason
    assert "test_adapters.py, line" in reason


def test_the_first_three_arguments_may_be_called_as_what_is_offered():
    def update(grad, value, step=None):
        return jax.tree.map(lambda g: -0.01 * g, grad), value

    result = outcome_of(optax.GradientTransformation(lambda params: (), update))
    assert result.outcome.status == "training complete", result.traceback
