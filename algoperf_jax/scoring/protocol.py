"""The protocol of a comparison: workloads, numbers of studies and trials, budgets."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from algoperf_jax.rules import Facts, RuleSet, Tuning

Time = Literal["seconds", "steps"]
TrialChoice = Literal["min_time", "first_eval"]


@dataclasses.dataclass(frozen=True)
class ScoringProtocol:
    """One edition of the comparison.

    Attributes:
      rules, tuning: the rule set, and which of its two tuning rules.
      facts: of all workloads known, compared or not, by name.
      base: names of the base workloads; their number divides the score, with or without records.
      held_out: names of the variants that can cost a submission their base workload.
      studies: studies per workload.
      trials: trials per study.
    """

    rules: RuleSet
    tuning: Tuning
    facts: Mapping[str, Facts]
    base: tuple[str, ...]
    held_out: tuple[str, ...]
    studies: int
    trials: int

    @property
    def workloads(self) -> tuple[str, ...]:
        """Base workloads, then held-out ones: the order of every axis W."""
        return self.base + self.held_out

    @property
    def parents(self) -> tuple[int, ...]:
        """For each held-out workload the index of its base workload in `base`."""
        return tuple(self.base.index(str(self.facts[name].base_name)) for name in self.held_out)

    def budget(self, workload: str, time: Time = "seconds") -> float:
        """The budget of one run: seconds, or the step hint, times the factor of the tuning rule."""
        limits = self.facts[workload].limits[self.rules.name]
        amount = limits.runtime_seconds if time == "seconds" else limits.step_hint
        return amount * self.rules.budget_factor(self.tuning)


def protocol_of(
    facts: Mapping[str, Facts],
    rules: RuleSet,
    tuning: Tuning,
    *,
    studies: int | None = None,
    qualification: bool = False,
    base_only: bool = False,
) -> ScoringProtocol:
    """The protocol that a rule set describes.

    Args:
      facts: by name of workload; those without a `base_name` are the base workloads, as far as
        the rule set has them.
      rules: the rule set.
      tuning: `"external"` or `"self"`.
      studies: studies per workload, if not the rule set's.
      qualification: the qualification set alone: few workloads, one study under external tuning.
      base_only: without held-out workloads, whatever the rules say.
    """
    under = {name: fact for name, fact in facts.items() if rules.name in fact.limits}
    base = tuple(name for name, fact in under.items() if fact.base_name is None)
    held_out = tuple(name for name, fact in under.items() if fact.held_out)
    if qualification:
        base = tuple(name for name in base if facts[name].qualification)
    if qualification or base_only or not rules.held_out:
        held_out = ()
    external = tuning == "external"
    if studies is None:
        studies = rules.external_studies if external else rules.self_tuning_studies
        if qualification and external:
            studies = 1
    trials = rules.external_trials if external else 1
    return ScoringProtocol(rules, tuning, facts, base, held_out, studies, trials)
