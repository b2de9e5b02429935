"""All trials below a folder in tables, one per workload, the best trial first.

Records are read as they are, those of running trials too; nothing is judged as scoring does it.
"""

import csv
import dataclasses
import io
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.scoring.folders import find_trials
from algoperf_jax.scoring.reading import EVALUATIONS, text_of_log
from algoperf_jax.scoring.text_table import TextTable
from algoperf_jax.suite.trial_status import trial_status

Order = Literal["seconds", "steps", "metric"]


@dataclasses.dataclass(frozen=True)
class ListedTrial:
    """One trial, as its folder tells.

    Attributes:
      workload, submission, study, trial: which one.
      conditions: scale, rules and tuning, in words; trials of different ones do not compare.
      point: its hyperparameters.
      state: `"to do"`, `"unfinished"`, or the status of its outcome.
      metric: name of the target's metric; empty where the record does not say.
      direction: `"max"` or `"min"`.
      best: the best value on the validation split, NaN without any.
      steps, seconds: of the newest evaluation.
      steps_at_target, seconds_at_target: of the first evaluation that met the target, infinity for
        none.
    """

    workload: str
    submission: str
    study: int
    trial: int
    conditions: str
    point: Mapping[str, Any]
    state: str
    metric: str
    direction: str
    best: float
    steps: int
    seconds: float
    steps_at_target: float
    seconds_at_target: float


def listed_trials(folder: Path) -> list[ListedTrial]:
    """The trials below a folder.

    Raises:
      UserError: there is none, or an outcome is not readable.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name one with records")
    found, _ = find_trials(folder)
    if not found:
        raise UserError(f"{folder} holds no trials; records lie in SUBMISSION/study_K/WORKLOAD_jax")
    return [
        _listed(Path(one.folder), one.workload, one.submission, one.study, one.trial)
        for one in found
    ]


def trial_tables(trials: Sequence[ListedTrial], order: Order = "seconds") -> list[TextTable]:
    """A table for each workload under the same conditions, the best trial first.

    Args:
      trials: as `listed_trials` gives them.
      order: by time to target, steps to target, or the best value; trials that have not reached it
        follow by their best values.
    """
    groups: dict[tuple[str, str], list[ListedTrial]] = {}
    for trial in trials:
        groups.setdefault((trial.workload, trial.conditions), []).append(trial)
    return [
        _table(", ".join(filter(None, group)), of_group, order)
        for group, of_group in sorted(groups.items())
    ]


def _listed(folder: Path, workload: str, submission: str, study: int, trial: int) -> ListedTrial:
    facts = read_json(folder / "meta_data.json") or {}
    metric = str(facts.get("workload.target_metric", ""))
    direction = str(facts.get("workload.target_direction", "max"))
    target = float(facts.get("workload.validation_target_value", math.nan))
    configuration = facts.get("configuration", {})
    rows = _evaluations(folder, metric)
    sign = 1.0 if direction == "max" else -1.0
    values = [sign * value for _, _, value in rows if not math.isnan(value)]
    first = next(
        ((step, seconds) for step, seconds, value in rows if sign * value >= sign * target),
        (math.inf, math.inf),
    )
    steps, seconds, _ = rows[-1] if rows else (0, 0.0, math.nan)
    point = read_json(folder / "hparams.json")
    return ListedTrial(
        workload=workload,
        submission=submission,
        study=study,
        trial=trial,
        conditions=" ".join(
            str(configuration[name])
            for name in ("scale", "rules", "tuning")
            if name in configuration
        ),
        point=point if isinstance(point, dict) else {},
        state=trial_status(folder).state,
        metric=metric,
        direction=direction,
        best=sign * max(values) if values else math.nan,
        steps=int(steps),
        seconds=seconds,
        steps_at_target=first[0],
        seconds_at_target=first[1],
    )


def _evaluations(folder: Path, metric: str) -> list[tuple[float, float, float]]:
    """Step, submission time and value of each evaluation; a line under way is left out."""
    rows = []
    try:
        text = text_of_log(f"{folder}/{EVALUATIONS}").decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        return []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            value = float(row.get(f"validation/{metric}") or "nan")
            rows.append((float(row["global_step"]), float(row["score"]), value))
        except (KeyError, TypeError, ValueError):
            continue
    return rows


def _table(title: str, trials: Sequence[ListedTrial], order: Order) -> TextTable:
    def key(one: ListedTrial) -> tuple[float, ...]:
        best = -one.best if one.direction == "max" else one.best
        best = math.inf if math.isnan(best) else best
        first = {"seconds": one.seconds_at_target, "steps": one.steps_at_target, "metric": best}
        return first[order], best, one.study, one.trial

    names = list(dict.fromkeys(name for one in trials for name in one.point))
    varied = [name for name in names if len({repr(one.point.get(name)) for one in trials}) > 1]
    rows = [
        [
            f"{one.submission} {one.study}/{one.trial}",
            one.state,
            _shown(one.seconds_at_target, ".1f"),
            _shown(one.steps_at_target, ".0f"),
            "-" if math.isnan(one.best) else f"{one.best:.5g}",
            str(one.steps),
            f"{one.seconds:.1f}",
            *(_value(one.point.get(name)) for name in varied),
        ]
        for one in sorted(trials, key=key)
    ]
    metric = next((one.metric for one in trials if one.metric), "metric")
    header = ["trial", "outcome", "seconds to target", "steps to target", f"best {metric}"]
    header += ["steps", "seconds", *varied]
    legend = ["trial: submission study/trial; hyperparameters that all trials share are left out"]
    return TextTable(title, header, rows, legend, title)


def _shown(x: float, form: str) -> str:
    return "-" if math.isinf(x) else format(x, form)


def _value(x: Any) -> str:
    return f"{x:.5g}" if isinstance(x, float) else "-" if x is None else str(x)
