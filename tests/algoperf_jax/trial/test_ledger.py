"""The books of a running trial."""

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
