"""The timed loop on a toy workload and a fake clock."""

import dataclasses
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from fake_time import FakeTime
from toy_workload import TrainBatches, dataset, toy

from algoperf_jax.errors import UserError
from algoperf_jax.records import read_json
from algoperf_jax.rules import Limits, Target
from algoperf_jax.submission import Control, Directive, Submission
from algoperf_jax.training import train
from algoperf_jax.trial import Settings, chosen_batch_size

OUT_OF_REACH = Target("score", "max", validation=1.0, test=1.0)


def sgd(**changes):
    fields = {
        "optimizer": lambda hp, problem: optax.sgd(hp.learning_rate),
        "name": "sgd",
        "hyperparameters": {"learning_rate": 0.05},
    }
    return Submission(**{**fields, **changes})


def slow_selection(now, seconds):
    """A `select` hook that takes so many seconds."""

    def select(stream):
        now.advance(seconds)
        return next(stream)

    return select


def run(workload=None, submission=None, *, now=None, folder=None, **settings):
    return train(
        workload or toy(target=OUT_OF_REACH),
        submission or sgd(),
        Settings(**{"replicas": 2, **settings}),
        folder=folder,
        now=now or FakeTime(),
    )


def steps_evaluated(result):
    return [row["global_step"] for row in result.ledger.evaluations]


def test_first_evaluation_follows_step_one_and_the_others_the_period():
    now = FakeTime()
    submission = sgd(select=slow_selection(now, 4.0))
    result = run(submission=submission, now=now, max_steps=8)
    # Period 10 s, steps of 4 s: evaluations when 10 s have passed since the last one.
    assert steps_evaluated(result) == [1, 4, 7, 8]
    assert [row["score"] for row in result.ledger.evaluations] == [4, 16, 28, 32]


def test_training_that_completes_is_evaluated_once_more():
    result = run(max_steps=5)
    assert steps_evaluated(result) == [1, 5]
    assert result.outcome.status == "training complete"


def test_run_stops_at_the_validation_target():
    result = run(toy(target=Target("score", "max", -10.0, 1.0)), max_steps=50)
    assert result.outcome.status == "reached"
    assert (result.outcome.step_at_target, result.ledger.step) == (1, 1)


def test_stop_at_both_goes_on_to_the_test_target():
    workload = toy(target=Target("score", "max", -10.0, 1.0))
    result = run(workload, max_steps=3, stop_at="both")
    assert result.ledger.step == 3
    assert (result.outcome.status, result.outcome.step_at_target) == ("reached", 1)


def test_goals_are_sticky():
    # The first step does nothing, the later ones make the score worse and worse.
    diverging = sgd(optimizer=lambda hp, problem: optax.sgd(lambda step: -step))
    workload = toy(target=Target("score", "max", -3.0, 1.0))
    result = run(workload, diverging, max_steps=4, stop_at="both", eval_every_steps=1)
    scores = [row["validation/score"] for row in result.ledger.evaluations]
    assert scores[0] >= -3.0 > scores[-1]
    assert (result.outcome.status, result.outcome.step_at_target) == ("reached", 1)


def test_budget_ends_the_run_without_another_evaluation():
    now = FakeTime()
    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 25.0)})
    result = run(workload, sgd(select=slow_selection(now, 4.0)), now=now)
    assert result.outcome.status == "budget exhausted"
    # Steps end at 4, 8, ..., 28 s; the evaluation due at 28 s would be after the budget.
    assert (result.ledger.step, steps_evaluated(result)) == (7, [1, 4])


def test_self_tuning_has_the_larger_budget():
    now = FakeTime()
    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 10.0)})
    result = run(workload, sgd(select=slow_selection(now, 4.0)), now=now, tuning="self")
    assert result.ledger.step == 8  # 32 s of 3 x 10 s


