"""The training step as submissions meet it, on a toy workload."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_runs import OUT_OF_REACH, run, sgd
from toy_workload import TrainBatches, toy

from algoperf_jax.trial.setup import Settings
from algoperf_jax.trial.training import train


def test_wrong_updates_fail_with_what_was_expected():
    def half(hp, problem):
        return optax.stateless(lambda g, p: jax.tree.map(lambda x: x.astype(jnp.float16), g))

    result = run(submission=sgd(optimizer=half))
    assert "expected float32" in result.outcome.reason
    assert "found float16" in result.outcome.reason


def test_batch_without_the_replica_axis_fails_with_its_shape():
    class Flat(TrainBatches):
        def __next__(self):
            return {k: v.reshape(-1, *v.shape[2:]) for k, v in super().__next__().items()}

    def flat(split, source, *, batch_size, replicas, seed, replica_slice=None):
        return Flat(batch_size, replicas, seed, replica_slice)

    result = run(toy(dataset=flat))
    assert "leading replica axis of 2, found shape (32" in result.outcome.reason


def test_all_extra_arguments_are_offered():
    seen = {}

    def transformation(hp, problem):
        def update(updates, state, params, **extra):
            seen.update(extra)
            at_params = extra["value_fn"](params)
            again = extra["grad_fn"](params, 0)
            distance = optax.tree.norm(optax.tree.sub(again, extra["grad"]))
            return jax.tree.map(lambda g: -0.01 * g, updates), (at_params, distance)

        init = lambda params: (jnp.float32(0), jnp.float32(0))  # noqa: E731
        return optax.GradientTransformationExtraArgs(init, update)

    result = run(submission=sgd(optimizer=transformation), max_steps=1)
    assert result.outcome.status == "training complete", result.traceback
    assert set(seen) == {
        "value",
        "grad",
        "value_fn",
        "grad_fn",
        "step",
        "rng",
        "knobs",
        "elapsed_fraction",
    }
    value, distance = result.state.opt_state
    # Same parameters, batch and key: the second gradient is the first one.
    assert distance == pytest.approx(0.0, abs=1e-6)
    assert value == pytest.approx(float(result.ledger.measurements[0]["loss"]), rel=1e-5)


def test_transformation_takes_only_the_arguments_it_names():
    def transformation(hp, problem):
        def update(updates, state, params, *, value):
            return jax.tree.map(lambda g: -0.01 * g, updates), value

        return optax.GradientTransformationExtraArgs(lambda params: jnp.float32(0), update)

    result = run(submission=sgd(optimizer=transformation), max_steps=1)
    assert result.state.opt_state == pytest.approx(result.ledger.measurements[0]["loss"])


def test_gradient_clipping_in_the_benchmark_s_form():
    # One SGD step from the same start: the clipped step is the plain one times c / (norm + 1e-6).
    start = run(max_steps=1, hyperparameters={"learning_rate": 0.0}).state.params
    plain = run(max_steps=1)
    norm = plain.ledger.measurements[0]["grad_norm"]
    clipping = sgd(hyperparameters={"learning_rate": 0.05, "grad_clip": 0.5})
    clipped = run(submission=clipping, max_steps=1).state.params
    factor = 0.5 / (norm + 1e-6)
    for s, p, c in zip(*map(jax.tree.leaves, (start, plain.state.params, clipped)), strict=True):
        np.testing.assert_allclose(c - s, factor * (p - s), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("replicas", [1, 2, 8])
def test_gradient_of_value_fn_is_the_gradient(replicas):
    # 8 replicas are 8 devices here: a derivative through their reduction would be 8 times larger.
    def transformation(hp, problem):
        def update(updates, state, params, *, value_fn, grad_fn):
            error = optax.tree.sub(jax.grad(value_fn)(params), grad_fn(params, 0))
            return jax.tree.map(lambda g: -0.01 * g, updates), optax.tree.norm(error)

        return optax.GradientTransformationExtraArgs(lambda params: jnp.float32(0), update)

    settings = Settings(replicas=replicas, max_steps=1)
    result = train(toy(target=OUT_OF_REACH), sgd(optimizer=transformation), settings)
    assert result.state.opt_state == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda hp, problem: optax.lbfgs(),
        lambda hp, problem: optax.chain(
            optax.sgd(0.1), optax.scale_by_backtracking_linesearch(max_backtracking_steps=5)
        ),
        lambda hp, problem: optax.contrib.sam(
            optax.adam(1e-2),
            optax.chain(optax.contrib.normalize(), optax.sgd(0.05)),
            sync_period=2,
            opaque_mode=True,
        ),
        lambda hp, problem: optax.MultiSteps(optax.adam(1e-2), 2).gradient_transformation(),
        lambda hp, problem: optax.inject_hyperparams(optax.adam)(learning_rate=0.1),
    ],
    ids=["lbfgs", "backtracking", "sam", "multi_steps", "inject_hyperparams"],
)
def test_optax_s_own_transformations_work_as_they_are(optimizer):
    result = run(submission=sgd(optimizer=optimizer), max_steps=3)
    assert result.outcome.status == "training complete", result.traceback


def test_counter_in_the_model_state_stays_a_counter():
    base = toy(target=OUT_OF_REACH)

    def init(rng):
        params, model_state = base.init(rng)
        return params, {**model_state, "count": jnp.int32(0)}

    def apply(params, model_state, batch, **options):
        outputs, new = base.apply(params, model_state, batch, **options)
        return outputs, {**new, "count": model_state["count"] + 1}

    workload = dataclasses.replace(base, init=init, apply=apply)
    assert run(workload, max_steps=3).state.model_state["count"] == 3


@pytest.mark.parametrize("function", ["value_and_grad", "value"])
def test_unknown_mode_of_batch_norm_is_refused_with_those_there_are(function):
    def step(context, state, batch, rng):
        found = getattr(context, function)(
            state.params, state.model_state, batch, rng, batch_norm="train"
        )
        return state, {"loss": found.loss}

    reason = run(submission=sgd(step=step)).outcome.reason
    assert "batch_norm: 'train' given, it is one of update, batch, running" in reason


def test_step_without_a_loss_in_its_logs_is_told_so():
    step = lambda context, state, batch, rng: (state, {})  # noqa: E731
    assert "expected 'loss'" in run(submission=sgd(step=step)).outcome.reason
