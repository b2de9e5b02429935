"""The training step as the program of one replica.

The stock step is what every optax submission runs: gradient of the mean loss over the global
batch, optional clipping, the transformation's update, application. A custom step is given the
same gradient function and does the rest itself.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, get_args

import jax
import jax.numpy as jnp
import optax

from algoperf_jax import contracts
from algoperf_jax.adapters import accepted, remedy
from algoperf_jax.errors import UserError
from algoperf_jax.objective_ranges import OBJECTIVE_RANGES, check_objective_value
from algoperf_jax.own_code import add_hint, in_hook
from algoperf_jax.parameters import Params
from algoperf_jax.problem import Hyperparameters, Problem, TrainState
from algoperf_jax.submission import Gradient, Objective, StepContext, Submission, ValueAndGradFn
from algoperf_jax.trial import linear, replicas
from algoperf_jax.trial.ledger import COLUMNS
from algoperf_jax.trial.typed_keys import as_keys, as_numbers
from algoperf_jax.workload import Batch, BatchNormMode, ModelState, Workload

Logs = dict[str, jax.Array]

# Folded into a step's key, so that no draw of a custom step, which may split the key, meets those
# of the replicas or the optimizer.
REPLICA_STREAM = 2**31 - 2
OPTIMIZER_STREAM = 2**31 - 1

_METRICS = ("train/", "validation/", "test/")


def training_step(
    workload: Workload,
    submission: Submission,
    problem: Problem,
    hyperparameters: Hyperparameters,
    optimizer: optax.GradientTransformation,
    layout: replicas.Replicas,
    phase: Any,
) -> Callable[[TrainState, Batch, dict[str, jax.Array]], tuple[TrainState, Logs]]:
    """The compiled step `(state, batch, inputs) -> (state, logs)`, all stacked, state donated.

    `inputs` holds `key` (the trial's key, uint32 `[2]`), `elapsed_seconds` (float32 scalar) and
    `knobs` (a dict of scalars). `logs` holds float32 scalars, `loss` among them, and
    `elapsed_seconds`, the largest that any process of the job has handed in.
    """
    objective = submission.objective(hyperparameters)
    lanes = layout.lanes_of(workload.collective_forward)
    gradient = gradient_function(workload, problem, lanes)
    value = gradient_function(workload, problem, lanes, with_grads=False)
    step = submission.step or stock_step

    def program(state: TrainState, batch: Batch, inputs: dict) -> tuple[TrainState, Logs]:
        # Each process has a clock of its own; all replicas have to compute with the same time.
        elapsed = jax.lax.pmax(inputs["elapsed_seconds"], replicas.AXIS)
        context = StepContext(
            problem=problem,
            hyperparameters=hyperparameters,
            optimizer=optimizer,
            objective=objective,
            phase=phase,
            knobs=inputs["knobs"],
            elapsed_fraction=elapsed / problem.budget_seconds,
            value_and_grad=gradient,
            value=value,
        )
        rng = jax.random.fold_in(inputs["key"], state.step)
        with in_hook("step") if submission.step else contextlib.nullcontext():
            returned = step(context, as_keys(state), batch, rng)
        new, logs = contracts.pair(returned, "step", "(state, logs)")
        new = contracts.with_types_of(state, as_numbers(new)._replace(step=state.step + 1))
        contracts.check_same_tree(new, state, "the training state that a step returns")
        contracts.check_keys(logs, ["loss"], "the logs that a step returns")
        _check_names(logs)
        logs = {name: jnp.float32(value) for name, value in logs.items()}
        # A weakly typed result would make the next call another type, and compile it again.
        new = jax.tree.map(lambda x: jnp.asarray(x, x.dtype), new)
        return new, {**logs, "elapsed_seconds": elapsed}

    return layout.map(program, donate=(0,))


def _check_names(logs: Mapping[str, Any]) -> None:
    """Raises a `UserError` where a log is called like a column that the records have anyway."""
    for name in logs:
        if name in (*COLUMNS, "elapsed_seconds") or name.startswith(_METRICS):
            raise UserError(
                f"step: a log is called {name!r}, as a column of the records is; give it another "
                "name"
            )


def stock_step(
    context: StepContext, state: TrainState, batch: Batch, rng: jax.Array
) -> tuple[TrainState, Logs]:
    """One step of an optax transformation on the gradient of the mean loss."""
    options = objective_values(context.objective, state.step, context.knobs)
    # What is known on the device alone is checked when logs are read.
    computed = {name: x for name, x in options.items() if isinstance(x, jax.core.Tracer)}
    grad_clip = options.pop("grad_clip")

    def at(params: Params, batch_norm: BatchNormMode) -> Gradient:
        return context.value_and_grad(
            params, state.model_state, batch, rng, batch_norm=batch_norm, **options
        )

    def value(params: Params) -> jax.Array:
        return context.value(
            params, state.model_state, batch, rng, batch_norm="batch", **options
        ).loss

    first = at(state.params, "update")
    grad_norm = optax.tree.norm(first.grads)
    grads = clip_gradient(first.grads, grad_norm, grad_clip)
    offered = {
        "value": first.loss,
        "grad": grads,
        "value_fn": _differentiable(value, lambda params: at(params, "batch")),
        "grad_fn": lambda params, _=None, **__: at(params, "batch").grads,
        "step": state.step,
        "rng": jax.random.fold_in(rng, OPTIMIZER_STREAM),
        "knobs": context.knobs,
        "elapsed_fraction": context.elapsed_fraction,
    }
    update = context.optimizer.update
    with in_hook("optimizer, its update"):
        try:
            returned = update(grads, state.opt_state, state.params, **accepted(update, offered))
        except Exception as error:
            if adapter := remedy(error, offered):
                add_hint(error, adapter)
            raise
    updates, opt_state = contracts.pair(returned, "the optimizer's update", "(updates, state)")
    updates = contracts.with_types_of(state.params, updates)
    contracts.check_same_tree(updates, state.params, "the optimizer's updates")
    params = optax.apply_updates(state.params, updates)
    logs = {**computed, "loss": first.loss, "grad_norm": grad_norm}
    return TrainState(state.step, params, first.model_state, opt_state), logs


def gradient_function(
    workload: Workload, problem: Problem, lanes: replicas.Lanes, with_grads: bool = True
) -> ValueAndGradFn:
    """The mean loss over the global batch and, `with_grads`, its gradient, inside a mapped program.

    See `ValueAndGradFn` and `ValueFn` for what is returned.
    """

    def value_and_grad(
        params: Params,
        model_state: ModelState,
        batch: Batch,
        rng: jax.Array,
        *,
        batch_norm: BatchNormMode = "update",
        dropout_rate: Any = None,
        label_smoothing: Any = 0.0,
        per_example: bool = False,
    ) -> Gradient:
        if batch_norm not in get_args(BatchNormMode):
            raise UserError(
                f"batch_norm: {batch_norm!r} given, it is one of "
                f"{', '.join(get_args(BatchNormMode))}"
            )
        rate = problem.default_dropout_rate if dropout_rate is None else dropout_rate
        # All of these may be differentiated by; Python numbers cannot, and may mean something else.
        given_state = model_state
        params, model_state = linear.enter((params, model_state))
        rate, label_smoothing = (
            linear.enter(x) if isinstance(x, jax.Array) else x for x in (rate, label_smoothing)
        )

        def summed_loss(params: Params, part: Batch, key: jax.Array) -> tuple:
            outputs, new_state = workload.apply(
                params,
                model_state,
                part,
                rng=key,
                train=True,
                dropout_rate=rate,
                batch_norm=batch_norm,
            )
            contracts.check_same_tree(new_state, model_state, f"{workload.name}: model state")
            terms = workload.loss(outputs, part, label_smoothing=label_smoothing)
            contracts.check_loss_terms(terms, f"{workload.name}: loss")
            return terms.summed, (terms, new_state)

        def program(part: Batch, key: jax.Array) -> tuple:
            if with_grads:
                grads, (terms, new_state) = jax.grad(summed_loss, has_aux=True)(params, part, key)
            else:
                grads, (terms, new_state) = None, summed_loss(params, part, key)[1]
            kept = terms.per_example if per_example else None
            return (grads, terms.summed, terms.n_valid, new_state), kept

        (grads, summed, n_valid, states), losses = replicas.sum_over_replicas(
            program, batch, jax.random.fold_in(rng, REPLICA_STREAM), lanes
        )
        # A batch without a single valid entry has mean loss 0 rather than 0 / 0.
        count = jnp.where(n_valid > 0, n_valid, 1.0)
        return Gradient(
            loss=summed / count,
            n_valid=n_valid,
            # Equal copies would not survive a sum and a division unchanged.
            model_state=_mean(states, problem.num_replicas)
            if batch_norm == "update"
            else given_state,
            grads=jax.tree.map(lambda g: (g / count).astype(g.dtype), grads),
            per_example=linear.gathered(losses),
        )

    return value_and_grad


def _differentiable(value: Callable, gradient: Callable) -> Callable[..., jax.Array]:
    """`value(params)` with its derivative from `gradient`, which takes one replica at a time.

    To differentiate `value` itself would keep what all replicas of a device have computed.
    """

    @jax.custom_jvp
    def function(params: Params) -> jax.Array:
        return value(params)

    @function.defjvp
    def derivative(primals: tuple[Params], tangents: tuple[Params]) -> tuple[jax.Array, jax.Array]:
        found = gradient(*primals)
        products = jax.tree.map(lambda g, t: (g * t).sum(), found.grads, *tangents)
        return found.loss, sum(jax.tree.leaves(products), jnp.float32(0))

    # optax's line searches hand on, and insist on handing on, all that was offered beside it.
    def value_fn(
        params: Params,
        *,
        grad_fn: Any = None,
        step: Any = None,
        rng: Any = None,
        knobs: Any = None,
        elapsed_fraction: Any = None,
    ) -> jax.Array:
        del grad_fn, step, rng, knobs, elapsed_fraction
        return function(params)

    return value_fn


def _mean(states: ModelState, count: int) -> ModelState:
    """Sums over replicas as means; a counter, equal on all of them, stays an integer."""

    def mean(s: jax.Array) -> jax.Array:
        return s / count if jnp.issubdtype(s.dtype, jnp.floating) else s // count

    return jax.tree.map(mean, states)


def objective_values(
    objective: Objective, step: jax.Array, knobs: Mapping[str, jax.Array]
) -> dict[str, Any]:
    """The objective's fields with schedules evaluated at `step` and `knobs`.

    Raises:
      UserError: one of them is out of its range, where that is known when the step is traced.
    """

    values = {}
    for name in OBJECTIVE_RANGES:
        field = getattr(objective, name)
        with in_hook(f"objective, its {name}"):
            values[name] = field(step, knobs) if callable(field) else field
        check_objective_value(name, values[name])
    return values


def clip_gradient(grads: Params, norm: jax.Array, limit: Any) -> Params:
    """`grads` times `min(limit / (norm + 1e-6), 1)`, the benchmark's form; None changes nothing."""
    if limit is None:
        return grads
    factor = jnp.minimum(limit / (norm + 1e-6), 1.0)
    return jax.tree.map(lambda g: (g * factor).astype(g.dtype), grads)
