"""The training step as submissions meet it, on a toy workload."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from fake_time import FakeTime
from toy_runs import OUT_OF_REACH, run, sgd, slow_selection
from toy_workload import TrainBatches, apply, dataset, toy

from algoperf_jax.control import Control
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.submission import Objective
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up
from algoperf_jax.trial.training import train
from algoperf_jax.workload import LossTerms


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

    def flat(split, data, share, *, seed):
        return Flat(share, seed)

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


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_step_descends_the_mean_loss_over_the_entries_that_count(label_smoothing, tmp_path):
    # The reference: losses of the replicas one by one, their sum over the sum of all weights.
    workload = toy(target=OUT_OF_REACH, default_dropout_rate=0.0)
    submission = sgd(hyperparameters={"learning_rate": 1.0, "label_smoothing": label_smoothing})
    trial = set_up(workload, submission, Settings(replicas=2), tmp_path)
    batches = next(dataset("train", None, BatchShare.whole(32, 2), seed=trial.data_seed))
    _, params, model_state, _ = trial.initial_state()

    def mean_loss(params):
        summed = 0.0
        for i in range(2):
            batch = {name: values[i] for name, values in batches.items()}
            options = {"train": False, "dropout_rate": 0.0, "batch_norm": "batch"}
            outputs, _ = apply(params, model_state, batch, rng=None, **options)
            target = (1 - label_smoothing) * batch["y"]
            summed += (batch["weights"] * (outputs - target) ** 2).sum()
        return summed / batches["weights"].sum()

    value, grads = jax.value_and_grad(mean_loss)(params)
    result = run(workload, submission, max_steps=1)
    assert result.ledger.logs["loss"] == pytest.approx(float(value), rel=1e-5)
    expected = jax.tree.map(lambda p, g: p - g, params, grads)
    for x, y in zip(*map(jax.tree.leaves, (result.state.params, expected)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("hyperparameters", "rate"),
    [
        ({}, 0.1),
        ({"dropout_rate": None}, 0.1),
        ({"dropout_rate": 0.0}, 0.0),
        ({"dropout_rate": 0.5}, 0.5),
    ],
)
def test_dropout_rate_is_the_point_s_or_else_the_workload_s(hyperparameters, rate):
    rates = set()

    def noting(*args, dropout_rate, **options):
        rates.add(dropout_rate)
        return apply(*args, dropout_rate=dropout_rate, **options)

    submission = sgd(hyperparameters={"learning_rate": 0.1, **hyperparameters})
    run(toy(target=OUT_OF_REACH, apply=noting), submission, max_steps=1)
    assert rates == {rate}


def drawing(params, model_state, batch, *, rng, **options):
    """A model whose outputs are one random number of its replica."""
    return jax.random.uniform(rng) * jnp.ones_like(batch["y"]), model_state


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_every_step_and_replica_draws_numbers_of_its_own(devices, tmp_path):
    def outputs(outputs, batch, *, label_smoothing):
        return LossTerms(outputs.sum(), batch["weights"].sum(), outputs)

    def step(context, state, batch, rng):
        arguments = state.params, state.model_state, batch, rng
        draws = context.value(*arguments, per_example=True).per_example[:, 0]
        return state, {"loss": draws.sum(), **{str(i): draw for i, draw in enumerate(draws)}}

    workload = toy(apply=drawing, loss=outputs)
    trial = set_up(workload, sgd(step=step), Settings(replicas=4), tmp_path)
    layout = Replicas(4, tuple(jax.devices()[:devices]))
    programs = Programs(dataclasses.replace(trial, layout=layout))
    stream = dataclasses.replace(trial, layout=layout).training_batches()
    state, draws = layout.put_state(trial.initial_state()), []
    for _ in range(3):
        state, logs = programs.step(None)(state, next(stream), programs.inputs(0.0))
        draws += [layout.fetch_scalars(logs)[str(i)] for i in range(4)]
    assert len(set(draws)) == 12


def test_optimizer_cannot_meet_the_draws_of_a_replica():
    # A transformation may fold numbers into its key as well as the kit does for replicas.
    def transformation(hp, problem):
        def update(updates, state, params, *, rng):
            return updates, jax.random.uniform(jax.random.fold_in(rng, 0))

        return optax.GradientTransformationExtraArgs(lambda params: jnp.float32(0), update)

    def loss_of_draws(outputs, batch, *, label_smoothing):
        return LossTerms(outputs.sum(), jnp.float32(outputs.size), outputs)

    workload = toy(target=OUT_OF_REACH, apply=drawing, loss=loss_of_draws)
    result = run(workload, sgd(optimizer=transformation), replicas=1, max_steps=1)
    assert result.ledger.logs["loss"] != pytest.approx(float(result.state.opt_state), abs=1e-6)


def test_schedules_of_the_objective_see_step_and_knobs():
    # The rate of the clipping is next to 0 at every step but the second: only that one moves.
    def objective(hyperparameters):
        return Objective(
            dropout_rate=0.0, grad_clip=lambda step, knobs: jnp.where(step == 1, knobs["c"], 1e-12)
        )

    def distance(knob, max_steps):
        control = Control(lambda progress: None, every_steps=1, knobs={"c": knob})
        moved = run(
            submission=sgd(objective=objective, control=control, optimizer=unit_rate),
            max_steps=max_steps,
        )
        start = run(max_steps=1, hyperparameters={"learning_rate": 0.0})
        return float(optax.tree.norm(optax.tree.sub(moved.state.params, start.state.params)))

    def unit_rate(hp, problem):
        return optax.sgd(1.0)

    assert distance(0.01, max_steps=1) == pytest.approx(0, abs=1e-6)
    # A clipped gradient is as long as the limit is, to the 1e-6 of the benchmark's form.
    assert distance(0.01, max_steps=3) == pytest.approx(0.01, rel=1e-3)


OUT_OF_RANGE = [
    ("grad_clip", -1.0, "grad_clip is a number above 0, or None; it is -1.0"),
    ("grad_clip", 0.0, "grad_clip is a number above 0, or None; it is 0.0"),
    ("grad_clip", False, "grad_clip is a number above 0, or None; it is False"),
    ("grad_clip", float("nan"), "grad_clip is a number above 0, or None; it is nan"),
    ("label_smoothing", 1.5, "label_smoothing is a number at least 0 and below 1; it is 1.5"),
    ("label_smoothing", -0.5, "label_smoothing is a number at least 0 and below 1; it is -0.5"),
    ("label_smoothing", None, "label_smoothing is a number at least 0 and below 1; it is None"),
    ("dropout_rate", 1.0, "dropout_rate is a number at least 0 and below 1, or None; it is 1.0"),
    ("dropout_rate", "a", "dropout_rate is a number at least 0 and below 1, or None; it is 'a'"),
]


@pytest.mark.parametrize(("name", "value", "message"), OUT_OF_RANGE)
def test_objective_out_of_range_is_refused_before_training(name, value, message):
    submission = sgd(objective=lambda hyperparameters: Objective(**{name: value}))
    with pytest.raises(UserError, match=re.escape(f"the objective's {message}")):
        run(submission=submission, max_steps=1)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("name", "value"), [("grad_clip", -1.0), ("label_smoothing", 1.5)])
def test_schedule_out_of_range_fails_the_trial(name, value, traced):
    def schedule(step, knobs):
        return jnp.where(step < 2, 0.5, value) if traced else value

    submission = sgd(objective=lambda hyperparameters: Objective(**{name: schedule}))
    outcome = run(submission=submission, max_steps=6).outcome
    assert outcome.status == "failed"
    assert f"the objective's {name} is a number" in outcome.reason
    assert f"it is {value}" in outcome.reason


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (lambda hyperparameters: {"grad_clip": 1.0}, "expected an Objective from its objective"),
        (lambda hyperparameters: hyperparameters.typo, "its objective raised AttributeError"),
    ],
)
def test_objective_that_is_none_is_refused(hook, message):
    with pytest.raises(UserError, match=message):
        run(submission=sgd(objective=hook), max_steps=1)


def test_optimizer_is_offered_the_clipped_gradient_the_knobs_and_the_time():
    def transformation(hp, problem):
        def update(updates, state, params, *, grad, knobs, elapsed_fraction, step):
            seen = optax.tree.norm(grad), knobs["k"], elapsed_fraction, jnp.float32(step)
            return jax.tree.map(jnp.zeros_like, updates), seen

        return optax.GradientTransformationExtraArgs(lambda params: (jnp.float32(0),) * 4, update)

    now = FakeTime()
    submission = sgd(
        optimizer=transformation,
        hyperparameters={"learning_rate": 0.1, "grad_clip": 0.01},
        control=Control(lambda progress: None, every_steps=1, knobs={"k": 3.0}),
        select=slow_selection(now, 100.0),
    )
    norm, knob, fraction, step = run(submission=submission, now=now, max_steps=3).state.opt_state
    assert norm == pytest.approx(0.01, rel=1e-3)
    # Two steps of 100 s were done when the third began, of the toy workload's 1,000 s.
    assert (knob, fraction, step) == (3.0, pytest.approx(0.2), 2)


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


@pytest.mark.parametrize("name", ["score", "global_step", "validation/loss", "elapsed_seconds"])
def test_log_called_like_a_column_of_the_records_is_refused(name):
    def step(context, state, batch, rng):
        return state, {"loss": jnp.float32(1), name: jnp.float32(2)}

    reason = run(submission=sgd(step=step)).outcome.reason
    assert reason.startswith(f"step: a log is called {name!r}, as a column of the records is")
