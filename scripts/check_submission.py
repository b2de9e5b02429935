"""Checks a submission before it is handed in: metadata, rules that a program can see, two steps.

python scripts/check_submission.py my_algorithm.py
python scripts/check_submission.py my_algorithm.py --workloads ogbg
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command_line import answer_for
from suite_plan import DEFAULT_CACHE_DIR, chosen_workloads

import reference_algorithms
import workloads
from algoperf_jax.check import metadata as submission_metadata
from algoperf_jax.check.source import Finding, findings
from algoperf_jax.errors import UserError
from algoperf_jax.rules import rule_set
from workloads.facts import BASE, FACTS


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Checks a submission: its metadata, rules that a program can see, and two "
        "steps on each mini workload. A reader of the source finds more."
    )
    p.add_argument("file", metavar="FILE", help="the submission, path/to/file.py or file.py:NAME")
    p.add_argument(
        "--workloads",
        nargs="+",
        default=["base"],
        metavar="NAME",
        help="where to train two steps (default: every base workload there is)",
    )
    p.add_argument("--rules", default="v0.5", help="edition of the rules (default: v0.5)")
    p.add_argument("--cache_dir", type=Path, help="where embedded data are unpacked")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all checks; 0 when no rule is broken, 1 otherwise."""
    flags = parser().parse_args(arguments)
    rule_set(flags.rules)
    file = Path(flags.file.partition(":")[0])
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{file} is not there; name the Python file that defines the submission")
    loaded = list(chosen_workloads(flags.workloads, "mini").values())
    report = Report()
    tuning = report.metadata(submission_metadata.metadata_path(file))
    submission = reference_algorithms.get(flags.file)
    tuning = tuning or ("self" if submission.search_space is None else "external")
    report.say("source", source_findings(file))
    report.say("one search space for all workloads", same_everywhere(flags.file, submission))
    checked_by_running(report, submission, loaded, tuning, flags)
    violations, warnings = report.count("violation"), report.count("warning")
    print(f"{violations} violations, {warnings} warnings")
    return 1 if violations else 0


class Report:
    """What the checks have found so far; each is printed when it is done."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    def say(self, check: str, found: Sequence[Finding]) -> bool:
        """Prints the result of one check; whether no rule is broken."""
        self._findings += found
        good = not any(finding.kind == "violation" for finding in found)
        if good:
            print(f"ok         {check}", flush=True)
        for finding in found:
            print(f"{finding.kind:<10} {finding.text}", flush=True)
        return good

    def metadata(self, path: Path) -> Any:
        """Checks the metadata; the rule set they name, None where they are not right."""
        try:
            found = submission_metadata.load(path)
        except UserError as error:
            self.say("metadata", [Finding("violation", str(error))])
            return None
        who = f"{found.name} by {', '.join(found.authors)} ({', '.join(found.organisations)})"
        self.say(f"metadata: {who}, rule set {found.rule_set}", [])
        return found.rule_set

    def count(self, kind: str) -> int:
        """How many findings of a kind there are."""
        return sum(finding.kind == kind for finding in self._findings)


def source_findings(file: Path) -> list[Finding]:
    """What the sources give away: the file's own and those beside it that it may import."""
    found = []
    beside = {path.stem: path for path in file.parent.glob("*.py")}
    waiting, seen = [file], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        found += findings(text, path.name, FACTS, telling_numbers())
        waiting += [beside[name] for name in imported(text) if name in beside]
    return found


def imported(text: str) -> set[str]:
    """Top-level names of the modules that a source imports."""
    import ast

    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def telling_numbers() -> dict[float, str]:
    """Numbers that identify a workload at scale full, in words."""
    numbers: dict[float, str] = {}
    for name, facts in BASE.items():
        numbers[facts.target.validation] = f"the target of {name}"
        for rules, limits in facts.limits.items():
            numbers[float(limits.step_hint)] = f"the step hint of {name} under {rules}"
            numbers[float(limits.runtime_seconds)] = f"the runtime of {name} under {rules}"
        if name in workloads.CATALOGUE.entries:
            examples = workloads.get(name, "full").num_examples["train"]
            numbers[float(examples)] = f"the number of training examples of {name}"
    return numbers


def same_everywhere(argument: str, submission: Any) -> list[Finding]:
    """Whether the file defines the same search space and point whatever the command line says."""
    expected = _constants(submission)
    before = sys.argv
    try:
        for name in BASE:
            sys.argv = ["train.py", f"--workload={name}", name]
            found = _constants(reference_algorithms.get(argument))
            if found != expected:
                text = f"search space or hyperparameters differ when the command names {name}"
                return [Finding("violation", f"{text}; they are the same for all workloads")]
    finally:
        sys.argv = before
    return []


def _constants(submission: Any) -> str:
    values = [submission.search_space, dict(submission.hyperparameters)]
    return json.dumps(values, default=str, sort_keys=True)


def checked_by_running(
    report: Report, submission: Any, loaded: Sequence[Any], tuning: Any, flags: Any
) -> None:
    """The checks that trace and train."""
    from algoperf_jax.check import runs as check
    from algoperf_jax.trial.setup import Settings, set_up

    cache_dir = (flags.cache_dir or DEFAULT_CACHE_DIR).expanduser()
    settings = Settings(rules=flags.rules, tuning=tuning, max_steps=check.STEPS)
    fits = report.say(
        "hyperparameters and search space",
        check.check_search_space(submission, tuning, FACTS),
    )
    if fits and submission.search_space is not None and tuning == "external":
        found = check.check_points(loaded[0], submission, settings, cache_dir)
        report.say(f"{check.DRAWN_POINTS} points of its search space", found)
    with tempfile.TemporaryDirectory() as folder:
        for workload in loaded:
            place = Path(folder) / workload.name
            found = check.check_training(workload, submission, settings, place, cache_dir)
            what = "two steps, pure state, checkpoint and back, nothing left on the device"
            trained = report.say(f"{workload.name}: {what}", found)
            if workload is loaded[0] and trained:
                trial = set_up(workload, submission, settings, cache_dir)
                found = check.check_name_is_forgotten(workload, submission, list(BASE), trial)
                report.say("the step does not depend on the workload's name", found)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answer_for(main)