def test_time_spent_in_eval_view_counts_and_can_exhaust_the_budget():
    now = FakeTime()
    work = now.device_work(40)

    def view(opt_state, params, model_state):
        return jax.tree.map(lambda x: work(x.ravel()[:1])[0] * 0 + x, params), model_state

    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 25.0)})
    result = run(workload, sgd(eval_view=view), now=now)
    assert result.outcome.status == "budget exhausted"
    assert result.ledger.evaluations == []


def test_device_work_is_never_billed_to_evaluation():
    # Each step takes 3 s on the device alone. An unsynchronised clock would read 0 for the steps
    # and find their time in the evaluation that waits for them.
    now = FakeTime()
    work = now.device_work(3)

    def slow(hp, problem):
        def update(updates, state, params=None):
            return jax.tree.map(lambda g: -0.01 * g, updates), work(state)

        return optax.GradientTransformation(lambda params: jnp.float32(0), update)

    settings = Settings(replicas=1, max_steps=6, eval_every_steps=3)
    result = train(toy(target=OUT_OF_REACH), sgd(optimizer=slow), settings, now=now)
    assert steps_evaluated(result) == [1, 3, 6]
    assert [row["score"] for row in result.ledger.evaluations] == [3, 9, 18]
    assert result.ledger.eval_seconds == 0


def test_evaluation_is_off_the_clock():
    now = FakeTime()

    def slow_data(split, source, **kwargs):
        if split == "validation":
            now.advance(100)
        return dataset(split, source, **kwargs)

    result = run(toy(target=OUT_OF_REACH, dataset=slow_data), now=now, max_steps=2)
    assert result.ledger.submission_seconds == 0
    assert result.ledger.eval_seconds == 200


