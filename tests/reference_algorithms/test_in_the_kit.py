"""Every algorithm in the kit: replicas on one or eight devices, a break, the mini workloads."""

import dataclasses

import jax
import numpy as np
import pytest
from distinct_algorithms import distinct
from fake_time import FakeTime
from toy_workload import toy

import reference_algorithms
import workloads
from algoperf_jax.rules import Target
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up
from algoperf_jax.trial.training import train

pytestmark = pytest.mark.slow

OUT_OF_REACH = Target("score", "max", validation=1.0, test=1.0)


def parameters_after_four_steps(name: str, devices: int, tmp_path) -> list:
    """Eight replicas on that many devices; schedules have left their warm-up after the first."""
    trial = set_up(toy(), reference_algorithms.get(name), Settings(replicas=8), tmp_path)
    layout = Replicas(8, tuple(jax.devices()[:devices]))
    trial = dataclasses.replace(trial, layout=layout)
    programs, stream = Programs(trial), trial.training_batches()
    programs.set_knobs(dict(trial.submission.control.knobs) if trial.submission.control else {})
    state = layout.put_state(trial.initial_state())
    for _ in range(4):
        state, _ = programs.step(None)(state, next(stream), programs.inputs(0.0))
    return jax.tree.leaves(layout.fetch_state(state).params)


@pytest.mark.parametrize("name", distinct())
def test_one_device_with_eight_replicas_equals_eight_devices(name: str, tmp_path):
    one = parameters_after_four_steps(name, 1, tmp_path)
    eight = parameters_after_four_steps(name, 8, tmp_path)
    for a, b in zip(one, eight, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


class Break(BaseException):
    pass


@pytest.mark.parametrize("name", distinct())
def test_trial_with_a_break_equals_one_without(name: str, tmp_path):
    submission = reference_algorithms.get(name)
    taken = []

    def select(batches, carry, moment):
        taken.append(1)
        if len(taken) == 4:
            raise Break
        return submission.select(batches, carry, moment)

    def run(submission, folder):
        settings = Settings(replicas=2, max_steps=5, eval_every_steps=2)
        workload = toy(target=OUT_OF_REACH)
        return train(workload, submission, settings, folder=tmp_path / folder, now=FakeTime())

    unbroken = run(submission, "unbroken")
    broken = dataclasses.replace(submission, select=select)
    with pytest.raises(Break):
        run(broken, "broken")
    resumed = run(broken, "broken")
    assert resumed.ledger.preemption_count == 1
    jax.tree.map(np.testing.assert_array_equal, resumed.state, unbroken.state)


@pytest.mark.parametrize("workload", ["ogbg"])
@pytest.mark.parametrize("name", distinct())
def test_two_steps_on_every_mini_workload(name: str, workload: str):
    settings = Settings(replicas=1, max_steps=2)
    result = train(workloads.get(workload), reference_algorithms.get(name), settings)
    assert result.outcome.status == "training complete", result.traceback
    assert np.isfinite(result.ledger.logs["loss"])
