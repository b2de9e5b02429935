"""What running a submission shows, on the toy workload."""

import dataclasses
import functools
import threading

import jax
import jax.numpy as jnp
import optax
import pytest
from toy_workload import toy

from algoperf_jax.check import runs as check
from algoperf_jax.control import Control
from algoperf_jax.submission import Submission
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up

NAMES = ("ogbg", "wmt")
SETTINGS = Settings(replicas=1)
ADAM = Submission(
    optimizer=lambda hp, problem: optax.adam(hp.learning_rate),
    name="adam",
    hyperparameters={"learning_rate": 1e-3},
    search_space={"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"}},
)


def changed(**changes):
    return dataclasses.replace(ADAM, **changes)


def trained(submission, folder):
    return check.check_training(toy(), submission, SETTINGS, folder / "trial", folder / "cache")


def texts(found):
    return "\n".join(finding.text for finding in found)


def test_an_honest_submission_passes(tmp_path):
    assert trained(ADAM, tmp_path) == []
    assert check.check_search_space(ADAM, "external", NAMES) == []
    assert check.check_points(toy(), ADAM, SETTINGS, tmp_path) == []


def test_work_of_a_thread_while_the_clock_stands_is_found(tmp_path):
    end = threading.Event()

    @jax.jit
    def long_work(x):
        return jax.lax.fori_loop(0, 100, lambda _, y: jnp.tanh(y @ y), x)

    def work_on():
        x = jnp.full((700, 700), 0.1)
        while not end.is_set():
            x = long_work(x).block_until_ready()

    workers = [threading.Thread(target=work_on) for _ in range(2)]

    def decide(progress):
        if progress.step == 1:
            for worker in workers:
                worker.start()

    submission = changed(control=Control(decide, every_steps=1))
    try:
        assert "work goes on while the clock stands" in texts(trained(submission, tmp_path))
    finally:
        end.set()
        for worker in workers:
            worker.join()


def test_a_state_that_is_no_pure_pytree_is_found(tmp_path):
    @functools.partial(jax.tree_util.register_dataclass, data_fields=["count"], meta_fields=["f"])
    @dataclasses.dataclass
    class State:
        count: jax.Array
        f: object

    def optimizer(hp, problem):
        return optax.GradientTransformation(
            lambda params: State(jnp.int32(0), object()), lambda g, s, p=None: (g, s)
        )

    assert "made anew it has another structure" in texts(
        trained(changed(optimizer=optimizer), tmp_path)
    )


def test_an_error_in_a_step_is_reported(tmp_path):
    def optimizer(hp, problem):
        return optax.GradientTransformation(lambda p: (), lambda g, s, p=None: (None, s))

    assert "toy: two steps failed: the optimizer's updates" in texts(
        trained(changed(optimizer=optimizer), tmp_path)
    )


def test_a_leaf_that_is_no_array_is_reported(tmp_path):
    def optimizer(hp, problem):
        return optax.GradientTransformation(lambda p: {"f": "text"}, lambda g, s, p=None: (g, s))

    assert "expected an array, found str" in texts(trained(changed(optimizer=optimizer), tmp_path))


@pytest.mark.parametrize(
    ("space", "rule_set", "text"),
    [
        (None, "external", "the submission has no search_space"),
        ({"ogbg": {}, "wmt": {}}, "external", "one search space serves all workloads"),
        ({"learning_rate": 0.1}, "external", "search_space, learning_rate: expected"),
        ([{"learning_rate": 0.1}] * 6, "external", "a list of 6 points; it may have 5 at most"),
        ({"lr": {"feasible_points": [1]}}, "external", "'lr' is none of the submission's"),
        ({"lr": {"feasible_points": [1]}}, "external", "lacks 'learning_rate'"),
        (ADAM.search_space, "self", "search_space will not be used"),
    ],
)
def test_search_spaces_that_break_a_rule(space, rule_set, text):
    assert text in texts(check.check_search_space(changed(search_space=space), rule_set, NAMES))


def test_points_that_the_optimizer_cannot_take_are_reported(tmp_path):
    def optimizer(hp, problem):
        if hp.learning_rate < 1e-3:
            raise ValueError("too small")
        return optax.adam(hp.learning_rate)

    found = check.check_points(toy(), changed(optimizer=optimizer), SETTINGS, tmp_path)
    assert "its optimizer factory raised ValueError: too small" in texts(found)


def test_a_step_that_depends_on_the_number_of_devices_is_found(tmp_path):
    def alone(context, state, batch, rng):
        """Each device adds up what it has itself."""
        own = jax.tree.map(lambda x: x[:1], batch)
        found = context.value_and_grad(state.params, state.model_state, batch, rng)
        share = own["weights"].sum() * jax.lax.psum(1.0, "replica")
        params = jax.tree.map(lambda p, g: p - 0.1 * share * g, state.params, found.grads)
        return state._replace(params=params), {"loss": found.loss}

    for submission, guilty in ((ADAM, False), (changed(step=alone), True)):
        trial = set_up(toy(), submission, SETTINGS, tmp_path)
        found = check.check_devices(trial)
        assert ("on two devices the first step is another one" in texts(found)) == guilty


def test_a_name_that_batch_size_has_kept_is_found(tmp_path):
    kept = ["nothing"]

    def batch_size(name):
        kept[0] = name
        return None if name == "toy_mini" else 32

    def optimizer(hp, problem):
        return optax.adam(hp.learning_rate, b1=0.8 if kept[0] == "wmt" else 0.9)

    for submission, guilty in (
        (changed(batch_size=batch_size), False),
        (changed(batch_size=batch_size, optimizer=optimizer), True),
    ):
        trial = set_up(toy(), submission, SETTINGS, tmp_path)
        found = check.check_name_is_forgotten(toy(), submission, NAMES, trial)
        assert ("after batch_size('wmt')" in texts(found)) == guilty
