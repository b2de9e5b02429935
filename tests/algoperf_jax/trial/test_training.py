"""The timed loop on a toy workload and a fake clock."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from fake_time import FakeTime
from interruptions import Interrupt, InterruptIn
from toy_runs import OUT_OF_REACH, run, sgd, slow_selection, steps_evaluated
from toy_workload import dataset, toy

from algoperf_jax.control import Control, Directive
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import TrialError, UserError
from algoperf_jax.files import read_json
from algoperf_jax.rules import Limits, Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train


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
    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 25.0, 10.0)})
    result = run(workload, sgd(select=slow_selection(now, 4.0)), now=now)
    assert result.outcome.status == "budget exhausted"
    # Steps end at 4, 8, ..., 28 s; the evaluation due at 28 s would be after the budget.
    assert (result.ledger.step, steps_evaluated(result)) == (7, [1, 4])


def test_self_tuning_has_the_larger_budget():
    now = FakeTime()
    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 10.0, 10.0)})
    result = run(workload, sgd(select=slow_selection(now, 4.0)), now=now, tuning="self")
    assert result.ledger.step == 8  # 32 s of 3 x 10 s


def test_time_spent_in_eval_view_counts_and_can_exhaust_the_budget():
    now = FakeTime()
    work = now.device_work(40)

    def view(state, hyperparameters):
        params = jax.tree.map(lambda x: work(x.ravel()[:1])[0] * 0 + x, state.params)
        return params, state.model_state

    workload = toy(target=OUT_OF_REACH, limits={"v0.5": Limits(100, 25.0, 10.0)})
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

    def slow_data(split, data, share, *, seed):
        if split == "validation":
            now.advance(100)
        return dataset(split, data, share, seed=seed)

    result = run(toy(target=OUT_OF_REACH, dataset=slow_data), now=now, max_steps=2)
    assert result.ledger.submission_seconds == 0
    assert result.ledger.eval_seconds == 200


def test_evaluation_does_not_change_training():
    often = run(max_steps=6, eval_every_steps=1)
    seldom = run(max_steps=6)
    for a, b in zip(jax.tree.leaves(often.state), jax.tree.leaves(seldom.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_eval_view_is_what_is_evaluated_and_training_goes_on_without_it():
    def zeros(state, hyperparameters):
        return jax.tree.map(jnp.zeros_like, state.params), state.model_state

    viewed = run(submission=sgd(eval_view=zeros), max_steps=4)
    plain = run(max_steps=4)
    assert viewed.ledger.evaluations[-1] != plain.ledger.evaluations[-1]
    # All parameters zero: the output is 0 whatever the input, so the loss is the mean of y squared.
    y = dataset("validation", None, BatchShare.whole(96), seed=0)
    expected = float(np.mean(next(y)["y"] ** 2))
    assert viewed.ledger.evaluations[-1]["validation/loss"] == pytest.approx(expected, rel=1e-5)
    for a, b in zip(jax.tree.leaves(viewed.state), jax.tree.leaves(plain.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nan_loss_fails_the_trial_with_its_files_intact(tmp_path):
    submission = sgd(hyperparameters={"learning_rate": float("nan")})
    result = run(submission=submission, folder=tmp_path / "trial", max_steps=5)
    assert result.outcome.status == "failed"
    assert "loss of step 2 is not finite" in result.outcome.reason
    assert "survives_nan=True" in result.outcome.reason
    assert read_json(tmp_path / "trial" / "outcome.json")["status"] == "failed"
    assert (tmp_path / "trial" / "eval_measurements.csv").read_text().count("\n") == 2


def test_record_tells_what_ran_beside_the_clock(tmp_path, monkeypatch):
    # A submission's thread computes while evaluations run: no clock sees that, a reader may.
    cpu = FakeTime()
    monkeypatch.setattr(time, "process_time", cpu)
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="solver")

    def decide(progress):
        if not thread.is_alive():
            thread.start()

    def busy(split, data, share, *, seed):
        if split == "validation" and thread.is_alive():
            cpu.advance(25)
        return dataset(split, data, share, seed=seed)

    submission = sgd(control=Control(decide, every_steps=1))
    workload = toy(target=OUT_OF_REACH, dataset=busy)
    run(workload, submission, folder=tmp_path / "trial", max_steps=3)
    ended.set()
    outcome = read_json(tmp_path / "trial" / "outcome.json")
    assert outcome["eval_process_cpu_seconds"] == 50
    assert "solver" in outcome["threads_at_evaluation"]


@pytest.mark.parametrize("scale, charged", [("full", 100), ("mini", 0)])
def test_compilation_is_charged_once_at_full_and_never_at_mini(tmp_path, scale, charged):
    now = FakeTime()

    class Interrupt(BaseException):
        pass

    taken = []

    def select(batches, carry, moment):
        now.advance(1)
        taken.append(1)
        if len(taken) == 4:
            raise Interrupt
        return next(batches), carry

    def slow_to_trace(hp, problem):
        def update(updates, state, params=None):
            now.advance(100)
            return jax.tree.map(lambda g: -0.01 * g, updates), state

        return optax.GradientTransformation(lambda params: (), update)

    submission = sgd(optimizer=slow_to_trace, select=select)
    arguments = {"now": now, "folder": tmp_path / "trial", "max_steps": 5, "eval_every_steps": 1}
    workload = toy(target=OUT_OF_REACH, scale=scale)
    arguments["data_dir"] = tmp_path if scale == "full" else None
    with pytest.raises(Interrupt):
        run(workload, submission, **arguments)
    resumed = run(workload, submission, **arguments)
    seconds = [row["score"] for row in resumed.ledger.evaluations]
    assert seconds == [charged + k for k in (1, 2, 3, 4, 5)]
    # The first process's; what a resumed one compiles is not charged at any scale.
    assert resumed.ledger.uncharged_compilation_seconds == 100 - charged


def test_each_phase_is_compiled_off_the_clock_at_mini():
    now = FakeTime()

    def step(context, state, batch, rng):
        now.advance(10)  # once for each time the step is traced
        found = context.value_and_grad(state.params, state.model_state, batch, rng)
        return state._replace(model_state=found.model_state), {"loss": found.loss}

    def decide(progress):
        return Directive(phase="late") if progress.step == 2 else None

    submission = sgd(step=step, control=Control(decide, every_steps=1))
    result = run(submission=submission, now=now, max_steps=4, eval_every_steps=4)
    assert result.outcome.status == "training complete", result.traceback
    assert result.ledger.submission_seconds == 0
    assert result.ledger.uncharged_compilation_seconds == 20


def test_exception_in_the_submission_fails_the_trial_with_its_reason(tmp_path):
    def select(batches, carry, moment):
        raise ValueError("no more of this")

    result = run(submission=sgd(select=select), folder=tmp_path / "trial")
    assert result.outcome.status == "failed"
    assert result.outcome.reason.startswith("ValueError: no more of this (in the submission's sel")
    assert read_json(tmp_path / "trial" / "outcome.json")["reason"] == result.outcome.reason
    assert "in select" in (tmp_path / "trial" / "traceback.txt").read_text()


def test_break_between_goal_and_outcome_does_not_train_on(tmp_path):
    workload = toy(target=Target("score", "max", -10.0, 1.0))
    folder = tmp_path / "trial"
    assert run(workload, folder=folder, max_steps=50).ledger.step == 1
    (folder / "outcome.json").unlink()
    resumed = run(workload, folder=folder, max_steps=50)
    assert (resumed.outcome.status, resumed.ledger.step) == ("reached", 1)


@pytest.mark.parametrize("number", [0, 0.5, True, np.int64(3), np.zeros(3), np.arange(3)])
def test_numbers_in_an_optimizer_s_state_come_back(number, tmp_path):
    def optimizer(hp, problem):
        def update(updates, state, params=None):
            grown = state["x"] if isinstance(number, bool) else state["x"] + 1
            return jax.tree.map(lambda g: -0.01 * g, updates), {"x": grown}

        return optax.GradientTransformation(lambda params: {"x": number}, update)

    arguments = {"folder": tmp_path / "trial", "max_steps": 4, "eval_every_steps": 2}
    with pytest.raises(Interrupt):
        run(submission=sgd(optimizer=optimizer), reporter=InterruptIn(3), **arguments)
    resumed = run(submission=sgd(optimizer=optimizer), **arguments)
    expected = number if isinstance(number, bool) else number + 4
    np.testing.assert_array_equal(resumed.state.opt_state["x"], expected)


def test_trial_that_cannot_be_resumed_stays_as_it_is(tmp_path):
    class Interrupt(BaseException):
        pass

    def select(batches, carry, moment):
        if taken:
            raise Interrupt
        taken.append(1)
        return next(batches), carry

    taken, folder = [], tmp_path / "trial"
    # The file that defines an optimizer identifies the trial, so both are defined in this one.
    plain = {"optimizer": lambda hp, problem: optax.sgd(0.1)}
    with pytest.raises(Interrupt):
        run(submission=sgd(**plain, select=select), folder=folder, max_steps=3)
    other = sgd(optimizer=lambda hp, problem: optax.adam(0.1))
    with pytest.raises(UserError, match="does not fit this trial"):
        run(submission=other, folder=folder, max_steps=3)
    assert not (folder / "outcome.json").exists()
    resumed = run(submission=sgd(**plain), folder=folder, max_steps=3)
    assert resumed.outcome.status == "training complete"


def test_failure_to_resume_concerns_this_trial_alone(tmp_path):
    interrupted = []

    def optimizer(hp, problem):
        def update(updates, state, params=None):
            if interrupted:
                raise ValueError("not a second time")
            return jax.tree.map(lambda g: -0.01 * g, updates), state

        return optax.GradientTransformation(lambda params: (), update)

    arguments = {"submission": sgd(optimizer=optimizer), "folder": tmp_path / "trial"}
    with pytest.raises(Interrupt):
        run(**arguments, max_steps=3, reporter=InterruptIn(step=2))
    interrupted.append(1)
    with pytest.raises(TrialError, match="cannot resume .*ValueError: not a second time"):
        run(**arguments, max_steps=3)


def test_overwriting_discards_the_old_trial_only_when_the_new_one_is_ready(tmp_path):
    folder = tmp_path / "trial"
    run(folder=folder, max_steps=1)
    settings = Settings(replicas=2, max_steps=1, hyperparameters={"lr": 1.0})
    with pytest.raises(UserError, match="takes no hyperparameter"):
        train(toy(), sgd(), settings, folder=folder, overwrite=True)
    assert (folder / "outcome.json").exists()
    settings = Settings(replicas=2, max_steps=2)
    assert train(toy(), sgd(), settings, folder=folder, overwrite=True).ledger.step <= 2
