"""LAMB with linear warm-up and cosine decay."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_cosine
from reference_algorithms.search_spaces import (
    ADAPTIVE_LEARNING_RATE,
    REGULARIZATION,
    WARMUP,
    log_range,
    one_of,
    without_beta1,
)

SEARCH_SPACE = {
    **ADAPTIVE_LEARNING_RATE,
    "one_minus_beta1": log_range(5e-2, 0.3),
    "beta2": one_of(0.999),
    **WARMUP,
    "weight_decay": log_range(1e-3, 1.0),
    **REGULARIZATION,
}


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """AdamW's update, rescaled in each tensor to the norm of its parameters.

        r_t = m_t / (1 - b1^t) / (sqrt(v_t / (1 - b2^t)) + 1e-8) + wd p_(t-1)
        p_t = p_(t-1) - lr_t r_t |p_(t-1)| / |r_t|                      1 if either norm is 0

    with Adam's moments m and v; norms are those of a tensor.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `beta2`, `warmup_factor`
        (part of the step hint), `weight_decay`.
      problem: gives the step hint.

    References:
      You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, 2020
      (https://arxiv.org/abs/1904.00962).
    """
    h = hyperparameters
    return optax.lamb(
        warmup_cosine(h.learning_rate, problem.step_hint, h.warmup_factor),
        b1=1.0 - h.one_minus_beta1,
        b2=h.beta2,
        eps=1e-8,
        weight_decay=h.weight_decay,
    )


submission = Submission(
    name="lamb",
    description="LAMB with warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 1e-2,
        "one_minus_beta1": 0.1,
        "beta2": 0.999,
        "warmup_factor": 0.05,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "dropout_rate": 0.0,
    },
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
