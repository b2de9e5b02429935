"""Checks by running: two steps, the training state, drawn points, work left on the device."""

import dataclasses
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from algoperf_jax import tuning
from algoperf_jax.check.source import Finding
from algoperf_jax.contracts import check_arrays
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Tuning
from algoperf_jax.submission import Submission
from algoperf_jax.trial.batch_size import own_batch_size
from algoperf_jax.trial.checkpoints import Checkpoints
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.progress import Silent
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import Trial, set_up
from algoperf_jax.trial.step import training_step
from algoperf_jax.trial.training import train
from algoperf_jax.trial.typed_keys import as_numbers
from algoperf_jax.workload import Data, Split, Workload

STEPS = 2
MOST_FIXED_POINTS = 5
"""Points that a list in place of a search space may have."""
DRAWN_POINTS = 5
LARGEST_DIFFERENCE = 0.01
"""Of the first steps of two layouts, in units of their length; rounding is far below."""
LEFT_OVER_SECONDS = 0.1
"""How long the transfer of the next batch may still take after the device was drained."""


def violation(text: str) -> Finding:
    """A rule that is broken."""
    return Finding("violation", text)


def check_search_space(
    submission: Submission, rule_set: Tuning, names: Collection[str]
) -> list[Finding]:
    """Whether the hyperparameters fit the search space, and the space the rules.

    Args:
      submission: the one to check.
      rule_set: `"external"` or `"self"`.
      names: of all workloads.
    """
    data = submission.search_space
    if data is None:
        if rule_set == "external":
            return [violation("rule_set is external, and the submission has no search_space")]
        return []
    if isinstance(data, dict) and (mine := [name for name in data if name in names]):
        return [
            violation(
                f"search_space: it has an entry {mine[0]!r}; one search space serves all workloads"
            )
        ]
    try:
        space = tuning.parse(data, "search_space")
    except UserError as error:
        return [violation(str(error))]
    found = []
    if space.fixed is not None and len(space.fixed) > MOST_FIXED_POINTS:
        found.append(
            violation(
                f"search_space: a list of {len(space.fixed)} points; it may have "
                f"{MOST_FIXED_POINTS} at most"
            )
        )
    given = list(space.fixed[0] if space.fixed is not None else space.dimensions or {})
    unknown = [name for name in given if name not in submission.hyperparameters]
    if unknown:
        found.append(
            violation(
                f"search_space: {unknown[0]!r} is none of the submission's hyperparameters, "
                f"{', '.join(submission.hyperparameters) or 'it has none'}"
            )
        )
    for name in submission.hyperparameters:
        if name not in given:
            text = f"search_space lacks {name!r}, which stays at the submission's own value"
            found.append(Finding("warning", text))
    if rule_set == "self":
        text = "rule_set is self, and the search_space will not be used"
        found.append(Finding("warning", text))
    return found


def check_points(
    workload: Workload, submission: Submission, settings: Settings, cache_dir: Path
) -> list[Finding]:
    """Whether the submission's optimizer can be made with points of its search space."""
    space = tuning.parse(submission.search_space)
    for point in tuning.points(space, DRAWN_POINTS):
        try:
            drawn = dataclasses.replace(settings, hyperparameters=point)
            trial = set_up(workload, submission, drawn, cache_dir)
            model = jax.eval_shape(workload.init, trial.init_key)
            jax.eval_shape(trial.state_of, *model)
        except UserError as error:
            return [violation(f"at the point {point} of its search space: {error}")]
    return []


def check_training(
    workload: Workload,
    submission: Submission,
    settings: Settings,
    folder: Path,
    cache_dir: Path,
) -> list[Finding]:
    """Trains two steps with an evaluation after each; checks the state and the device afterwards.

    Args:
      workload, submission: of the training.
      settings: rules and tuning; the number of steps is replaced.
      folder: for the record; empty or not there.
      cache_dir: where embedded data are expanded.

    Raises:
      UserError: the workload's data are missing.
    """
    watched, left_over = watching_the_drain(workload)
    # A target met by the first evaluation would end the trial before its second step; the test
    # target is none of the things that a submission is told.
    target = dataclasses.replace(workload.target, test=workload.target.out_of_reach)
    watched = dataclasses.replace(watched, target=target)
    settings = dataclasses.replace(settings, max_steps=STEPS, eval_every_steps=1, stop_at="both")
    try:
        result = train(
            watched,
            submission,
            settings,
            folder=folder,
            cache_dir=cache_dir,
            reporter=Silent(),
            raise_failure=False,
        )
    except UserError as error:
        return [violation(f"{workload.name}: it cannot begin: {error}")]
    if result.state is None:
        return [violation(f"{workload.name}: two steps failed: {result.outcome.reason}")]
    found = [violation(f"{workload.name}: {text}") for text in dict.fromkeys(left_over)]
    initial = set_up(watched, submission, settings, cache_dir).initial_state()
    return [
        *found,
        *check_state(workload.name, as_numbers(result.state), initial, folder / "checkpoints"),
    ]


