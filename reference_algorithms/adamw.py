"""AdamW with linear warm-up and cosine decay, the benchmark's baseline."""

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
    "one_minus_beta1": log_range(2e-2, 0.5),
    "beta2": one_of(0.999),
    **WARMUP,
    "weight_decay": log_range(5e-3, 1.0),
    **REGULARIZATION,
}


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """AdamW on all parameters alike, horizon of the schedule at the step hint.

        m_t = b1 m_(t-1) + (1 - b1) g_t        v_t = b2 v_(t-1) + (1 - b2) g_t^2
        p_t = p_(t-1) - lr_t (m_t / (1 - b1^t) / (sqrt(v_t / (1 - b2^t)) + 1e-8) + wd p_(t-1))

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `beta2`, `warmup_factor`
        (part of the step hint), `weight_decay`.
      problem: gives the step hint.

    References:
      Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019
      (https://arxiv.org/abs/1711.05101).
    """
    return optax.adamw(
        warmup_cosine(
            hyperparameters.learning_rate, problem.step_hint, hyperparameters.warmup_factor
        ),
        b1=1.0 - hyperparameters.one_minus_beta1,
        b2=hyperparameters.beta2,
        eps=1e-8,
        weight_decay=hyperparameters.weight_decay,
    )


submission = Submission(
    name="adamw",
    description="AdamW with warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters=DEFAULT_POINT,
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
