"""Trials of a folder in tables: their order, what they came to, the points that tell them apart."""

import dataclasses

import pytest
from interruptions import Interrupt, InterruptIn
from toy_runs import run, sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Target
from algoperf_jax.suite.trial_list import listed_trials, trial_tables
from algoperf_jax.trial.records import trial_folder

RATES = {1: 0.05, 2: 0.2, 3: 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three trials of points, the last one interrupted, and one that failed."""
    root = tmp_path_factory.mktemp("experiments")
    workload = toy(target=Target("score", "max", validation=-0.6, test=-0.6))

    def train(trial, submission, reporter=None):
        folder = trial_folder(root, "mini", submission.name, 0, workload.name, trial)
        settings = {"max_steps": 40, "eval_every_steps": 2, "trial": trial}
        return run(workload, submission, folder=folder, reporter=reporter, **settings)

    for trial, rate in RATES.items():
        submission = sgd(hyperparameters={"learning_rate": rate, "same": 1.0})
        if trial == 3:
            with pytest.raises(Interrupt):
                train(trial, submission, InterruptIn(9))
        else:
            assert train(trial, submission).outcome.status == "reached"

    def select(batches, carry, moment):
        raise ValueError

    train(4, sgd(select=select, hyperparameters={"learning_rate": 0.1, "same": 1.0}))
    return root


def test_the_first_to_the_target_comes_first(root):
    trials = {one.trial: one for one in listed_trials(root)}
    assert {k: one.state for k, one in trials.items()} == {
        1: "reached",
        2: "reached",
        3: "unfinished",
        4: "failed",
    }
    assert trials[3].steps == 8 and trials[4].steps == 0
    (table,) = trial_tables(list(trials.values()), "steps")
    reached = sorted((trials[1], trials[2]), key=lambda one: one.steps_at_target)
    order = [f"sgd 0/{one.trial}" for one in (*reached, trials[3], trials[4])]
    assert [row[0] for row in table.rows] == order
    assert table.header[-1] == "learning_rate"  # what all share says nothing
    assert [float(row[-1]) for row in table.rows] == [
        *(RATES[one.trial] for one in reached),
        0.0,
        0.1,
    ]
    assert table.header[4] == "best score"
    told = dict(zip(order, table.rows, strict=True))
    for one in reached:
        assert one.best >= -0.6
        assert float(told[f"sgd 0/{one.trial}"][3]) == one.steps_at_target


def test_by_the_metric_the_best_value_comes_first(root):
    (table,) = trial_tables(listed_trials(root), "metric")
    values = [float(row[4]) for row in table.rows if row[4] != "-"]
    assert values == sorted(values, reverse=True)
    assert table.rows[-1][4] == "-"


def test_a_folder_without_trials_is_told(tmp_path):
    with pytest.raises(UserError, match="holds no trials"):
        listed_trials(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        listed_trials(tmp_path / "nowhere")


def test_trials_under_other_conditions_have_a_table_of_their_own(root):
    trials = listed_trials(root)
    other = [dataclasses.replace(one, conditions="full v0.6 self") for one in trials[:1]]
    tables = trial_tables([*trials, *other])
    assert [table.title for table in tables] == ["toy, full v0.6 self", "toy, mini v0.5 external"]
    assert [len(table.rows) for table in tables] == [1, 4]
