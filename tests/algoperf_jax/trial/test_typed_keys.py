"""Optimizers that draw at random: typed keys in their state, as optax makes them.

Checked against a plain loop over optax, and against the same trial without a break.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from interruptions import Interrupt, InterruptIn
from toy_runs import OUT_OF_REACH, run, sgd
from toy_workload import toy

from algoperf_jax.control import Control, Directive
from algoperf_jax.trial.typed_keys import as_keys, as_numbers

OPTIMIZERS = {
    "noisy_sgd": lambda hp, problem: optax.noisy_sgd(0.05, key=jax.random.key(3)),
    "add_noise": lambda hp, problem: optax.chain(
        optax.add_noise(0.1, 0.5, key=jax.random.key(4, impl="rbg")), optax.sgd(0.05)
    ),
}
SETTINGS = {"max_steps": 6, "eval_every_steps": 2}


def trained(state):
    """The numbers of a state, keys included."""
    return jax.tree.map(np.asarray, as_numbers(state))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_trial_goes_on_after_a_break_as_without_one(tmp_path, name):
    submission = sgd(optimizer=OPTIMIZERS[name])
    unbroken = run(submission=submission, **SETTINGS)
    assert unbroken.outcome.status == "training complete", unbroken.traceback
    with pytest.raises(Interrupt):
        run(submission=submission, folder=tmp_path, reporter=InterruptIn(5), **SETTINGS)
    resumed = run(submission=submission, folder=tmp_path, **SETTINGS)
    assert resumed.ledger.preemption_count == 1
    jax.tree.map(np.testing.assert_array_equal, trained(resumed.state), trained(unbroken.state))
    assert jax.tree.structure(resumed.state) == jax.tree.structure(unbroken.state)


def test_the_updates_are_those_of_optax():
    noise = optax.add_noise(0.1, 0.5, key=jax.random.key(3))
    optimizer = optax.chain(optax.scale(0.0), noise)  # the noise alone: what is drawn is known
    result = run(submission=sgd(optimizer=lambda hp, problem: optimizer), max_steps=3)
    start = run(
        submission=sgd(optimizer=lambda hp, problem: optax.sgd(0.0)), max_steps=3
    ).state.params
    params, state = start, optimizer.init(start)
    for _ in range(3):
        updates, state = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = optax.apply_updates(params, updates)
    jax.tree.map(
        lambda found, right: np.testing.assert_allclose(found, right, atol=1e-6),
        result.state.params,
        params,
    )


def test_hooks_see_and_set_keys():
    seen = []

    def is_key(state):
        return jnp.issubdtype(state.opt_state[0].rng_key.dtype, jax.dtypes.prng_key)

    def decide(progress):
        seen.append(is_key(progress.state()) and is_key(progress.initial_state()))
        return Directive(state=progress.initial_state())

    def view(state, hp):
        seen.append(is_key(state))
        return state.params, state.model_state

    optimizer = OPTIMIZERS["noisy_sgd"]
    submission = sgd(optimizer=optimizer, control=Control(decide, every_steps=3), eval_view=view)
    result = run(toy(target=OUT_OF_REACH), submission, max_steps=3, eval_every_steps=3)
    assert result.outcome.status == "training complete", result.traceback
    assert len(seen) >= 2 and all(seen)
    assert is_key(result.state)
    once = run(submission=sgd(optimizer=optimizer), max_steps=1).state.opt_state[0].rng_key
    assert not (jax.random.key_data(once) == jax.random.key_data(jax.random.key(3))).all()
    restarted = jax.random.key_data(result.state.opt_state[0].rng_key)
    np.testing.assert_array_equal(restarted, jax.random.key_data(jax.random.key(3)))


def test_numbers_and_keys_are_each_other_s_inverse():
    tree = {"key": jax.random.key(1), "keys": jax.random.split(jax.random.key(2), 3), "x": 1.0}
    back = as_keys(as_numbers(tree))
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.all(a == b), back, tree))
