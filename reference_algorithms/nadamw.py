"""NAdamW with linear warm-up and cosine decay, the benchmark's strongest baseline."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_cosine
from reference_algorithms.search_spaces import (
    ADAPTIVE_LEARNING_RATE,
    DEFAULT_POINT,
    REGULARIZATION,
    WARMUP,
    log_range,
    one_of,
    without_beta1,
)

SEARCH_SPACE = {
    **ADAPTIVE_LEARNING_RATE,
    "one_minus_beta1": log_range(4e-3, 0.1),
    "beta2": one_of(0.999),
    **WARMUP,
    "weight_decay": log_range(5e-3, 1.0),
    **REGULARIZATION,
}


class ScaleByNadamState(NamedTuple):
    """State of `scale_by_nadam`.

    Attributes:
      count: int32 scalar, updates so far.
      mu: first moments, a tree like the parameters.
      nu: second moments, likewise.
    """

    count: jax.Array
    mu: optax.Updates
    nu: optax.Updates


def scale_by_nadam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam's update with the momentum applied once more, as the benchmark's baseline does it.

        m_t = b1 m_(t-1) + (1 - b1) g_t        v_t = b2 v_(t-1) + (1 - b2) g_t^2
        u_t = (b1 m_t + (1 - b1) g_t) / (1 - b1^t) / (sqrt(v_t / (1 - b2^t)) + eps)

    Both terms of the look-ahead share one bias correction; `optax.nadamw` corrects the momentum
    by `1 - b1^(t+1)` instead, and its first update is smaller (1.47 against 1.9 at b1 = 0.9).

    Args:
      b1, b2: decay rates of the first and second moments.
      eps: added to the denominator.

    References:
      Dozat, Incorporating Nesterov Momentum into Adam, 2016.
    """

    def init(params: optax.Params) -> ScaleByNadamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ScaleByNadamState(jnp.int32(0), zeros, jax.tree.map(jnp.zeros_like, params))

    def update(
        updates: optax.Updates, state: ScaleByNadamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, ScaleByNadamState]:
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        ahead = optax.tree.bias_correction(optax.tree.update_moment(updates, mu, b1, 1), b1, count)
        scale = optax.tree.bias_correction(nu, b2, count)
        updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), ahead, scale)
        return updates, ScaleByNadamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


def nadamw(
    learning_rate: optax.ScalarOrSchedule, b1: float, b2: float, weight_decay: float
) -> optax.GradientTransformation:
    """`scale_by_nadam` with decoupled weight decay: `p_t = p_(t-1) - lr_t (u_t + wd p_(t-1))`.

    Args:
      learning_rate: a number or a schedule.
      b1, b2: decay rates of the first and second moments.
      weight_decay: of all parameters alike.
    """
    return optax.chain(
        scale_by_nadam(b1, b2),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def optimizer(
    hyperparameters: Hyperparameters, problem: Problem, horizon_factor: float = 1.0
) -> optax.GradientTransformation:
    """NAdamW on all parameters alike.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `beta2`, `warmup_factor`
        (part of the horizon), `weight_decay`.
      problem: gives the step hint.
      horizon_factor: the schedule's horizon as a part of the step hint.
    """
    h = hyperparameters
    schedule = warmup_cosine(h.learning_rate, horizon_factor * problem.step_hint, h.warmup_factor)
    return nadamw(schedule, 1.0 - h.one_minus_beta1, h.beta2, h.weight_decay)


submission = Submission(
    name="nadamw",
    description="AdamW with Nesterov momentum, warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters=DEFAULT_POINT,
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
