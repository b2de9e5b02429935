"""Records -> runs -> times of studies -> median."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from algoperf_jax.rules import MissingStudies
from algoperf_jax.scoring.protocol import ScoringProtocol, Time, TrialChoice

INFINITY = float("inf")


# Of rows with a `value` and the columns of `target_table`. In this column engine NaN is greater
# than every number.
MEETS_TARGET = pl.col("value").is_not_nan() & (
    pl.col("value") * pl.col("sign") >= pl.col("target") * pl.col("sign")
)


def target_table(protocol: ScoringProtocol) -> pl.DataFrame:
    """A row for each workload of the protocol.

    Columns `workload`, `sign` (1.0 where more is better, else -1.0), `target` on the validation
    split, `least` and `largest` value of its metric, `budget` in seconds.
    """
    targets = {name: protocol.facts[name].target for name in protocol.workloads}
    columns = {
        "sign": [1.0 if target.direction == "max" else -1.0 for target in targets.values()],
        "target": [target.validation for target in targets.values()],
        "least": [target.bounds[0] for target in targets.values()],
        "largest": [target.bounds[1] for target in targets.values()],
        "budget": [protocol.budget(name) for name in targets],
    }
    return pl.DataFrame(
        {"workload": list(targets), **columns},
        schema={"workload": pl.String, **dict.fromkeys(columns, pl.Float64)},
    )


def runs_from_evaluations(
    trials: pl.DataFrame, evaluations: pl.DataFrame, protocol: ScoringProtocol
) -> pl.DataFrame:
    """What each run came to: the first evaluation, in time, that meets the validation target.

    The target is inclusive, NaN never meets it, and an evaluation counts before the budget only
    (scoring rules, section 3). Values are compared as logged, without tolerance.

    Args:
      trials: `run` (id), `workload` and any other columns.
      evaluations: `run`, `step`, `seconds`, `value`; in any order.
      protocol: targets, directions, budgets.

    Returns:
      `trials` with `num_evals` (Int64), `eval_index` (Int64, from 0, null for a miss), `step` and
      `seconds` (Float64, at the target, infinity for a miss).
    """
    facts = target_table(protocol)
    hit = MEETS_TARGET & (pl.col("seconds") < pl.col("budget"))
    first = (
        evaluations.join(trials.select("run", "workload").join(facts, on="workload"), on="run")
        .sort("run", "seconds", "step")
        .with_columns(hit.alias("hit"))
        .group_by("run")
        .agg(
            pl.len().cast(pl.Int64).alias("num_evals"),
            pl.when(pl.col("hit").any())
            .then(pl.col("hit").arg_max())
            .cast(pl.Int64)
            .alias("eval_index"),
            pl.col("step", "seconds").filter(pl.col("hit")).first(),
        )
    )
    return trials.join(first, on="run", how="left").with_columns(
        pl.col("num_evals").fill_null(0), pl.col("step", "seconds").fill_null(INFINITY)
    )


def runs_from_summaries(
    trials: pl.DataFrame, summaries: pl.DataFrame, protocol: ScoringProtocol
) -> pl.DataFrame:
    """The same for runs that were summarised elsewhere.

    A target met after the budget, or in no time, is a miss.

    Args:
      trials: `run`, `workload` and any other columns.
      summaries: `run`, `num_evals`, `eval_index`, `step`, `seconds`.
      protocol: budgets.
    """
    budgets = {name: float(protocol.budget(name)) for name in protocol.workloads}
    budget = pl.col("workload").replace_strict(budgets, return_dtype=pl.Float64)
    met = (pl.col("seconds") > 0) & (pl.col("seconds") < budget)
    return trials.join(summaries, on="run").with_columns(
        pl.when(met).then("eval_index").alias("eval_index"),
        *(pl.when(met).then(name).otherwise(INFINITY).alias(name) for name in ("step", "seconds")),
    )


def study_times(
    runs: pl.DataFrame,
    protocol: ScoringProtocol,
    *,
    time: Time = "seconds",
    trial_choice: TrialChoice = "min_time",
    studies: Mapping[str, int] | None = None,
    missing: MissingStudies = "missed",
) -> dict[str, np.ndarray]:
    """The time of each study: that of one of its trials (scoring rules, sections 4 and 9).

    Args:
      runs: `submission`, `workload`, `slot` (index of the study), `num_evals`, `eval_index`,
        `step`, `seconds`; one row per run.
      protocol: workloads, and the number of studies.
      time: count seconds of submission time, or steps.
      trial_choice: `"min_time"`, the smallest time, or `"first_eval"`, the time of the trial with
        the smallest index of evaluation at the target, among equals the smaller time.
      studies: numbers of studies of submissions where they differ from the protocol's.
      missing: whether a study without measurements has missed the target, or is left out.

    Returns:
      By submission, sorted by name, float64 [W, K]: infinity for a study that missed the target,
      NaN for one that is left out, and in all studies of a workload without any measurement.
    """
    value = pl.col("seconds" if time == "seconds" else "step")
    chosen = (
        value.min() if trial_choice == "min_time" else value.sort_by("eval_index", value).first()
    )
    cell = ["submission", "workload", "slot"]
    reached = runs.filter(pl.col("eval_index").is_not_null()).group_by(cell).agg(chosen.alias("t"))
    measured = runs.filter(pl.col("num_evals") > 0).select(cell).unique()
    result = {}
    for submission in sorted(runs["submission"].unique()):
        shape = len(protocol.workloads), (studies or {}).get(submission, protocol.studies)
        times_WxK = np.full(shape, np.nan)
        own = pl.col("submission") == submission
        there = measured.filter(own)
        rows = _positions(there["workload"], protocol.workloads)
        if missing == "missed":
            times_WxK[rows] = np.inf
        else:
            times_WxK[rows, there["slot"].to_numpy()] = np.inf
        found = reached.filter(own)
        place = _positions(found["workload"], protocol.workloads), found["slot"].to_numpy()
        times_WxK[place] = found["t"].to_numpy()
        result[submission] = times_WxK
    return result


def median_times(study_times: Mapping[str, np.ndarray]) -> np.ndarray:
    """The times of submissions on workloads, float64 [S, W]: medians in which infinity counts.

    Args:
      study_times: by submission [..., W, K]; the order of submissions is kept. Studies that are
        NaN are left out.

    Returns:
      [..., S, W]; NaN where there are no measurements.
    """
    return np.stack([_median(times) for times in study_times.values()], axis=-2)


def _median(times___K: np.ndarray) -> np.ndarray:
    """Of the numbers along the last axis that are not NaN; NaN where there is none."""
    ordered = np.sort(times___K, axis=-1)  # NaN comes last
    count = np.sum(~np.isnan(times___K), axis=-1, keepdims=True)
    middle = [np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2]
    low, high = (np.take_along_axis(ordered, i, -1) for i in middle)
    return np.where(count > 0, np.where(low == high, low, (low + high) / 2), np.nan)[..., 0]


def _positions(names: pl.Series, order: Sequence[str]) -> np.ndarray:
    index = {name: position for position, name in enumerate(order)}
    return names.replace_strict(index, return_dtype=pl.Int64).to_numpy()
