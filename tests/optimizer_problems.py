"""Small problems to step an optimizer on, and what a submission is told of them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from golden_vectors import GoldenSet

from algoperf_jax.adapters import accepted
from algoperf_jax.parameters import describe, infer_kinds
from algoperf_jax.problem import Problem
from algoperf_jax.submission import Submission
from algoperf_jax.workload import LossType

GradAt = Callable[[int, Any], Any]  # (step from 0, params) -> gradient


def problem_with(params: Any, step_hint: int) -> Problem:
    """A `Problem` of these parameters; everything that no optimizer reads is arbitrary."""
    return Problem(
        loss_type=LossType.MEAN_SQUARED_ERROR,
        target_metric="loss",
        target_direction="min",
        target_value=0.0,
        step_hint=step_hint,
        budget_seconds=1.0,
        eval_period_seconds=1.0,
        num_train_examples=1,
        batch_size=1,
        num_replicas=1,
        default_dropout_rate=0.0,
        supports_label_smoothing=False,
        parameters=describe(params, infer_kinds(params), ()),
    )


def golden_quadratic(golden: GoldenSet) -> tuple[dict[str, np.ndarray], GradAt]:
    """Start and gradient of `sum(c (p - t)^2) / 2`, the golden vectors' problem of optimizers."""
    shapes = golden.load("protocol")["optimizers"]["problem"]["param_shapes"]

    def tree(value: Callable[[np.ndarray, int], np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: value(np.arange(np.prod(shape)), np.prod(shape)).reshape(shape)
            for name, shape in shapes.items()
        }

    wave = golden.wave
    start = tree(lambda i, n: wave(0.7 * i + 0.3 * n))
    curvature = tree(lambda i, n: 0.6 + 0.5 * wave(1.1 * i + 0.5 * n))
    target = tree(lambda i, n: 0.8 * wave(0.4 * i + 0.2 * n + 1))
    as_float32 = jax.tree.map(np.float32, (start, curvature, target))
    start, curvature, target = as_float32

    def grad_at(step: int, params: Any) -> Any:
        del step
        return jax.tree.map(lambda c, p, t: c * (p - t), curvature, params, target)

    return start, grad_at


def nine_parameters(dtype: Any = np.float32) -> tuple[dict[str, np.ndarray], GradAt]:
    """Start and gradient of the nine-parameter problem of the specification's golden table."""
    start = {
        "w": np.array([[0.1 * (3 * i + j) - 0.2 for j in range(3)] for i in range(2)], dtype),
        "b": np.array([0.3, -0.1, 0.2], dtype),
    }
    phase_w = np.array([[0.3 + 3 * i + j for j in range(3)] for i in range(2)], dtype)
    phase_b = np.arange(3).astype(dtype)

    def grad_at(step: Any, params: Any) -> Any:
        xp = np if dtype is np.float64 else jnp
        return {
            "w": 0.5 * params["w"] + 0.1 * xp.cos(step + phase_w),
            "b": 0.25 * params["b"] - 0.05 * xp.sin(step + phase_b),
        }

    return start, grad_at


def noisy_matrix(steps: int, dtype: Any = np.float32) -> tuple[dict[str, np.ndarray], GradAt]:
    """Start and gradient of a problem whose gradients span all directions, for Shampoo's factors.

    The matrix is too large for its axes to be merged, and too small to be cut.
    """
    generator = np.random.default_rng(0)
    shapes = {"w": (70, 64), "b": (5,)}
    start = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    noise = {name: generator.normal(size=(steps, *shape)) for name, shape in shapes.items()}
    # Rounded to float32 in either case, so that both see the same numbers.
    start, noise = jax.tree.map(lambda x: x.astype(np.float32).astype(dtype), (start, noise))

    def grad_at(step: Any, params: Any) -> Any:
        table = noise if dtype is np.float64 else jax.tree.map(jnp.asarray, noise)
        return jax.tree.map(lambda p, n: 0.5 * p + n[step], params, table)

    return start, grad_at


def trajectory(
    optimizer: optax.GradientTransformation, start: Any, grad_at: GradAt, steps: int
) -> tuple[list[Any], Any]:
    """The parameters after each step, as the stock step makes them, and the last state."""
    optimizer = optax.with_extra_args_support(optimizer)

    @jax.jit
    def step(k: jax.Array, params: Any, state: Any) -> tuple[Any, Any]:
        grads = grad_at(k, params)
        offered = {"grad": grads, "grad_fn": lambda at, _=None: grad_at(k, at), "step": k}
        updates, state = optimizer.update(
            grads, state, params, **accepted(optimizer.update, offered)
        )
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, start)
    state, visited = optimizer.init(params), []
    for k in range(steps):
        params, state = step(k, params, state)
        visited.append(jax.tree.map(np.asarray, params))
    return visited, state


def optimizer_of(
    submission: Submission, point: Mapping[str, Any], start: Any, step_hint: int
) -> optax.GradientTransformation:
    """The submission's optimizer at its default point with those of `point` that it takes."""
    known = {k: v for k, v in point.items() if k in submission.hyperparameters}
    return submission.optimizer(submission.point(known), problem_with(start, step_hint))