def check_state(name: str, state: Any, initial: Any, checkpoints: Path) -> list[Finding]:
    """Whether a training state is a pure pytree that comes back from its checkpoint unchanged.

    Args:
      name: of the workload.
      state: the last state, host arrays, typed keys as numbers.
      initial: the first state of the same trial, made anew.
      checkpoints: folder in which the last state was saved.
    """
    try:
        check_arrays(state, f"{name}: the training state")
    except UserError as error:
        return [violation(str(error))]
    if jax.tree.structure(state) != jax.tree.structure(initial):  # type: ignore[operator]
        return [
            violation(
                f"{name}: the training state is not a pure pytree: made anew it has another "
                "structure; keep functions and other objects out of it"
            )
        ]
    saved = Checkpoints(checkpoints)
    try:
        found = saved.restore(initial)
    except UserError as error:
        return [violation(f"{name}: {error}")]
    finally:
        saved.close()
    if found is None:
        return [violation(f"{name}: the training state was not saved")]
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(found.state), strict=True
    ):
        if not np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True):
            leaf = jax.tree_util.keystr(path)
            return [violation(f"{name}: the checkpoint gives other values back at {leaf}")]
    return []


def watching_the_drain(workload: Workload) -> tuple[Workload, list[str]]:
    """The workload, and a list that fills with what works on when an evaluation begins.

    The clock stops once everything that the devices were given is ready. So an array that is being
    computed after that was dispatched while the clock stands, by a thread of the submission.
    """
    found: list[str] = []

    def dataset(split: Split, data: Data, share: BatchShare, *, seed: int) -> Any:
        batches = workload.dataset(split, data, share, seed=seed)
        return _looking_first(batches, found) if split == "eval_train" else batches

    return dataclasses.replace(workload, dataset=dataset), found


def _looking_first(batches: Iterator[Any], found: list[str]) -> Iterator[Any]:
    time.sleep(LEFT_OVER_SECONDS)
    working = [a for a in jax.live_arrays() if not a.is_deleted() and not a.is_ready()]
    if working:
        found.append(
            f"work goes on while the clock stands: {len(working)} arrays are being computed, "
            f"{working[0].dtype}{list(working[0].shape)} among them; an algorithm computes in its "
            "steps and hooks, not in threads"
        )
    yield from batches


def check_name_is_forgotten(
    workload: Workload, submission: Submission, names: Collection[str], trial: Trial
) -> list[Finding]:
    """Whether the training step is the same whatever name `batch_size` was asked about before.

    Args:
      workload, submission: of the trial.
      names: of workloads.
      trial: any trial of the submission.
    """
    if submission.batch_size is None:
        return []
    texts: dict[str, str] = {}
    for name in names:
        if own_batch_size(submission, name) is None:
            continue
        texts.setdefault(_program_text(workload, submission, trial), name)
        if len(texts) > 1:
            first, other = texts.values()
            return [
                violation(
                    f"the training step is another one after batch_size({other!r}) than after "
                    f"batch_size({first!r}), on the same workload; only the batch size may depend "
                    "on the workload's name"
                )
            ]
    return []


def check_devices(trial: Trial) -> list[Finding]:
    """Whether two devices with a replica each take the step that one device takes with both.

    Nothing is checked where there is one device only, or where two do not divide the batch.
    """
    if jax.local_device_count() < 2 or trial.problem.batch_size % 2:
        return []
    steps = []
    for devices in (1, 2):
        layout = Replicas(
            2, tuple(jax.local_devices()[:devices]), matmul_precision=trial.layout.matmul_precision
        )
        problem = dataclasses.replace(trial.problem, num_replicas=2)
        there = dataclasses.replace(trial, layout=layout, problem=problem)
        programs = _programs(there)
        initial = jax.device_get(there.initial_state())
        batch = next(there.training_batches())
        state, _ = programs.step(None)(layout.put_state(initial), batch, programs.inputs(0.0))
        after = layout.fetch_state(state).params
        steps.append(_flat(after) - _flat(initial.params))
    one, two = steps
    apart = float(np.linalg.norm(two - one))
    length = float(np.linalg.norm(one))
    if apart <= LARGEST_DIFFERENCE * length:
        return []
    return [
        violation(
            f"{trial.workload.name}: on two devices the first step is another one than on one "
            f"device: their difference is {apart / length if length else np.inf:.3g} times as "
            "long as the step; a sum or mean over the batch may be taken on each device alone"
        )
    ]


def _programs(trial: Trial) -> Programs:
    """The trial's programs as they are at its beginning."""
    control = trial.submission.control
    programs = Programs(trial)
    programs.set_knobs(control.knobs if control else {})
    return programs


def _flat(params: Params) -> np.ndarray:
    return np.concatenate([np.ravel(np.float64(x)) for x in jax.tree.leaves(params)])


def _program_text(workload: Workload, submission: Submission, trial: Trial) -> str:
    """The training step, traced anew, as text; constants that are arrays included."""
    step = training_step(
        workload,
        submission,
        trial.problem,
        trial.hyperparameters,
        submission.optimizer(trial.hyperparameters, trial.problem),
        trial.layout,
        None,
    )
    programs = _programs(trial)
    state = trial.layout.put_state(jax.device_get(trial.initial_state()))
    traced = jax.make_jaxpr(step)(state, next(trial.training_batches()), programs.inputs(0.0))
    constants = [np.asarray(constant).tobytes() for constant in traced.consts]
    return re.sub("0x[0-9a-f]+", "", f"{traced} {constants}")
