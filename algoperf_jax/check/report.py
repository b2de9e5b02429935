"""All checks of a submission that is to be handed in, one after the other.

In a notebook, `name` being that of a workload:

    import reference_algorithms, workloads
    from algoperf_jax.check.report import KnownFacts, check_submission
    from workloads.facts import FACTS

    mini = [workloads.get(name)]
    for check in check_submission("mine.py", reference_algorithms.get, mini, KnownFacts(FACTS)):
        print(check.passed, check.name, check.findings)
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from algoperf_jax.check import files, metadata, runs
from algoperf_jax.check.resumption import check_resumption
from algoperf_jax.check.source import Finding
from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, Tuning, rule_set
from algoperf_jax.submission import Submission
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR, set_up
from algoperf_jax.workload import Workload


@dataclasses.dataclass(frozen=True)
class Check:
    """One check and its result.

    Attributes:
      name: the subject, for people.
      findings: violations of rules, and warnings.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule is broken."""
        return not any(finding.kind == "violation" for finding in self.findings)


@dataclasses.dataclass(frozen=True)
class KnownFacts:
    """Facts that identify the benchmark's workloads; an algorithm may not know them.

    Attributes:
      facts: of all workloads, by name.
      training_examples: numbers of training examples at scale full, as far as they are known.
    """

    facts: Mapping[str, Facts]
    training_examples: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def base(self) -> dict[str, Facts]:
        """The facts of the base workloads."""
        return {name: own for name, own in self.facts.items() if own.base_name is None}


def check_submission(
    argument: str,
    load: Callable[[str], Submission],
    workloads: Sequence[Workload],
    known: KnownFacts,
    rules: str = "v0.5",
    cache_dir: Path = DEFAULT_CACHE_DIR,
) -> Iterator[Check]:
    """Checks a submission: each check is given out when it is done.

    Args:
      argument: its file, as `path/to/file.py[:NAME]`.
      load: the submission that an argument leads to.
      workloads: where two steps are trained, at scale mini; at least one.
      known: facts that identify workloads.
      rules: name of the rule set.
      cache_dir: where embedded data are unpacked.

    Raises:
      UserError: there is no such file or rule set, the submission cannot be loaded, or a workload's
        data are missing.
    """
    rule_set(rules)
    file = Path(argument.partition(":")[0])
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{file} is not there; name the Python file that defines the submission")
    described, tuning = _metadata(metadata.metadata_path(file))
    yield described
    submission = load(argument)
    tuning = tuning or ("self" if submission.search_space is None else "external")
    numbers = files.telling_numbers(known.base, known.training_examples)
    yield _done("source", files.source_findings(submission, known.facts, numbers))
    differing = files.same_everywhere(submission, lambda: load(argument), known.base)
    yield _done("one search space for all workloads", differing)
    settings = Settings(rules=rules, tuning=tuning, max_steps=runs.STEPS)
    yield from _search_space(submission, workloads[0], settings, known, cache_dir.expanduser())
    yield from _training(submission, workloads, settings, known, cache_dir.expanduser())


def _metadata(path: Path) -> tuple[Check, Tuning | None]:
    """The check of the metadata, and the rule set they name where they are right."""
    try:
        found = metadata.load(path)
    except UserError as error:
        return _done("metadata", [runs.violation(str(error))]), None
    who = f"{found.name} by {', '.join(found.authors)} ({', '.join(found.organisations)})"
    return _done(f"metadata: {who}, rule set {found.rule_set}", []), found.rule_set


def _search_space(
    submission: Submission,
    workload: Workload,
    settings: Settings,
    known: KnownFacts,
    cache_dir: Path,
) -> Iterator[Check]:
    found = runs.check_search_space(submission, settings.tuning, known.facts)
    fits = _done("hyperparameters and search space", found)
    yield fits
    if fits.passed and submission.search_space is not None and settings.tuning == "external":
        found = runs.check_points(workload, submission, settings, cache_dir)
        yield _done(f"{runs.DRAWN_POINTS} points of its search space", found)


def _training(
    submission: Submission,
    workloads: Sequence[Workload],
    settings: Settings,
    known: KnownFacts,
    cache_dir: Path,
) -> Iterator[Check]:
    """Two steps on each workload; on the first one also resumption and the name's influence."""
    what = "two steps, pure state, checkpoint and back, nothing goes on beside the clock"
    with tempfile.TemporaryDirectory() as folder:
        for workload in workloads:
            place = Path(folder) / workload.name
            found = runs.check_training(workload, submission, settings, place, cache_dir)
            trained = _done(f"{workload.name}: {what}", found)
            yield trained
            if workload is workloads[0] and trained.passed:
                place = Path(folder) / "broken off"
                found = check_resumption(workload, submission, settings, place, cache_dir)
                yield _done("a trial that is broken off and resumed ends as an unbroken one", found)
                trial = set_up(workload, submission, settings, cache_dir)
                names = list(known.base)
                found = runs.check_name_is_forgotten(workload, submission, names, trial)
                yield _done("the step does not depend on the workload's name", found)
                found = runs.check_devices(trial)
                yield _done("the step does not depend on the number of devices", found)


def _done(name: str, findings: Sequence[Finding]) -> Check:
    return Check(name, tuple(findings))
