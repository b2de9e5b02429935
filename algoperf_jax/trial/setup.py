"""A trial before its clock starts: everything chosen, checked and derived."""

import dataclasses
import zlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf_jax import contracts
from algoperf_jax.errors import UserError
from algoperf_jax.identity import source_identity
from algoperf_jax.own_code import explained, in_hook
from algoperf_jax.parameters import Params, describe
from algoperf_jax.problem import Hyperparameters, Problem, TrainState
from algoperf_jax.rules import RuleSet, rule_set
from algoperf_jax.submission import Objective, Submission
from algoperf_jax.trial.batch_size import chosen_batch_size
from algoperf_jax.trial.replicas import Replicas, replicas_on
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.stream import DeviceStream
from algoperf_jax.trial.typed_keys import as_numbers
from algoperf_jax.workload import Data, ModelState, Workload

DEFAULT_CACHE_DIR = Path("~/.cache/algoperf_jax")
"""Where embedded samples are expanded, unless the caller says otherwise."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training from scratch: one workload, submission, point and seed.

    Attributes:
      workload, submission, settings: what it was made from.
      problem: what the submission is told.
      hyperparameters: its point.
      optimizer: what the submission's factory made of these.
      layout: the replicas on their devices.
      data: the workload's data, opened.
      batch_size_chosen_by: for people, who chose the problem's batch size.
      data_seed: seed of the order of training data.
      submission_source: the submission's identity, see `identity.source_identity`.
      init_key, loop_key: uint32 `[2]`, for the initial model and for the steps.
    """

    workload: Workload
    submission: Submission
    settings: Settings
    problem: Problem
    hyperparameters: Hyperparameters
    optimizer: optax.GradientTransformation
    layout: Replicas
    data: Data
    batch_size_chosen_by: str
    data_seed: int
    submission_source: str | None
    init_key: jax.Array
    loop_key: jax.Array

    def initial_state(self) -> TrainState:
        """The state before the first step, on one device; the same whenever it is called."""
        # Random draws in many shapes take long to optimise, and all of it runs only once.
        init = jax.jit(self.workload.init, compiler_options={"xla_backend_optimization_level": 1})
        return self.state_of(*init(self.init_key))

    def state_of(self, params: Params, model_state: ModelState) -> TrainState:
        """The state before the first step of a trial that begins with this model.

        Typed keys among the optimizer's state are numbers in it, see `typed_keys`.
        """
        with in_hook("optimizer, its init"):
            opt_state = self.optimizer.init(params)  # not compiled, so that it is seen as it is
        contracts.check_arrays(opt_state, f"submission {self.submission.name!r}: optimizer state")
        opt_state = as_numbers(opt_state)
        # Numbers, and arrays of 64 bits, become what the first step makes of them: a checkpoint has
        # to find the types that it left.
        opt_state = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), opt_state)
        return TrainState(jnp.int32(0), params, model_state, opt_state)

    def training_batches(self) -> DeviceStream:
        """The endless stream of training batches."""
        share = self.layout.share(self.problem.batch_size)
        batches = self.workload.dataset("train", self.data, share, seed=self.data_seed)
        return DeviceStream(batches, self.layout)

    def configuration(self) -> dict[str, Any]:
        """What makes the trial this one and no other, as JSON data; a resumed trial must agree."""
        return {
            "workload": self.workload.name,
            "scale": self.workload.scale,
            "submission": self.submission.name,
            "submission_source": self.submission_source,
            "rules": self.settings.rules,
            "tuning": self.settings.tuning,
            "hyperparameters": dict(self.hyperparameters._asdict()),
            "seed": self.settings.seed,
            "study": self.settings.study,
            "trial": self.settings.trial,
            "replicas": self.layout.count,
            "batch_size": self.problem.batch_size,
            "max_steps": self.settings.max_steps,
            "stop_at": self.settings.stop_at,
            "eval_every_steps": self.settings.eval_every_steps,
        }

    def meta_data(self) -> dict[str, Any]:
        """What else a record says about the trial wherever it runs, as JSON data."""
        workload, problem = self.workload, self.problem
        return {
            "configuration": self.configuration(),
            "workload.target_metric": problem.target_metric,
            "workload.target_direction": problem.target_direction,
            "workload.validation_target_value": workload.target.validation,
            "workload.test_target_value": workload.target.test,
            "workload.step_hint": problem.step_hint,
            "workload.max_allowed_runtime_sec": workload.limits_under(
                self.settings.rules
            ).runtime_seconds,
            "workload.eval_period_time_sec": problem.eval_period_seconds,
            "workload.num_train_examples": problem.num_train_examples,
            "budget_sec": problem.budget_seconds,
            "conditions": dataclasses.asdict(rule_set(self.settings.rules).conditions),
            "rng_seed": self.settings.seed,
        }


