"""Two submissions compared on each workload, with the numbers of runs and the test named.

Three quantities: steps and seconds to the target, among runs that meet it, and the metric on the
validation split at the end of a run, which compares runs that went on for as long. Two tests:

- z-test with a fixed sigma: the standard deviation of a quantity is taken to be the same for all
  submissions on a workload and is estimated from all of them together, within submissions, so that
  two or three runs of each suffice. z = (mean A - mean B) / (sigma sqrt(1/a + 1/b)), two-sided p.
- bootstrap: runs of each drawn anew; how often the mean of A is the better one, ties half.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.trust.pace import check_named

DRAWS = 10_000
Quantity = Literal["steps to target", "seconds to target", "final metric"]


class Comparison(NamedTuple):
    """Submission A against B on one workload.

    Attributes:
      workload, quantity: what is compared.
      runs_a, runs_b: how many have a number.
      mean_a, mean_b: of these numbers; NaN without any.
      sigma: within submissions, from `degrees` degrees of freedom over the field; NaN for none.
      degrees: see `sigma`.
      z, p: of the z-test; NaN where it cannot be made. z is above 0 where A's numbers are larger.
      a_is_better: the bootstrap's share; NaN without runs of both.
    """

    workload: str
    quantity: Quantity
    runs_a: int
    runs_b: int
    mean_a: float
    mean_b: float
    sigma: float
    degrees: int
    z: float
    p: float
    a_is_better: float


def pair(
    results: ScoringResults, runs: pl.DataFrame, evaluations: pl.DataFrame, a: str, b: str
) -> list[Comparison]:
    """Compares two submissions on the workloads that both have runs of.

    Args:
      results: of the field.
      runs: `run`, `submission`, `workload`, `eval_index`, `step`, `seconds` of the field.
      evaluations: `run`, `seconds`, `value` of those that are no summaries.
      a, b: names of submissions.

    Raises:
      UserError: there is no submission of a name.
    """
    for name in (a, b):
        check_named(results, name)
    final = evaluations.sort("seconds").group_by("run").agg(pl.col("value").last())
    hits = runs.filter(pl.col("eval_index").is_not_null())
    quantities: Mapping[Quantity, tuple[pl.DataFrame, str]] = {
        "steps to target": (hits, "step"),
        "seconds to target": (hits, "seconds"),
        "final metric": (runs.join(final.filter(pl.col("value").is_finite()), on="run"), "value"),
    }
    found = []
    for workload in results.protocol.workloads:
        direction = results.protocol.facts[workload].target.direction
        for quantity, (rows, column) in quantities.items():
            of = rows.filter(pl.col("workload") == workload)
            numbers = {
                name: part[column].to_numpy()
                for (name,), part in sorted(of.partition_by("submission", as_dict=True).items())
            }
            larger = quantity == "final metric" and direction == "max"
            found.append(compared(workload, quantity, numbers, a, b, larger_is_better=larger))
    return found


def compared(
    workload: str,
    quantity: Quantity,
    numbers: Mapping[str, np.ndarray],
    a: str,
    b: str,
    *,
    larger_is_better: bool,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compares the numbers of two submissions.

    Args:
      workload, quantity: what they are of.
      numbers: of each submission of the field.
      a, b: which two.
      larger_is_better: which way is better.
      draws, seed: of the bootstrap.
    """
    of_a, of_b = numbers.get(a, np.empty(0)), numbers.get(b, np.empty(0))
    sigma, degrees = pooled_sigma(list(numbers.values()))
    mean_a, mean_b = (float(x.mean()) if x.size else math.nan for x in (of_a, of_b))
    z = p = better = math.nan
    if of_a.size and of_b.size:
        if degrees and sigma > 0:
            z = (mean_a - mean_b) / (sigma * math.sqrt(1 / of_a.size + 1 / of_b.size))
            p = math.erfc(abs(z) / math.sqrt(2))
        rng = np.random.default_rng(seed)
        drawn_a, drawn_b = (rng.choice(x, (draws, x.size)).mean(axis=1) for x in (of_a, of_b))
        ahead = drawn_a > drawn_b if larger_is_better else drawn_a < drawn_b
        better = float(ahead.mean() + 0.5 * (drawn_a == drawn_b).mean())
    return Comparison(
        workload, quantity, of_a.size, of_b.size, mean_a, mean_b, sigma, degrees, z, p, better
    )


def pooled_sigma(groups: Sequence[np.ndarray]) -> tuple[float, int]:
    """The standard deviation within groups, taken to be that of all, and its degrees of freedom."""
    degrees = sum(group.size - 1 for group in groups if group.size)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups if group.size)
    return (math.sqrt(squares / degrees) if degrees else math.nan), degrees
