"""Derivatives through what a step is offered, on one device and on several, in all modes.

The reference is JAX's own derivative of the mean loss over all examples, without any mapping.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_runs import sgd
from toy_workload import apply, dataset, toy

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up

REPLICAS = 4
WORKLOAD = toy(default_dropout_rate=0.0)


def directions(params):
    """A tree like the parameters, of fixed numbers."""
    return jax.tree.map(
        lambda p: jnp.cos(jnp.arange(p.size, dtype=p.dtype)).reshape(p.shape), params
    )


def project(tree):
    """One number of a tree, to which all of it contributes."""
    return optax.tree.vdot(tree, jax.tree.map(lambda d: d + 0.5, directions(tree)))


def quantities(value, gradient, params):
    """Derivatives of `value` and `gradient`, functions of the parameters, by their names."""
    v = directions(params)
    along = lambda f: jax.jvp(f, (params,), (v,))[1]  # noqa: E731
    return {
        "value": value(params),
        "gradient": project(gradient(params)),
        "reverse": project(jax.grad(value)(params)),
        "forward": along(value),
        "reverse over reverse": project(
            jax.grad(lambda p: optax.tree.vdot(gradient(p), v))(params)
        ),
        "forward over reverse": project(along(gradient)),
        "reverse twice": project(
            jax.grad(lambda p: optax.tree.vdot(jax.grad(value)(p), v))(params)
        ),
        "forward over reversed value": project(along(jax.grad(value))),
        "side by side": jax.vmap(lambda a: value(jax.tree.map(lambda p, d: p + a * d, params, v)))(
            jnp.linspace(-0.1, 0.1, 3)
        ).sum(),
        "reverse side by side": jax.vmap(
            lambda a: project(jax.grad(value)(jax.tree.map(lambda p, d: p + a * d, params, v)))
        )(jnp.linspace(-0.1, 0.1, 3)).sum(),
        "reverse over forward": project(jax.grad(lambda p: jax.jvp(value, (p,), (v,))[1])(params)),
    }


def measured(step, devices):
    """The logs of one step on so many devices."""
    trial = set_up(WORKLOAD, sgd(step=step), Settings(replicas=REPLICAS))
    layout = Replicas(REPLICAS, tuple(jax.devices()[:devices]))
    trial = dataclasses.replace(trial, layout=layout)
    programs = Programs(trial)
    state = layout.put_state(trial.initial_state())
    _, logs = programs.step(None)(state, next(trial.training_batches()), programs.inputs(0.0))
    return layout.fetch_scalars(logs)


def mean_loss(params, model_state, batch, smoothing=0.0):
    """Over all examples of all replicas, which do not know of each other here."""
    joined = {name: x.reshape(-1, *x.shape[2:]) for name, x in batch.items()}
    outputs, _ = apply(
        params, model_state, joined, rng=None, train=False, dropout_rate=0.0, batch_norm="running"
    )
    losses = joined["weights"] * (outputs - (1 - smoothing) * joined["y"]) ** 2
    return losses.sum() / joined["weights"].sum(), losses


@pytest.fixture(scope="module")
def start():
    """The initial model and the first batch, `[replicas, ...]`."""
    trial = set_up(WORKLOAD, sgd(), Settings(replicas=REPLICAS))
    batch = next(dataset("train", None, BatchShare.whole(32, REPLICAS), seed=trial.data_seed))
    state = trial.initial_state()
    return state.params, state.model_state, batch


@pytest.fixture(scope="module")
def expected(start):
    """The quantities without any mapping."""
    params, model_state, batch = start

    def value(params):
        return mean_loss(params, model_state, batch)[0]

    found = jax.jit(lambda p: quantities(value, jax.grad(value), p))(params)
    return {name: float(number) for name, number in found.items()}


def assert_close(found, expected):
    for name, number in expected.items():
        assert found[name] == pytest.approx(number, rel=2e-4, abs=1e-6), name


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_derivatives_of_value_and_gradient_in_a_custom_step(devices, expected):
    def step(context, state, batch, rng):
        def value(params):
            return context.value(params, state.model_state, batch, rng, batch_norm="running").loss

        def gradient(params):
            return context.value_and_grad(
                params, state.model_state, batch, rng, batch_norm="running"
            ).grads

        return state, {"loss": 0.0, **quantities(value, gradient, state.params)}

    assert_close(measured(step, devices), expected)


def offered(devices):
    """The quantities of what an update is offered, on so many devices."""

    def optimizer(hp, problem):
        def update(updates, state, params, *, value_fn, grad_fn):
            return updates, quantities(value_fn, grad_fn, params)

        def init(params):
            found = jax.eval_shape(lambda p: quantities(project, lambda p: p, p), params)
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), found)

        return optax.GradientTransformationExtraArgs(init, update)

    trial = set_up(WORKLOAD, sgd(optimizer=optimizer), Settings(replicas=REPLICAS))
    layout = Replicas(REPLICAS, tuple(jax.devices()[:devices]))
    trial = dataclasses.replace(trial, layout=layout)
    programs = Programs(trial)
    state = layout.put_state(trial.initial_state())
    batch = next(trial.training_batches())
    state, _ = programs.step(None)(state, batch, programs.inputs(0.0))
    numbers = layout.fetch_state(state).opt_state
    return {name: float(number) for name, number in numbers.items()}


def test_derivatives_of_what_an_update_is_offered_are_the_same_on_two_devices():
    """Those functions take the statistics of each replica, so there is no simple reference."""
    on_one = offered(1)
    assert on_one["reverse"] == pytest.approx(on_one["gradient"], rel=1e-5)
    assert on_one["reverse over reverse"] == pytest.approx(on_one["forward over reverse"], rel=1e-3)
    assert_close(offered(2), on_one)


@pytest.mark.parametrize("devices", [1, 2])
def test_derivatives_by_numbers_and_through_single_losses(devices, start):
    params, model_state, batch = start
    weights = np.cos(np.arange(32, dtype=np.float32))

    def step(context, state, batch, rng):
        def value(smoothing):
            return context.value(
                state.params,
                state.model_state,
                batch,
                rng,
                batch_norm="running",
                label_smoothing=smoothing,
            ).loss

        def weighted(params):
            found = context.value(
                params, state.model_state, batch, rng, batch_norm="running", per_example=True
            )
            return (found.per_example.ravel() * weights).sum()

        return state, {
            "loss": 0.0,
            "smoothing": jax.grad(value)(jnp.float32(0.1)),
            "single": project(jax.grad(weighted)(state.params)),
        }

    smoothing = jax.grad(lambda s: mean_loss(params, model_state, batch, s)[0])(jnp.float32(0.1))
    single = jax.grad(lambda p: (mean_loss(p, model_state, batch)[1] * weights).sum())(params)
    assert_close(
        measured(step, devices), {"smoothing": float(smoothing), "single": float(project(single))}
    )