def set_up(
    workload: Workload,
    submission: Submission,
    settings: Settings,
    cache_dir: Path = DEFAULT_CACHE_DIR,
    data: Data | None = None,
) -> Trial:
    """Checks all that can be checked without training and derives the rest.

    Args:
      workload, submission, settings: what to train, how, and what was chosen.
      cache_dir: where embedded data are expanded.
      data: the workload's data where the caller has opened them already; None: opened here.

    Raises:
      UserError: a setting, a hyperparameter, a batch size or the data do not fit, with what would.
    """
    _check_arguments(workload, submission, settings)
    rules = rule_set(settings.rules)
    limits = workload.limits_under(settings.rules)
    workload = workload.under(workload, rules.conditions)
    hyperparameters = submission.point(settings.hyperparameters)
    _check_objective(submission, hyperparameters)
    batch_size, chosen_by = chosen_batch_size(workload, submission, settings.batch_size)
    count = settings.replicas or _default_replicas(workload, batch_size, rules)
    for what, size in (("batch size", batch_size), ("eval batch size", workload.eval_batch_size)):
        if size % count:
            raise UserError(
                f"{workload.name}: {what} {size} is not divisible by {count} replicas; "
                f"choose --replicas among the divisors of {size}"
            )
    layout = replicas_on(count=count, matmul_precision=rules.conditions.matmul_precision)
    if data is None:
        data = open_data(workload, settings.data_dir, cache_dir)
    key = trial_key(workload.name, settings.seed, settings.study, settings.trial)
    data_key, init_key, loop_key = jax.random.split(key, 3)
    params, _ = jax.eval_shape(workload.init, init_key)
    problem = Problem(
        loss_type=workload.loss_type,
        target_metric=workload.target.metric,
        target_direction=workload.target.direction,
        target_value=workload.target.validation,
        step_hint=limits.step_hint,
        budget_seconds=limits.runtime_seconds * rules.budget_factor(settings.tuning),
        eval_period_seconds=limits.eval_period_seconds,
        num_train_examples=workload.num_examples["train"],
        batch_size=batch_size,
        num_replicas=layout.count,
        default_dropout_rate=workload.default_dropout_rate,
        supports_label_smoothing=workload.supports_label_smoothing,
        parameters=describe(params, workload.kinds(params), workload.output_layers),
    )
    return Trial(
        workload=workload,
        submission=submission,
        settings=settings,
        problem=problem,
        hyperparameters=hyperparameters,
        optimizer=_optimizer(submission, hyperparameters, problem),
        layout=layout,
        data=data,
        batch_size_chosen_by=chosen_by,
        data_seed=int(data_key[0]),
        submission_source=source_identity(submission),
        init_key=init_key,
        loop_key=loop_key,
    )


def open_data(
    workload: Workload, data_dir: Path | None = None, cache_dir: Path = DEFAULT_CACHE_DIR
) -> Data:
    """The workload's data; they can be handed to any number of trials.

    Raises:
      UserError: the data are missing or malformed, or a folder cannot be used, with what to do.
    """
    try:
        return workload.open_data(data_dir, Path(cache_dir).expanduser())
    except OSError as error:
        raise UserError(
            f"{workload.name}: cannot use {error.filename} for its data: {error.strerror}"
        ) from None


def _check_arguments(workload: Workload, submission: Submission, settings: Settings) -> None:
    """Raises a `UserError` for arguments of the wrong kind or that do not go together."""
    for what, value, kind in (
        ("workload", workload, Workload),
        ("submission", submission, Submission),
        ("settings", settings, Settings),
    ):
        if not isinstance(value, kind):
            raise UserError(
                f"{what}: expected a {kind.__name__}, found {type(value).__name__}; names are "
                "looked up with workloads.get and reference_algorithms.get"
            )
    if workload.scale == "full" and settings.data_dir is None:
        raise UserError(f"{workload.name} at scale full needs data_dir, the folder with its data")
    if workload.scale == "mini" and settings.data_dir is not None:
        raise UserError(f"{workload.name} at scale mini uses embedded data and takes no data_dir")
    if settings.tuning == "self" and settings.hyperparameters:
        raise UserError(
            "hyperparameters: self-tuning takes no point from outside; use external tuning, or "
            "change the submission's own constants"
        )


def _default_replicas(workload: Workload, batch_size: int, rules: RuleSet) -> int:
    """The rules' number at full scale; at mini as many devices as divide both batch sizes."""
    if workload.scale == "full":
        return rules.conditions.replicas
    sizes = batch_size, workload.eval_batch_size
    return next(n for n in range(jax.device_count(), 0, -1) if all(s % n == 0 for s in sizes))


def _check_objective(submission: Submission, hyperparameters: Hyperparameters) -> None:
    """Raises a `UserError` where the hook fails, or its numbers are out of range."""
    try:
        objective = submission.objective(hyperparameters)
    except UserError as error:
        raise UserError(f"submission {submission.name!r}: {error}") from None
    except Exception as error:
        raise UserError(
            f"submission {submission.name!r}: its objective raised {explained(error)}"
        ) from error
    if not isinstance(objective, Objective):
        raise UserError(
            f"submission {submission.name!r}: expected an Objective from its objective, found "
            f"{type(objective).__name__}"
        )


def _optimizer(
    submission: Submission, hyperparameters: Hyperparameters, problem: Problem
) -> optax.GradientTransformation:
    try:
        transformation = submission.optimizer(hyperparameters, problem)
    except Exception as error:
        raise UserError(
            f"submission {submission.name!r}: its optimizer factory raised {explained(error)}"
        ) from error
    if not (hasattr(transformation, "init") and hasattr(transformation, "update")):
        raise UserError(
            f"submission {submission.name!r}: expected an optax.GradientTransformation from its "
            f"optimizer factory, found {type(transformation).__name__}"
        )
    return transformation


def trial_key(workload: str, seed: int, study: int, trial: int) -> jax.Array:
    """The trial's key: the experiment's seed folded with workload, study and trial."""
    key = jax.random.PRNGKey(seed)
    for number in (zlib.crc32(workload.encode()), study, trial):
        key = jax.random.fold_in(key, number)
    return key
