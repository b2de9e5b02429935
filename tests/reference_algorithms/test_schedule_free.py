"""Schedule-free training: what is evaluated, and the restart of the self-tuning submission."""

import dataclasses

import jax
import numpy as np
import pytest
from fake_time import FakeTime
from toy_workload import toy

import reference_algorithms
from algoperf_jax.control import Evaluation
from algoperf_jax.problem import TrainState
from algoperf_jax.rules import Target
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms.schedule_free_adamw import RATE_KNOB, restart_when_stuck, self_tuning

OUT_OF_REACH = Target("score", "max", validation=1.0, test=1.0)


@dataclasses.dataclass
class Told:
    """The parts of a `Progress` that the decision reads."""

    values: list
    step: int = 20
    direction: str = "max"

    knobs = {RATE_KNOB: 0.5}

    @property
    def problem(self):
        return dataclasses.replace(
            PROBLEM, target_metric="score", target_direction=self.direction, step_hint=100
        )

    @property
    def evaluations(self):
        return [Evaluation(i, float(i), {"validation/score": v}) for i, v in enumerate(self.values)]

    def initial_state(self):
        return "the initial state"


@dataclasses.dataclass(frozen=True)
class ProblemFacts:
    target_metric: str = ""
    target_direction: str = ""
    step_hint: int = 0


PROBLEM = ProblemFacts()


@pytest.mark.parametrize("values", [[0.1, 0.105, 0.102, 0.103], [0.5, 0.4, 0.4, 0.4, float("nan")]])
def test_a_training_that_is_stuck_begins_again_at_half_the_rate(values):
    directive = restart_when_stuck(Told(values))
    assert directive.knobs == {RATE_KNOB: 0.25}
    assert directive.state == "the initial state"


@pytest.mark.parametrize(
    "told",
    [
        Told([0.1, 0.1, 0.1]),  # too few evaluations
        Told([0.1, 0.1, 0.1, 0.1], step=10),  # too early
        Told([0.1, 0.2, 0.2, 0.2, 0.2]),  # better than at first
        Told([0.5, 0.1, 0.1, 0.1, 0.2]),  # on its way up
        Told([0.5, 0.4, 0.3, 0.2], direction="min"),  # lower is better
    ],
)
def test_a_training_that_improves_goes_on(told):
    assert restart_when_stuck(told) is None


@dataclasses.dataclass(frozen=True)
class Moving:
    """An optimizer's state that holds nothing but the sequence that moves."""

    z: dict


@pytest.mark.parametrize(
    ("name", "point", "b1"),
    [
        ("schedule_free_adamw", {"one_minus_beta1": 0.3}, 0.7),
        ("schedule_free_adamw_self", {}, 0.9),
        ("schedule_free_prodigy", {}, 0.9),
    ],
)
def test_the_average_is_evaluated_with_the_weight_that_the_point_gives_it(name, point, b1):
    submission = reference_algorithms.get(name)
    x, z = np.float32([1.0, -2.0]), np.float32([5.0, 3.0])
    state = TrainState(
        step=np.int32(7),
        params={"w": b1 * x + (1 - b1) * z},
        model_state={"mean": z},
        opt_state=Moving({"w": z}),
    )
    params, model_state = submission.eval_view(state, submission.point(point))
    np.testing.assert_allclose(params["w"], x, rtol=1e-5)
    assert model_state is state.model_state


def test_restarting_takes_the_training_back_to_its_initial_model():
    # A learning rate of next to nothing: the metric cannot move.
    result = train(
        toy(target=OUT_OF_REACH),
        self_tuning,
        Settings(
            replicas=2,
            max_steps=15,
            eval_every_steps=3,
            hyperparameters={"learning_rate": 1e-6, "weight_decay": 0.0},
        ),
        now=FakeTime(),
    )
    assert result.outcome.status == "training complete"
    # Steps 1, 3, 6 and 9 are too early; after step 12 it begins again.
    assert result.ledger.knobs == {RATE_KNOB: 0.5}
    assert (result.state.step, result.state.opt_state.count) == (15, 3)


def test_evaluations_do_not_change_the_training():
    def final_state(every):
        settings = Settings(replicas=2, max_steps=6, eval_every_steps=every)
        submission = reference_algorithms.get("schedule_free_adamw")
        return train(toy(target=OUT_OF_REACH), submission, settings, now=FakeTime()).state

    jax.tree.map(np.testing.assert_array_equal, final_state(2), final_state(6))
