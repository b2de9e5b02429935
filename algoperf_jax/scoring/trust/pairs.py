"""Two submissions compared on each workload, with the numbers of studies and the tests named.

Three quantities, one number for each study: steps and seconds to the target, those of its fastest
trial, and the best final metric of its trials on the validation split, which compares runs that
went on for as long. Two tests:

- test with a fixed sigma: the standard deviation of a quantity is taken to be the same for all
  submissions on a workload and is estimated from all of them together, within submissions, so that
  two or three studies of each suffice. z = (mean A - mean B) / (sigma sqrt(1/a + 1/b)); p is
  two-sided by Student's t with the degrees of freedom of sigma, which for a large field is the
  normal distribution. Studies that missed the target have no number in it.
- bootstrap, from three studies of each on: studies drawn anew; how often the mean of A is the
  better one, ties half. A miss is infinite.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.trust.pace import check_named

DRAWS = 10_000
LEAST_DRAWN_FROM = 3
Quantity = Literal["steps to target", "seconds to target", "final metric"]


class Comparison(NamedTuple):
    """Submission A against B on one workload.

    Attributes:
      workload, quantity: what is compared.
      finite_a, finite_b: studies that have a number: that met the target, or have a final metric.
      studies_a, studies_b: studies there are.
      mean_a, mean_b: of the finite numbers; NaN without any.
      sigma: within submissions, from `degrees` degrees of freedom over the field; NaN for none.
      degrees: see `sigma`.
      z, p: of the test; NaN where it cannot be made. z is above 0 where A's numbers are larger.
      a_is_better: the bootstrap's share; NaN with too few studies.
    """

    workload: str
    quantity: Quantity
    finite_a: int
    finite_b: int
    studies_a: int
    studies_b: int
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
    """Compares two submissions on all workloads.

    Args:
      results: of the field.
      runs: `run`, `submission`, `workload`, `slot`, `num_evals`, `step`, `seconds` of the field.
      evaluations: `run`, `seconds`, `value` of those that are no summaries.
      a, b: names of submissions.

    Raises:
      UserError: there is no submission of a name.
    """
    for name in (a, b):
        check_named(results, name)
    final = evaluations.sort("seconds").group_by("run").agg(pl.col("value").last())
    measured = runs.filter(pl.col("num_evals") > 0).join(final, on="run", how="left")
    found = []
    for workload in results.protocol.workloads:
        larger = results.protocol.facts[workload].target.direction == "max"
        value = pl.col("value").filter(pl.col("value").is_finite())
        studies = (
            measured.filter(pl.col("workload") == workload)
            .group_by("submission", "slot")
            .agg(
                pl.col("step", "seconds").min(),
                (value.max() if larger else value.min()).fill_null(math.nan),
            )
        )
        of = dict(sorted(studies.partition_by("submission", as_dict=True).items()))
        columns: Mapping[Quantity, tuple[str, bool]] = {
            "steps to target": ("step", False),
            "seconds to target": ("seconds", False),
            "final metric": ("value", larger),
        }
        for quantity, (column, larger_is_better) in columns.items():
            numbers = {str(name): part[column].to_numpy() for (name,), part in of.items()}
            one = compared(workload, quantity, numbers, a, b, larger_is_better=larger_is_better)
            found.append(one)
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
      numbers: of each submission of the field, a number for each study; infinity for a miss, NaN
        for one without a number.
      a, b: which two.
      larger_is_better: which way is better.
      draws, seed: of the bootstrap.
    """
    from scipy import special  # comes with JAX; only needed here

    of_a, of_b = (numbers.get(name, np.empty(0)) for name in (a, b))
    finite = {name: x[np.isfinite(x)] for name, x in numbers.items()}
    finite_a, finite_b = (finite.get(name, np.empty(0)) for name in (a, b))
    sigma, degrees = pooled_sigma(list(finite.values()))
    mean_a, mean_b = (float(x.mean()) if x.size else math.nan for x in (finite_a, finite_b))
    z = p = better = math.nan
    if finite_a.size and finite_b.size and degrees and sigma > 0:
        z = (mean_a - mean_b) / (sigma * math.sqrt(1 / finite_a.size + 1 / finite_b.size))
        p = 2 * float(special.stdtr(degrees, -abs(z)))
    known_a, known_b = (x[~np.isnan(x)] for x in (of_a, of_b))
    if min(known_a.size, known_b.size) >= LEAST_DRAWN_FROM:
        rng = np.random.default_rng(seed)
        drawn_a, drawn_b = (rng.choice(x, (draws, x.size)).mean(axis=1) for x in (known_a, known_b))
        ahead = drawn_a > drawn_b if larger_is_better else drawn_a < drawn_b
        better = float(ahead.mean() + 0.5 * (drawn_a == drawn_b).mean())
    counts = finite_a.size, finite_b.size, of_a.size, of_b.size
    return Comparison(workload, quantity, *counts, mean_a, mean_b, sigma, degrees, z, p, better)


def pooled_sigma(groups: Sequence[np.ndarray]) -> tuple[float, int]:
    """The standard deviation within groups, taken to be that of all, and its degrees of freedom."""
    degrees = sum(group.size - 1 for group in groups if group.size)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups if group.size)
    return (math.sqrt(squares / degrees) if degrees else math.nan), degrees
