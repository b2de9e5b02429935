"""`plan.json`: written before the first trial, binding for all that follow."""

import dataclasses

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.suite.plan import DrawnPoints
from algoperf_jax.suite.plan_file import Agreement, check, write

DRAWN = DrawnPoints(
    {"a": {"feasible_points": (1, 2)}}, (({"a": 1}, {"a": 2}), ({"a": 2}, {"a": 1}))
)
AGREEMENT = Agreement(
    submission="mine",
    source_sha256="abc",
    scale="mini",
    rules="v0.5",
    tuning="external",
    seed=0,
    max_steps=None,
    eval_every_steps=None,
    replicas=None,
    default_point={"a": 0},
    drawn=DRAWN,
    budgets={"ogbg": 80.0},
)


def test_plan_holds_points_seed_and_their_assignment_to_studies(tmp_path):
    write(tmp_path / "new" / "plan.json", AGREEMENT)
    written = read_json(tmp_path / "new" / "plan.json")
    assert written["seed"] == 0
    assert written["points"][2] == {"study": 1, "trial": 1, "hyperparameters": {"a": 2}}


def test_same_plan_is_accepted_and_workloads_are_added_to_it(tmp_path):
    path = tmp_path / "plan.json"
    check(path, AGREEMENT)
    write(path, AGREEMENT)
    check(path, AGREEMENT)
    wmt = dataclasses.replace(AGREEMENT, budgets={"wmt": 90.0})
    check(path, wmt)
    write(path, wmt)
    assert read_json(path)["budget_seconds"] == {"ogbg": 80.0, "wmt": 90.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"rules": "v0.6"}, "rules is 'v0.5' there and 'v0.6' here"),
        ({"source_sha256": "def"}, "a file of the submission has changed since"),
        ({"default_point": {"a": 9}}, "default_point is {'a': 0} there and {'a': 9} here"),
        ({"budgets": {"ogbg": 70.0}}, "budget_seconds of ogbg is 80.0 there and 70.0 here"),
        ({"drawn": None}, "search_space is .* there and None here"),
        (
            {"drawn": DrawnPoints({"a": {"feasible_points": [3]}}, DRAWN.studies)},
            "it has another search space",
        ),
        (
            {"drawn": DrawnPoints(DRAWN.space, (({"a": 1}, {"a": 1}), DRAWN.studies[1]))},
            "point of study 0, trial 2 is {'a': 2} there and {'a': 1} here",
        ),
        ({"drawn": DrawnPoints(DRAWN.space, DRAWN.studies[:1])}, "4 drawn points there and 2 here"),
    ],
)
def test_another_plan_is_refused_with_what_differs(tmp_path, change, message):
    path = tmp_path / "plan.json"
    write(path, AGREEMENT)
    with pytest.raises(UserError, match=message):
        check(path, dataclasses.replace(AGREEMENT, **change))


def test_a_file_that_is_no_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(UserError, match="not the plan of a suite"):
        check(tmp_path / "plan.json", AGREEMENT)
