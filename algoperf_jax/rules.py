"""The rule sets of the benchmark: how many trials and studies, and how long each may take.

The facts of a workload under a rule set (step hint, runtime) stand with the workload
(`Workload.limits`); here stands what a rule set says of every workload alike.
"""

import dataclasses
from typing import Literal

from algoperf_jax.errors import UserError

Tuning = Literal["external", "self"]


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """One edition of the rules.

    Attributes:
      name: `"v0.5"` or `"v0.6"`.
      external_trials: tuning trials of a study under external tuning.
      external_studies: studies per workload under external tuning.
      self_tuning_studies: runs per workload under self-tuning.
      self_tuning_factor: budget of a self-tuning run, in units of the workload's runtime.
      held_out: whether one variant of each data set joins the scoring.
      r_max: a time above this multiple of the fastest one counts as a miss.
    """

    name: str
    external_trials: int
    external_studies: int
    self_tuning_studies: int
    self_tuning_factor: float
    held_out: bool
    r_max: float = 4.0

    def budget_factor(self, tuning: Tuning) -> float:
        """What the workload's runtime is multiplied with to give the budget of one run."""
        return self.self_tuning_factor if tuning == "self" else 1.0


RULE_SETS = {
    "v0.5": RuleSet("v0.5", 5, 5, 5, self_tuning_factor=3.0, held_out=True),
    "v0.6": RuleSet("v0.6", 5, 3, 3, self_tuning_factor=1.5, held_out=False),
}


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; a `UserError` lists the names there are."""
    if name not in RULE_SETS:
        raise UserError(f"unknown rules {name!r}; there are {', '.join(RULE_SETS)}")
    return RULE_SETS[name]
