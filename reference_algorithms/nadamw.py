"""NAdamW with linear warm-up and cosine decay, the benchmark's strongest baseline."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.submission import Hyperparameters, Problem, Submission
from reference_algorithms.schedules import warmup_cosine

SEARCH_SPACE = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 4e-3, "max": 0.1, "scaling": "log"},
    "beta2": {"feasible_points": [0.999]},
    "warmup_factor": {"feasible_points": [0.05]},
    "weight_decay": {"min": 5e-3, "max": 1.0, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.1, 0.2]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
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


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """NAdamW on all parameters alike, horizon of the schedule at the step hint.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `beta2`, `warmup_factor`
        (part of the step hint), `weight_decay`.
      problem: gives the step hint.
    """
    return optax.chain(
        scale_by_nadam(1.0 - hyperparameters.one_minus_beta1, hyperparameters.beta2),
        optax.add_decayed_weights(hyperparameters.weight_decay),
        optax.scale_by_learning_rate(
            warmup_cosine(
                hyperparameters.learning_rate, problem.step_hint, hyperparameters.warmup_factor
            )
        ),
    )


submission = Submission(
    name="nadamw",
    description="AdamW with Nesterov momentum, warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 3e-3,
        "one_minus_beta1": 0.1,
        "beta2": 0.999,
        "warmup_factor": 0.05,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "dropout_rate": 0.0,
    },
    search_space=SEARCH_SPACE,
)
