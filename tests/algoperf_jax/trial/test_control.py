"""Decisions between steps: stop, phases, knobs, restarts."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from device_work import has_ended, long_device_work
from fake_time import FakeTime
from toy_runs import OUT_OF_REACH, run, sgd, slow_selection, steps_evaluated
from toy_workload import TrainBatches, dataset, toy

from algoperf_jax.control import Control, Directive


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


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), jnp.float32(0.5), np.int64(2)])
def test_knobs_may_be_scalars_of_numpy_and_jax(number, tmp_path):
    control = Control(
        lambda progress: Directive(knobs={"x": number}), every_steps=1, knobs={"x": number}
    )
    result = run(submission=sgd(control=control), folder=tmp_path / "trial", max_steps=2)
    assert result.outcome.status == "training complete", result.traceback
    assert result.ledger.knobs == {"x": float(number)}
    assert type(result.ledger.knobs["x"]) is float


@pytest.mark.parametrize("value", ["text", None, [], np.array(["a"]), {"a": 1}])
def test_host_state_that_no_checkpoint_holds_is_refused_with_a_folder_and_without(value, tmp_path):
    control = Control(lambda progress: Directive(host_state={"x": value}), every_steps=1)
    for folder in (None, tmp_path / "trial"):
        result = run(submission=sgd(control=control), folder=folder, max_steps=2)
        assert result.outcome.status == "failed"
        assert "host_state['x'] is" in result.outcome.reason


def test_restart_equals_a_fresh_trial():
    adam = {"optimizer": lambda hp, problem: optax.adam(hp.learning_rate)}

    def decide(progress):
        return Directive(state=progress.initial_state()) if progress.step == 3 else None

    # One batch for ever and no dropout, so that a step after the restart is the first step again.
    class OneBatch(TrainBatches):
        def __next__(self):
            self.position = 0
            return super().__next__()

    def one_batch(split, data, share, *, seed):
        return OneBatch(share, seed) if split == "train" else dataset(split, data, share, seed=seed)

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

    def select(batches, carry, moment):
        taken.append(1)
        if len(taken) == 5:
            raise Interrupt
        return next(batches), carry

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


def test_control_is_told_the_time_used():
    now, seen = FakeTime(), []
    control = Control(lambda progress: seen.append(progress.elapsed_seconds), every_steps=1)
    submission = sgd(control=control, select=slow_selection(now, 4.0))
    run(submission=submission, now=now, max_steps=3)
    assert seen == [4, 8, 12]


@pytest.mark.parametrize(
    ("cadence", "scores"),
    [({"every_steps": 1}, [7, 14, 21]), ({"after_eval": True}, [0, 7, 14])],
)
def test_decisions_are_on_the_clock(cadence, scores):
    now = FakeTime()
    control = Control(lambda progress: now.advance(7.0), **cadence)
    result = run(submission=sgd(control=control), now=now, max_steps=3, eval_every_steps=1)
    assert [row["score"] for row in result.ledger.evaluations] == scores


def test_control_after_evaluation_sees_no_test_metrics():
    seen = []

    def decide(progress):
        seen.append(progress.evaluations[-1])

    run(submission=sgd(control=Control(decide, after_eval=True)), max_steps=3, eval_every_steps=1)
    assert [e.step for e in seen] == [1, 2]
    assert all(name.startswith(("train/", "validation/")) for name in seen[0].metrics)


def test_work_that_control_dispatches_has_ended_before_an_evaluation_begins():
    pending = []
    ready = []

    def decide(progress):
        pending.append(long_device_work())

    def watched(split, data, share, *, seed):
        ready.extend(has_ended(work) for work in pending if split == "eval_train")
        return dataset(split, data, share, seed=seed)

    workload = toy(target=OUT_OF_REACH, dataset=watched)
    submission = sgd(control=Control(decide, every_steps=1))
    run(workload, submission, max_steps=2, eval_every_steps=1)
    assert ready == [True, True, True]
