"""Checks of a submission's files: its source, the modules beside it, its search space and point."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from algoperf_jax.check.source import Finding, findings
from algoperf_jax.rules import Facts

if TYPE_CHECKING:  # the sources are read without JAX
    from algoperf_jax.submission import Submission


def source_findings(
    submission: "Submission", names: Collection[str], numbers: Mapping[float, str]
) -> list[Finding]:
    """Rules broken in a submission's file, or in the user's files that it imports.

    Args:
      submission: loaded from a file.
      names, numbers: as `source.findings` takes them.
    """
    from algoperf_jax.identity import CATALOGUE, source_files

    found = []
    for path in source_files(submission):
        # The catalogue's own pieces may know workloads: batch sizes are a table by their names.
        if path.parent == CATALOGUE.parent and path != submission.file:
            continue
        found += findings(path.read_text(encoding="utf-8"), path.name, names, numbers)
    return found


def telling_numbers(
    facts: Mapping[str, Facts], training_examples: Mapping[str, int]
) -> dict[float, str]:
    """Numbers that identify a workload at scale full, with the words to report them in.

    Args:
      facts: of base workloads, by name.
      training_examples: their number by name of the workload, as far as it is known.
    """
    numbers: dict[float, str] = {}
    for name, own in facts.items():
        numbers[own.target.validation] = f"the target of {name}"
        for rules, limits in own.limits.items():
            numbers[float(limits.step_hint)] = f"the step hint of {name} under {rules}"
            numbers[float(limits.runtime_seconds)] = f"the runtime of {name} under {rules}"
    for name, examples in training_examples.items():
        numbers[float(examples)] = f"the number of training examples of {name}"
    return numbers


def same_everywhere(
    submission: "Submission", load: Callable[[], "Submission"], names: Collection[str]
) -> list[Finding]:
    """Whether search space and point are the same whatever workload the command line names.

    Args:
      submission: what is checked.
      load: loads it anew.
      names: of workloads.
    """
    expected = _constants(submission)
    before = sys.argv
    try:
        for name in names:
            sys.argv = ["train.py", f"--workload={name}", name]
            if _constants(load()) != expected:
                text = f"search space or hyperparameters differ when the command names {name}"
                return [Finding("violation", f"{text}; they are the same for all workloads")]
    finally:
        sys.argv = before
    return []


def _constants(submission: "Submission") -> str:
    values = [submission.search_space, dict(submission.hyperparameters)]
    return json.dumps(values, default=str, sort_keys=True)
