"""Rule sets and the table of facts, against sums and counts stated with the benchmark's rules."""

import json
from pathlib import Path

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import RULE_SETS, Target, rule_set
from workloads.facts import BASE, FACTS, HELD_OUT, base_name

A100 = Path(__file__).parent / "scoring" / "v06_a100_self"


@pytest.mark.parametrize(("rules", "total"), [("v0.5", 340_292), ("v0.6", 305_827)])
def test_runtimes_add_up_to_the_published_total(rules, total):
    # The totals are printed below the benchmark's own table; v0.6 rounds each runtime.
    limits = [facts.limits[rules] for facts in BASE.values() if rules in facts.limits]
    runtimes = [found.runtime_seconds for found in limits]
    assert sum(runtimes) == pytest.approx(total, abs=4)


@pytest.mark.parametrize(
    ("rules", "tuning", "runs"),
    [
        ("v0.5", "external", 200),
        ("v0.5", "self", 40),
        ("v0.6", "external", 120),
        ("v0.6-a100", "self", 27),
    ],
)
def test_number_of_runs_of_a_full_scoring(rules, tuning, runs):
    r = RULE_SETS[rules]
    per_workload = (
        r.external_trials * r.external_studies if tuning == "external" else r.self_tuning_studies
    )
    assert per_workload * sum(rules in facts.limits for facts in BASE.values()) == runs


def test_one_variant_of_each_data_set_is_held_out():
    assert {base_name(name).split("_")[0] for name in HELD_OUT} == {
        name.split("_")[0] for name, facts in BASE.items() if "v0.5" in facts.limits
    }
    assert all(FACTS[name].held_out for name in HELD_OUT)


def test_variant_shares_all_but_targets_with_its_base():
    variant, base = FACTS["ogbg_gelu"], FACTS["ogbg"]
    assert variant.limits == base.limits
    assert variant.target.validation == 0.27771


def test_qualification_set():
    assert [n for n, f in FACTS.items() if f.qualification] == ["criteo1tb", "ogbg", "wmt"]


@pytest.mark.parametrize(
    ("metric", "direction", "value"),
    [
        ("accuracy", "max", float("inf")),
        ("accuracy", "max", 80.0),
        ("ssim", "max", 1.5),
        ("bleu", "max", 101.0),
        ("wer", "min", -0.1),
        ("loss", "min", -float("inf")),
        ("my_metric", "max", float("inf")),
    ],
)
def test_what_is_no_value_of_the_metric_reaches_no_target(metric, direction, value):
    target = Target(metric, direction, 0.5, 0.5)
    assert not target.reached(value, "validation")
    assert not target.reached(float("nan"), "validation")
    assert Target("my_metric", "max", 0.5, 0.5).reached(80.0, "validation")


@pytest.mark.parametrize(
    ("direction", "value", "reached"),
    [("max", 0.5, True), ("max", 0.49, False), ("min", 0.5, True), ("min", 0.51, False)],
)
def test_target_is_inclusive(direction, value, reached):
    assert Target("m", direction, 0.5, 0.5).reached(value, "validation") is reached


def test_nan_never_reaches_a_target():
    for direction in ("min", "max"):
        assert not Target("m", direction, 0.5, 0.5).reached(float("nan"), "test")


def test_unknown_rules_are_an_error_that_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'v0\.7'.*v0\.5, v0\.6"):
        rule_set("v0.7")


def test_facts_of_the_round_of_2026_are_those_of_its_own_table():
    """`published.json` was made from the round's scoring code, not from this kit."""
    table = json.loads((A100 / "published.json").read_text())
    rules = rule_set("v0.6-a100")
    assert rules.self_tuning_studies == table["num_studies"]
    assert rules.self_tuning_factor == table["runtime_factor_self_tuning"]
    assert (rules.held_out, rules.r_max) == (False, table["r_max"])
    there = {name: facts for name, facts in BASE.items() if rules.name in facts.limits}
    assert there.keys() == table["workloads"].keys()
    for name, wanted in table["workloads"].items():
        target, limits = there[name].target, there[name].limits[rules.name]
        assert f"validation/{target.metric}" == wanted["metric"]
        assert target.direction == wanted["direction"]
        assert target.validation == pytest.approx(wanted["validation_target"], abs=1e-12)
        assert limits.runtime_seconds == wanted["budget_external_sec"]
        assert limits.eval_period_seconds == wanted["eval_period_sec"]
        assert limits.step_hint == wanted["step_hint"]


def test_the_language_model_is_of_one_round_alone():
    assert list(FACTS["finewebedu_lm"].limits) == ["v0.6-a100"]
    assert FACTS["finewebedu_lm"].target.reached(1e9, "test")  # there is no test split