def test_evaluation_does_not_change_training():
    often = run(max_steps=6, eval_every_steps=1)
    seldom = run(max_steps=6)
    for a, b in zip(jax.tree.leaves(often.state), jax.tree.leaves(seldom.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_eval_view_is_what_is_evaluated_and_training_goes_on_without_it():
    zeros = sgd(eval_view=lambda opt, params, ms: (jax.tree.map(jnp.zeros_like, params), ms))
    viewed = run(submission=zeros, max_steps=4)
    plain = run(max_steps=4)
    assert viewed.ledger.evaluations[-1] != plain.ledger.evaluations[-1]
    # All parameters zero: the output is 0 whatever the input, so the loss is the mean of y squared.
    y = dataset("validation", None, batch_size=96, replicas=1, seed=0)
    expected = float(np.mean(next(y)["y"] ** 2))
    assert viewed.ledger.evaluations[-1]["validation/loss"] == pytest.approx(expected, rel=1e-5)
    for a, b in zip(jax.tree.leaves(viewed.state), jax.tree.leaves(plain.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nan_loss_fails_the_trial_with_its_files_intact(tmp_path):
    submission = sgd(hyperparameters={"learning_rate": float("nan")})
    result = run(submission=submission, folder=tmp_path / "trial", max_steps=5)
    assert result.outcome.status == "failed"
    assert "loss of step 2 is not finite" in result.outcome.reason
    assert read_json(tmp_path / "trial" / "outcome.json")["status"] == "failed"
    assert (tmp_path / "trial" / "eval_measurements.csv").read_text().count("\n") == 2


def test_resumed_trial_does_not_pay_for_compilation_again(tmp_path):
    now = FakeTime()

    class Interrupt(BaseException):
        pass

    taken = []

    def select(stream):
        now.advance(1)
        taken.append(1)
        if len(taken) == 4:
            raise Interrupt
        return next(stream)

    def slow_to_trace(hp, problem):
        def update(updates, state, params=None):
            now.advance(100)
            return jax.tree.map(lambda g: -0.01 * g, updates), state

        return optax.GradientTransformation(lambda params: (), update)

    submission = sgd(optimizer=slow_to_trace, select=select)
    arguments = {"now": now, "folder": tmp_path / "trial", "max_steps": 5, "eval_every_steps": 1}
    with pytest.raises(Interrupt):
        run(submission=submission, **arguments)
    resumed = run(submission=submission, **arguments)
    assert [row["score"] for row in resumed.ledger.evaluations] == [101, 102, 103, 104, 105]


def test_exception_in_the_submission_fails_the_trial_with_its_reason(tmp_path):
    def select(stream):
        raise ValueError("no more of this")

    result = run(submission=sgd(select=select), folder=tmp_path / "trial")
    assert result.outcome.status == "failed"
    assert result.outcome.reason == "ValueError: no more of this"
    assert "in select" in read_json(tmp_path / "trial" / "outcome.json")["traceback"]


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


def test_problem_says_what_the_rules_allow_and_no_more():
    problems = []

    def optimizer(hp, problem):
        problems.append(problem)
        return optax.sgd(0.1)

    run(submission=sgd(optimizer=optimizer), max_steps=1, rules="v0.6", tuning="self")
    (problem,) = problems
    assert (problem.step_hint, problem.budget_seconds) == (80, 1350.0)
    assert (problem.batch_size, problem.num_replicas) == (32, 2)
    assert problem.parameters["Dense_1"]["kernel"].is_output
    assert "toy" not in repr(problem)


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


def test_control_stops_and_sets_phase_and_knobs():
    seen = []

    def decide(progress):
        seen.append((progress.step, progress.phase, dict(progress.knobs)))
        if progress.step == 2:
            return Directive(phase="late", knobs={"scale": 0.5})
        return Directive(stop=progress.step == 6)

    def step(context, state, batch, rng):
        gradient = context.value_and_grad(state.params, state.model_state, batch, rng)
        scale = context.knobs["scale"] * (2.0 if context.phase == "late" else 1.0)
        params = jax.tree.map(lambda p, g: p - 0.01 * scale * g, state.params, gradient.grads)
        logs = {"loss": gradient.loss, "scale": scale}
        return state._replace(params=params, model_state=gradient.model_state), logs

    control = Control(decide, every_steps=2, knobs={"scale": 1.0})
    result = run(submission=sgd(step=step, control=control))
    assert seen == [
        (2, None, {"scale": 1.0}),
        (4, "late", {"scale": 0.5}),
        (6, "late", {"scale": 0.5}),
    ]
    assert (result.outcome.status, result.ledger.step) == ("training complete", 6)
    assert steps_evaluated(result) == [1, 6]


def test_changing_knobs_does_not_compile_again():
    traces = []

    def step(context, state, batch, rng):
        traces.append(1)
        return state, {"loss": context.knobs["x"]}

    def decide(progress):
        return Directive(knobs={"x": progress.step})

    control = Control(decide, every_steps=1, knobs={"x": 0.0})
    run(submission=sgd(step=step, control=control), max_steps=5)
    assert len(traces) == 1


def test_restart_equals_a_fresh_trial():
    adam = {"optimizer": lambda hp, problem: optax.adam(hp.learning_rate)}

    def decide(progress):
        return Directive(state=progress.initial_state()) if progress.step == 3 else None

    # One batch for ever and no dropout, so that a step after the restart is the first step again.
    class OneBatch(TrainBatches):
        def __next__(self):
            self.position = 0
            return super().__next__()

    def one_batch(split, source, *, batch_size, replicas, seed, replica_slice=None):
        if split == "train":
            return OneBatch(batch_size, replicas, seed, replica_slice)
        arguments = {"batch_size": batch_size, "replicas": replicas, "seed": seed}
        return dataset(split, source, **arguments, replica_slice=replica_slice)

    workload = toy(target=OUT_OF_REACH, dataset=one_batch, default_dropout_rate=0.0)
    restarted = run(workload, sgd(**adam, control=Control(decide, every_steps=3)), max_steps=5)
    fresh = run(workload, sgd(**adam), max_steps=2)
    assert (int(restarted.state.step), int(fresh.state.step)) == (5, 2)
    for a, b in zip(*map(jax.tree.leaves, (restarted.state[1:], fresh.state[1:])), strict=True):
        np.testing.assert_array_equal(a, b)


def test_interrupted_trial_resumes_with_all_that_control_has_set(tmp_path):
    class Interrupt(BaseException):
        pass

    seen = []
    taken = []

    def select(stream):
        taken.append(1)
        if len(taken) == 5:
            raise Interrupt
        return next(stream)

    def decide(progress):
        seen.append((progress.step, progress.phase, dict(progress.knobs), progress.logs["loss"]))
        queue = np.zeros(2) if progress.host_state is None else progress.host_state["queue"]
        seen[-1] += (queue.tolist(),)
        return Directive(phase="late", knobs={"x": 2.0}, host_state={"queue": queue + 1})

    def step(context, state, batch, rng):
        loss = context.value(state.params, state.model_state, batch, rng).loss
        return state, {"loss": loss + context.knobs["x"] * (context.phase == "late")}

    def submission(**changes):
        control = Control(decide, after_eval=True, knobs={"x": 1.0})
        return sgd(step=step, control=control, **changes)

    arguments = {"max_steps": 6, "eval_every_steps": 2}
    run(submission=submission(), **arguments)
    unbroken, seen[:] = list(seen), []
    with pytest.raises(Interrupt):
        run(submission=submission(select=select), folder=tmp_path / "t", **arguments)
    run(submission=submission(select=select), folder=tmp_path / "t", **arguments)
    # The last decision before the break is taken once more: the checkpoint was written before it.
    assert [row[0] for row in seen] == [1, 2, 4, 4]
    assert seen[:2] + seen[3:] == seen[:3] == unbroken


def test_break_between_goal_and_outcome_does_not_train_on(tmp_path):
    workload = toy(target=Target("score", "max", -10.0, 1.0))
    folder = tmp_path / "trial"
    assert run(workload, folder=folder, max_steps=50).ledger.step == 1
    (folder / "outcome.json").unlink()
    resumed = run(workload, folder=folder, max_steps=50)
    assert (resumed.outcome.status, resumed.ledger.step) == ("reached", 1)


def test_trial_that_cannot_be_resumed_stays_as_it_is(tmp_path):
    class Interrupt(BaseException):
        pass

    def select(stream):
        if taken:
            raise Interrupt
        taken.append(1)
        return next(stream)

    taken, folder = [], tmp_path / "trial"
    with pytest.raises(Interrupt):
        run(submission=sgd(select=select), folder=folder, max_steps=3)
    other = sgd(optimizer=lambda hp, problem: optax.adam(0.1))
    with pytest.raises(UserError, match="does not fit this trial"):
        run(submission=other, folder=folder, max_steps=3)
    assert not (folder / "outcome.json").exists()
    assert run(folder=folder, max_steps=3).outcome.status == "training complete"


def test_overwriting_discards_the_old_trial_only_when_the_new_one_is_ready(tmp_path):
    folder = tmp_path / "trial"
    run(folder=folder, max_steps=1)
    settings = Settings(replicas=2, max_steps=1, hyperparameters={"lr": 1.0})
    with pytest.raises(UserError, match="takes no hyperparameter"):
        train(toy(), sgd(), settings, folder=folder, overwrite=True)
    assert (folder / "outcome.json").exists()
    settings = Settings(replicas=2, max_steps=2)
    assert train(toy(), sgd(), settings, folder=folder, overwrite=True).ledger.step <= 2


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


def test_control_may_allow_a_loss_that_is_no_number():
    nan = {"hyperparameters": {"learning_rate": float("nan")}}

    def control(**options):
        return {"control": Control(lambda progress: None, every_steps=1, **options)}

    assert run(submission=sgd(**nan, **control()), max_steps=4).outcome.status == "failed"
    allowed = run(submission=sgd(**nan, **control(survives_nan=True)), max_steps=4)
    assert allowed.outcome.status == "training complete"


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        (Directive(phase=("a", 1)), "a phase is a string or a number"),
        (Directive(knobs={"typo": 1.0}), "no knob 'typo'"),
        (Directive(host_state={"f": object()}), r"host_state\['f'\]"),
    ],
)
def test_directive_that_cannot_be_carried_out_says_why(directive, message):
    control = Control(lambda progress: directive, every_steps=1, knobs={"x": 0.0})
    assert re.search(message, run(submission=sgd(control=control)).outcome.reason)


def test_step_without_a_loss_in_its_logs_is_told_so():
    step = lambda context, state, batch, rng: (state, {})  # noqa: E731
    assert "expected 'loss'" in run(submission=sgd(step=step)).outcome.reason


def test_control_after_evaluation_sees_no_test_metrics():
    seen = []

    def decide(progress):
        seen.append(progress.evaluations[-1])

    run(submission=sgd(control=Control(decide, after_eval=True)), max_steps=3, eval_every_steps=1)
    assert [e.step for e in seen] == [1, 2]
    assert all(name.startswith(("train/", "validation/")) for name in seen[0].metrics)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hyperparameters": {"momentum": 0.9}}, "takes no hyperparameter 'momentum'; it takes"),
        ({"batch_size": 31}, "batch size 31 is not divisible by 2 replicas"),
        ({"rules": "v9"}, "unknown rules 'v9'"),
        ({"max_steps": 0}, "max_steps: 0 given, at least 1"),
        ({"seed": 2**32}, "below"),
        ({"seed": "1"}, "an int is needed"),
        ({"replicas": 2.0}, "an int is needed"),
        ({"hyperparameters": {"learning_rate": "abc"}}, "is a number, 'abc' was given"),
        ({"tuning": "self", "hyperparameters": {"learning_rate": 1.0}}, "takes no point"),
        ({"data_dir": Path("x")}, "takes no data_dir"),
        ({"stop_at": "never"}, "one of validation, both"),
    ],
)
def test_bad_settings_are_errors_before_anything_is_written(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run(folder=tmp_path / "trial", **settings)
    assert not (tmp_path / "trial").exists()


def test_optimizer_factory_that_raises_is_an_error_that_says_what():
    def optimizer(hp, problem):
        return hp.momentum

    with pytest.raises(UserError, match="AttributeError.*momentum"):
        run(submission=sgd(optimizer=optimizer))


def test_state_with_a_function_is_refused_with_its_path():
    def optimizer(hp, problem):
        return optax.GradientTransformation(lambda p: {"f": object()}, lambda u, s, p=None: (u, s))

    with pytest.raises(UserError, match=r"\['f'\]: expected an array, found object"):
        run(submission=sgd(optimizer=optimizer))


def test_optimizer_state_may_hold_python_numbers(tmp_path):
    def optimizer(hp, problem):
        def update(updates, state, params=None):
            return jax.tree.map(lambda g: -0.01 * g, updates), {"n": state["n"] + 1}

        return optax.GradientTransformation(lambda params: {"n": 0}, update)

    result = run(submission=sgd(optimizer=optimizer), folder=tmp_path / "trial", max_steps=3)
    assert result.state.opt_state["n"] == 3, result.traceback


@pytest.mark.parametrize(
    ("sizes", "name", "scale", "chosen"),
    [
        ({"toy_gelu": 8, "toy": 16}, "toy_gelu", "full", 8),
        ({"toy": 16}, "toy_gelu", "full", 16),
        ({"other": 16}, "toy_gelu", "full", 32),
        ({"toy": 16}, "toy", "mini", 32),
        ({"toy_mini": 4}, "toy", "mini", 4),
    ],
)
def test_batch_size_falls_back_to_base_and_workload(sizes, name, scale, chosen):
    def batch_size(name):
        if name not in sizes:
            raise ValueError(name)
        return sizes[name]

    workload = dataclasses.replace(toy(), name=name, scale=scale)
    assert chosen_batch_size(workload, sgd(batch_size=batch_size)) == chosen
