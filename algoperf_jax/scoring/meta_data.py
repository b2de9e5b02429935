"""What the kit's own records say about themselves: scale, rules, facts of the workload."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.rules import Facts, Limits, Target

NAME = "meta_data.json"
"""The reference's records have numbered files, `meta_data_0.json`, instead."""


@dataclasses.dataclass(frozen=True)
class MetaData:
    """One trial's own account.

    Attributes:
      scale: `"full"` or `"mini"`.
      rules, tuning: name of the rule set, and the tuning rule.
      target: metric, direction and values.
      limits: step hint and runtime under these rules.
      budget_seconds: of this run.
      compilation_cache: folder of the persistent compilation cache, None for none.
      ended: whether the trial has an outcome; one that has none still runs or was interrupted.
      configuration: what made it the trial that it is, as `Trial.configuration` has it.
      devices: how many it ran on, of which kind, from its first start to its last resumption.
    """

    scale: str
    rules: str
    tuning: str
    target: Target
    limits: Limits
    budget_seconds: float
    compilation_cache: str | None
    ended: bool
    configuration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    devices: tuple[str, ...] = ()

    @property
    def facts(self) -> tuple[Target, Limits, float]:
        """What all trials of one workload have in common."""
        return self.target, self.limits, self.budget_seconds


def read_meta_data(folder: str) -> MetaData | None:
    """The account of the trial in a folder; None for a record that the kit did not write.

    Raises:
      UserError: the file is not JSON or lacks a value.
    """
    path = os.path.join(folder, NAME)
    if not os.path.exists(path):
        return None
    content = read_json(Path(path))
    try:
        return _meta_data(content, ended=os.path.exists(os.path.join(folder, "outcome.json")))
    except KeyError as error:
        raise UserError(f"{path} has no value {error}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is not the account of a trial: {error}") from None


def _meta_data(content: Any, ended: bool) -> MetaData:
    configuration = content["configuration"]
    direction = content["workload.target_direction"]
    if direction not in ("max", "min"):
        raise ValueError(f"the target's direction is {direction!r}, expected 'max' or 'min'")
    return MetaData(
        scale=configuration["scale"],
        rules=configuration["rules"],
        tuning=configuration["tuning"],
        target=Target(
            metric=content["workload.target_metric"],
            direction=direction,
            validation=float(content["workload.validation_target_value"]),
            test=float(content.get("workload.test_target_value", "nan")),
        ),
        limits=Limits(
            step_hint=int(content.get("workload.step_hint", 0)),
            runtime_seconds=float(content["workload.max_allowed_runtime_sec"]),
            eval_period_seconds=float(content.get("workload.eval_period_time_sec", "nan")),
        ),
        budget_seconds=float(content["budget_sec"]),
        compilation_cache=content.get("compilation_cache"),
        ended=ended,
        configuration=configuration,
        devices=tuple(
            f"{start['device_count']} {start['device_kind']}"
            for start in content.get("starts", [content])
            if "device_kind" in start and "device_count" in start
        ),
    )


def own_facts(accounts: Iterable[MetaData]) -> dict[str, Facts]:
    """The facts of workloads as trials at scale mini tell them, whoever made the workload."""
    return {
        str(account.configuration["workload"]): Facts(
            account.target, {account.rules: account.limits}
        )
        for account in accounts
        if "workload" in account.configuration
    }


def agreed_facts(
    facts: Mapping[str, Facts], accounts: Iterable[tuple[str, str, MetaData]]
) -> dict[str, Facts]:
    """The facts with those of the accounts in their place: at scale mini records bring their own.

    Args:
      facts: by name of workload.
      accounts: (workload, folder, account) of trials under one rule set.

    Raises:
      UserError: two trials of a workload differ; names both files.
    """
    agreed = dict(facts)
    first: dict[str, tuple[str, MetaData]] = {}
    for workload, folder, account in accounts:
        there, other = first.setdefault(workload, (folder, account))
        # repr, as a test target that is not known is NaN and equals nothing.
        if repr(account.facts) != repr(other.facts):
            raise UserError(
                f"{os.path.join(folder, NAME)} and {os.path.join(there, NAME)} differ in target or "
                f"budget of {workload}: {_shown(account)} and {_shown(other)}; score them apart"
            )
        agreed[workload] = dataclasses.replace(
            facts[workload], target=account.target, limits={account.rules: account.limits}
        )
    return agreed


def contradiction(facts: Facts, account: MetaData) -> str | None:
    """How a trial of the benchmark itself departs from the benchmark's facts; None if it agrees."""
    target, limits = facts.target, facts.limits[account.rules]
    for what, found, expected in (
        ("metric", account.target.metric, target.metric),
        ("direction", account.target.direction, target.direction),
        ("validation target", account.target.validation, target.validation),
        ("runtime", account.limits.runtime_seconds, limits.runtime_seconds),
    ):
        if found != expected:
            return f"its {what} is {found}, under rules {account.rules} it is {expected}"
    return None


def _shown(account: MetaData) -> str:
    target = account.target
    bound = f"{target.metric} {'>=' if target.direction == 'max' else '<='} {target.validation}"
    return f"{bound} within {account.budget_seconds} s"
