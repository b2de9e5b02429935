"""The plan: how much is run, with which points, in which order, at which cost."""

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import rule_set
from algoperf_jax.suite import plan
from algoperf_jax.tuning import parse, study_points

RANGE = {"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"}}
SPACE = parse(RANGE)
LIST = parse([{"learning_rate": 0.1}, {"learning_rate": 0.2}])
V05, V06 = rule_set("v0.5"), rule_set("v0.6")
OGBG = plan.PlannedWorkload("ogbg", "ogbg", 60.0)
WMT = plan.PlannedWorkload("wmt", "wmt", 100.0)


def extent(rules=V05, tuning="external", scale="mini", space=SPACE, given=False, **numbers):
    return plan.extent(
        rules,
        tuning,
        scale,
        studies=numbers.get("studies"),
        trials=numbers.get("trials"),
        space=space,
        space_given=given,
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # protocol, section 1: studies and trials of both editions
        ({"scale": "full"}, (5, 5, True)),
        ({"scale": "full", "rules": V06}, (3, 5, True)),
        ({"scale": "full", "tuning": "self"}, (5, 1, False)),
        ({"scale": "full", "tuning": "self", "rules": V06}, (3, 1, False)),
        ({}, (1, 1, False)),
        ({"tuning": "self"}, (1, 1, False)),
        ({"given": True}, (1, 5, True)),
        ({"trials": 2}, (1, 2, True)),
        ({"trials": 1, "space": None}, (1, 1, False)),
        ({"scale": "full", "space": LIST}, (5, 2, True)),
        ({"scale": "full", "studies": 2, "trials": 3}, (2, 3, True)),
    ],
)
def test_extent_is_the_rules_at_full_scale_and_small_at_mini(options, expected):
    assert extent(**options) == plan.Extent(*expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"studies": 0}, "--studies: 0 given"),
        ({"trials": -1}, "--trials: -1 given"),
        ({"tuning": "self", "trials": 5}, "under self-tuning a study is one trial"),
        ({"tuning": "self", "given": True}, "self-tuning draws no points"),
        ({"scale": "full", "space": None}, "has no search space"),
    ],
)
def test_impossible_extents_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        extent(**options)


def test_points_do_not_depend_on_what_part_of_the_plan_is_run():
    whole = plan.drawn_points(RANGE, SPACE, V05, 3, extent(scale="full"))
    part = plan.drawn_points(RANGE, SPACE, V05, 3, extent(studies=2, trials=1))
    assert whole == part
    assert list(whole.studies[4]) == study_points(SPACE, 3, 4, 5, 5)


def test_every_workload_of_a_study_gets_the_same_points():
    what = extent(studies=2, trials=2)
    drawn = plan.drawn_points(RANGE, SPACE, V05, 0, what)
    trials = plan.planned_trials([OGBG, WMT], what, drawn)
    assert [trial.label for trial in trials[:3]] == [
        "ogbg study 0 trial 1",
        "wmt study 0 trial 1",
        "ogbg study 0 trial 2",
    ]
    assert trials[0].point == trials[1].point == drawn.studies[0][0]
    assert len({str(trial.point) for trial in trials}) == 4


def test_worst_case_is_the_sum_of_all_budgets():
    trials = plan.planned_trials([OGBG, WMT], plan.Extent(3, 1, False), None)
    assert plan.worst_case_seconds(trials) == 3 * 160.0


def test_two_workloads_of_one_name_are_refused():
    with pytest.raises(UserError, match="'ogbg' is given twice"):
        plan.planned_trials([OGBG, OGBG], plan.Extent(1, 1, False), None)


@pytest.mark.parametrize(
    ("running", "waiting", "slots", "expected"),
    [
        ([], [], 2, 0.0),
        ([], [10, 20, 30], 1, 60.0),
        ([5.0], [10, 20], 2, 25.0),  # 10 in the free slot, 20 after the 5
        ([7.0, 9.0], [], 1, 9.0),
    ],
)
def test_makespan_fills_slots_as_they_fall_free(running, waiting, slots, expected):
    assert plan.makespan_seconds(running, waiting, slots) == expected
