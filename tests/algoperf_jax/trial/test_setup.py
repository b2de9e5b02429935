"""What is checked and derived before a trial's clock starts."""

from pathlib import Path

import jax
import optax
import pytest
from toy_runs import run, sgd
from toy_workload import dataset, toy

from algoperf_jax.errors import UserError
from algoperf_jax.rules import rule_set
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up
from algoperf_jax.trial.training import train


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hyperparameters": {"momentum": 0.9}}, "takes no hyperparameter 'momentum'; it takes"),
        ({"batch_size": 31}, "batch size 31 is not divisible by 2 replicas"),
        ({"rules": "v9"}, "unknown rules 'v9'"),
        ({"max_steps": 0}, "max_steps: 0 given, at least 1"),
        ({"seed": 2**32}, "seed: 4294967296 given, it has to be below"),
        ({"study": 2**33}, "study: 8589934592 given, it has to be below"),
        ({"trial": 99_999_999_999}, "trial: 99999999999 given, it has to be below"),
        ({"seed": "1"}, "an int is needed"),
        ({"replicas": 2.0}, "an int is needed"),
        ({"hyperparameters": {"learning_rate": "abc"}}, "is a finite number, 'abc' was given"),
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


def test_data_are_opened_once_and_handed_on():
    opened, used = [], []

    def open_data(data_dir, cache_dir):
        opened.append(data_dir)
        return "opened"

    def spying(split, data, share, *, seed):
        used.append(data)
        return dataset(split, data, share, seed=seed)

    workload = toy(open_data=open_data, dataset=spying)
    run(workload, max_steps=1)
    assert opened == [None]
    assert set(used) == {"opened"}
    train(workload, sgd(), Settings(max_steps=1), data="from before")
    assert opened == [None]
    assert set(used) == {"opened", "from before"}


def test_folder_that_cannot_be_used_is_an_error_that_names_it():
    def open_data(data_dir, cache_dir):
        raise PermissionError(13, "Permission denied", "/somewhere")

    with pytest.raises(UserError, match="toy: cannot use /somewhere for its data: Permission"):
        run(toy(open_data=open_data))


@pytest.mark.parametrize(("rules", "statistics"), [("v0.5", "replica"), ("v0.6", "global")])
def test_rule_set_decides_replicas_arithmetic_and_the_workload_s_variant(rules, statistics):
    given = []

    def under(workload, conditions):
        given.append(conditions)
        return workload

    workload = toy(scale="full", eval_batch_size=32, under=under)
    trial = set_up(workload, sgd(), Settings(rules=rules, data_dir=Path("x")))
    assert given == [rule_set(rules).conditions]
    assert given[0].batch_statistics == statistics
    assert (trial.layout.count, trial.layout.matmul_precision) == (8, "float32")
    assert trial.meta_data()["conditions"] == {
        "hardware": "8 x V100",
        "replicas": 8,
        "batch_statistics": statistics,
        "matmul_precision": "float32",
        "evaluation_shards": 8,
        "models": rules,
    }
