"""`plan.json`: the decisions made before the first trial of a suite, which bind all of them.

It lies in the submission's folder of an experiment. Later calls may run other parts of the plan
(more workloads, studies or trials), but nothing that is written in it may change: a score mixes no
seeds, no rules, no versions of a submission and no draws of points.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json, write_json
from algoperf_jax.suite.plan import DrawnPoints


@dataclasses.dataclass(frozen=True)
class Agreement:
    """The values that all trials of a suite share.

    Attributes:
      submission: its name in the records.
      source_sha256: the submission's identity, that of its files; see `algoperf_jax.identity`.
      scale, rules, tuning, seed: as for each trial.
      max_steps, eval_every_steps, replicas: as for each trial; None where not given.
      default_point: the submission's own hyperparameters.
      drawn: the points drawn for its studies, or None.
      budgets: budget in seconds by name of the workload.
    """

    submission: str
    source_sha256: str | None
    scale: str
    rules: str
    tuning: str
    seed: int
    max_steps: int | None
    eval_every_steps: int | None
    replicas: int | None
    default_point: Mapping[str, Any]
    drawn: DrawnPoints | None
    budgets: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The content of `plan.json`."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        drawn = data.pop("drawn")
        budgets = data.pop("budgets")
        content = {
            **data,
            "default_point": dict(self.default_point),
            "search_space": drawn.space if drawn else None,
            "points": [
                {"study": study, "trial": trial, "hyperparameters": point}
                for study, points in enumerate(drawn.studies)
                for trial, point in enumerate(points, 1)
            ]
            if drawn
            else None,
            "budget_seconds": dict(budgets),
        }
        return json.loads(json.dumps(content, default=str))  # as it will be read again


def check(path: Path, agreement: Agreement) -> None:
    """Holds the plan against the one that is there, if there is one.

    Raises:
      UserError: there is another plan; the message has both values of each difference.
    """
    there = read_json(path)
    if there is not None and (differing := _differences(there, agreement.as_json())):
        raise UserError(
            f"{path} holds another plan: {'; '.join(differing)}; choose another "
            "--experiment_dir, or --overwrite to discard that plan and its records"
        )


def write(path: Path, agreement: Agreement) -> None:
    """Writes the plan; workloads of an equal plan that is there already are kept beside its own."""
    mine = agreement.as_json()
    there = read_json(path) or mine
    mine["budget_seconds"] = {**there["budget_seconds"], **mine["budget_seconds"]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; name a folder you may write to with "
            "--experiment_dir"
        ) from None


_MANY = ("points", "budget_seconds")


def _differences(there: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    """What differs, in words; of the points the first that does."""
    if not isinstance(there, Mapping) or not isinstance(there.get("budget_seconds"), Mapping):
        return ["it is not the plan of a suite"]
    found = [
        _text(name, there.get(name), value)
        for name, value in mine.items()
        if name not in _MANY and there.get(name) != value
    ]
    for workload, seconds in mine["budget_seconds"].items():
        old = there["budget_seconds"].get(workload, seconds)
        if old != seconds:
            found.append(_text(f"budget_seconds of {workload}", old, seconds))
    return found or _different_point(there.get("points"), mine["points"])


def _text(name: str, there: Any, here: Any) -> str:
    if name == "source_sha256" and there and here:
        return "a file of the submission has changed since"
    if name == "search_space" and there is not None and here is not None:
        return "it has another search space"
    return f"{name} is {there!r} there and {here!r} here"


def _different_point(there: Any, mine: Any) -> list[str]:
    if there == mine:
        return []
    if not isinstance(there, list) or not isinstance(mine, list) or len(there) != len(mine):
        lengths = [len(points) if isinstance(points, list) else 0 for points in (there, mine)]
        return [f"it has {lengths[0]} drawn points there and {lengths[1]} here"]
    a, b = next((a, b) for a, b in zip(there, mine, strict=True) if a != b)
    return [
        f"the point of study {b['study']}, trial {b['trial']} is {a.get('hyperparameters')} there "
        f"and {b['hyperparameters']} here"
    ]
