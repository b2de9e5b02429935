"""The rule sets of the benchmark, and what they say of a workload: targets and limits.

What a rule set says of all workloads alike stands here; targets and limits of each workload stand
with the workloads (`workloads.facts`).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

from algoperf_jax.errors import UserError

Tuning = Literal["external", "self"]
MissingStudies = Literal["missed", "left out"]

METRIC_BOUNDS = {
    "accuracy": (0.0, 1.0),
    "bleu": (0.0, 100.0),
    "mean_average_precision": (0.0, 1.0),
    "ppl": (1.0, math.inf),
    "ssim": (-1.0, 1.0),
    "wer": (0.0, math.inf),
    "wer_plain": (0.0, math.inf),
}
"""The smallest and the largest value of metrics; others have any finite one."""


@dataclasses.dataclass(frozen=True)
class Target:
    """The metric that ends a trial and the values it has to reach (inclusive).

    Attributes:
      metric: its name among the values that `Workload.eval` computes.
      direction: `"max"` where higher is better, else `"min"`.
      validation: the value to reach on the validation split; it alone decides the score.
      test: the value to reach on the test split, where the rules go on until then.
    """

    metric: str
    direction: Literal["max", "min"]
    validation: float
    test: float

    @property
    def out_of_reach(self) -> float:
        """A value that no metric reaches, for trials that nothing but their steps should end."""
        return float("inf") if self.direction == "max" else -float("inf")

    def reached(self, value: float, split: Literal["validation", "test"]) -> bool:
        """Whether `value` on `split` meets the target; what is no value of the metric does not."""
        target = getattr(self, split)
        met = value >= target if self.direction == "max" else value <= target
        return met and self.plausible(value)

    def plausible(self, value: float) -> bool:
        """Whether the metric can have this value: it is finite and within the metric's bounds."""
        least, largest = self.bounds
        return math.isfinite(value) and least <= value <= largest

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value of the metric."""
        return METRIC_BOUNDS.get(self.metric, (-math.inf, math.inf))


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one rule set says of a workload.

    Attributes:
      step_hint: number of steps a good algorithm needs; the horizon for schedules.
      runtime_seconds: the budget of an externally tuned run on the benchmark's hardware.
      eval_period_seconds: submission time between two evaluations.
    """

    step_hint: int
    runtime_seconds: float
    eval_period_seconds: float


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the benchmark fixes about a workload's trials.

    Attributes:
      target: the metric and its target values.
      limits: by name of the rule set; rule sets that do not have the workload are left out.
      base_name: the workload that a variant derives from; None for a base workload.
      held_out: whether this variant was drawn for scoring under the rule set v0.5.
      qualification: whether the workload is in the qualification set.
    """

    target: Target
    limits: Mapping[str, Limits]
    base_name: str | None = None
    held_out: bool = False
    qualification: bool = False


@dataclasses.dataclass(frozen=True)
class Conditions:
    """What a rule set fixes beside budgets: the hardware, and the arithmetic that goes with it.

    Attributes:
      hardware: the accelerators, for people.
      replicas: how many there are; into so many parts a batch is divided at full scale.
      batch_statistics: `"replica"`: batch norm takes the statistics of each replica's part of the
        batch; `"global"`: those of the whole batch.
      matmul_precision: of products and convolutions of float32 arrays, one of JAX's names:
        `"float32"`, or `"default"` for what the hardware does unasked (TF32 on newer GPUs).
      evaluation_shards: into how many parts the reference divides an evaluation batch. Where it
        drops what does not fill a batch, this decides which part of a split it evaluates; where it
        fills a batch up, what that adds to a metric.
      models: the edition whose models are trained, where editions differ in a model's layers.
    """

    hardware: str
    replicas: int
    batch_statistics: Literal["replica", "global"]
    matmul_precision: Literal["float32", "default"]
    evaluation_shards: int
    models: Literal["v0.5", "v0.6"]


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """One edition of the rules.

    Attributes:
      name: what flags and records call it.
      summary: one line.
      external_trials: tuning trials of a study under external tuning.
      external_studies: studies per workload under external tuning.
      self_tuning_studies: runs per workload under self-tuning.
      self_tuning_factor: budget of a self-tuning run, in units of the workload's runtime.
      held_out: whether one variant of each data set joins the scoring.
      conditions: hardware and arithmetic.
      missing_studies: what a study without any record is in a median of studies: `"missed"`, or
        `"left out"` of it, as the round's published tables have it.
      r_max: a time above this multiple of the fastest one counts as a miss.
    """

    name: str
    summary: str
    external_trials: int
    external_studies: int
    self_tuning_studies: int
    self_tuning_factor: float
    held_out: bool
    conditions: Conditions
    missing_studies: MissingStudies = "missed"
    r_max: float = 4.0

    def budget_factor(self, tuning: Tuning) -> float:
        """What the workload's runtime is multiplied with to give the budget of one run."""
        return self.self_tuning_factor if tuning == "self" else 1.0


_EIGHT_V100 = Conditions(
    hardware="8 x V100",
    replicas=8,
    batch_statistics="replica",
    matmul_precision="float32",
    evaluation_shards=8,
    models="v0.5",
)
# From v0.6 on the reference runs one program on a batch that is sharded over the devices.
_EIGHT_V100_AS_ONE = dataclasses.replace(_EIGHT_V100, batch_statistics="global", models="v0.6")

_FOUR_A100 = dataclasses.replace(
    _EIGHT_V100_AS_ONE,
    hardware="4 x A100 (40 GB)",
    replicas=4,
    matmul_precision="default",
    evaluation_shards=4,
)

RULE_SETS = {
    rules.name: rules
    for rules in (
        RuleSet(
            "v0.5",
            "the competition of 2024",
            external_trials=5,
            external_studies=5,
            self_tuning_studies=5,
            self_tuning_factor=3.0,
            held_out=True,
            conditions=_EIGHT_V100,
        ),
        RuleSet(
            "v0.6",
            "its successor on the same hardware: shorter budgets, no held-out workloads",
            external_trials=5,
            external_studies=3,
            self_tuning_studies=3,
            self_tuning_factor=1.5,
            held_out=False,
            conditions=_EIGHT_V100_AS_ONE,
        ),
        # The benchmark gives this round, too, the number 0.6.
        RuleSet(
            "v0.6-a100",
            "the round of 2026 on other hardware, with a language model as ninth workload",
            external_trials=5,
            external_studies=3,
            self_tuning_studies=3,
            self_tuning_factor=1.5,
            held_out=False,
            conditions=_FOUR_A100,
            missing_studies="left out",
        ),
    )
}
DEFAULT_RULES = "v0.5"


def same_limits(
    step_hint: int, runtime_seconds: float, eval_period_seconds: float
) -> dict[str, Limits]:
    """The same limits under every rule set, as a workload at scale mini has them."""
    return dict.fromkeys(RULE_SETS, Limits(step_hint, runtime_seconds, eval_period_seconds))


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; a `UserError` lists the names there are."""
    if name not in RULE_SETS:
        raise UserError(f"unknown rules {name!r}; there are {', '.join(RULE_SETS)}")
    return RULE_SETS[name]
