"""Log trees as the benchmark's reference implementation writes them, made from tidy files."""

from pathlib import Path

import polars as pl

from workloads.facts import FACTS


def write_raw_tree(tidy: Path, root: Path) -> None:
    """The runs of a tidy file as the reference would have logged them; NaN as an empty cell."""
    table = pl.read_csv(tidy, infer_schema=False)
    for key, rows in table.group_by("submission", "study", "workload", "framework", "trial"):
        submission, study, workload, framework, trial = key
        folder = root / submission / f"study_{study}" / f"{workload}_{framework}" / f"trial_{trial}"
        folder.mkdir(parents=True)
        metric = FACTS[workload].target.metric
        value = pl.col("validation_value").replace("nan", "")
        rows.select(
            "accumulated_submission_time",
            "global_step",
            "score",
            pl.lit("0.25").alias("test/num_examples"),
            value.alias(f"validation/{metric}"),
            pl.lit("").alias("validation/other"),
        ).write_csv(folder / "eval_measurements.csv")
