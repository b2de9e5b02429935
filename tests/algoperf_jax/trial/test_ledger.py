"""The books of a running trial."""

import json

import pytest

from algoperf_jax.rules import Target
from algoperf_jax.trial.ledger import Ledger


@pytest.mark.parametrize("first", ["validation", "test"])
def test_goal_that_was_met_once_stays_met(first):
    second = {"validation": "test", "test": "validation"}[first]
    ledger, target = Ledger(), Target("score", "max", validation=0.5, test=0.5)
    ledger.record_evaluation({f"{first}/score": 1.0, f"{second}/score": 0.0}, target)
    assert (ledger.validation_goal, ledger.test_goal) == (first == "validation", first == "test")
    ledger.record_evaluation({f"{first}/score": 0.0, f"{second}/score": 1.0}, target)
    assert (ledger.validation_goal, ledger.test_goal) == (True, True)


def test_ledger_comes_back_from_json_with_each_evaluation_once():
    ledger, target = Ledger(knobs={"a": 1.0}), Target("score", "max", validation=0.5, test=0.5)
    for step in range(3):
        ledger.step = step
        ledger.measurements.append({"global_step": step, "loss": 1.0})
        ledger.record_evaluation({"validation/score": 0.1, "test/score": step / 10}, target)
    data = json.loads(json.dumps(ledger.to_json()))
    assert json.dumps(data).count('"validation/score"') == 3
    assert Ledger.from_json(data) == ledger
    kept = ledger.to_json()
    ledger.measurements.append({"global_step": 9})
    ledger.evaluations.append({"global_step": 9})
    ledger.knobs["a"] = 2.0
    assert (len(kept["measurements"]), len(kept["evaluations"])) == (6, 3)
    assert kept["knobs"] == {"a": 1.0}
