"""Checks of a submission's files: its source, the modules beside it, its search space and point."""

import ast
import json
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf_jax.check.source import Finding, findings
from algoperf_jax.rules import Facts

if TYPE_CHECKING:  # the sources are read without JAX
    from algoperf_jax.submission import Submission


def source_findings(
    file: Path, names: Collection[str], numbers: Mapping[float, str]
) -> list[Finding]:
    """Rules broken in a submission's file, or in the files beside it that it imports.

    Args:
      file: the submission's own.
      names, numbers: as `source.findings` takes them.
    """
    found = []
    beside = {path.stem: path for path in file.parent.glob("*.py")}
    waiting, seen = [file], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        found += findings(text, path.name, names, numbers)
        waiting += [beside[name] for name in imported(text) if name in beside]
    return found


def imported(text: str) -> set[str]:
    """Top-level names of the modules that a source imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


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
