"""Lion, the sign of an interpolated momentum, with the constants of a self-tuning submission."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_cosine_wave


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Lion on all parameters alike.

        p_t = p_(t-1) - lr_t (sign(b1 m_(t-1) + (1 - b1) g_t) + wd p_(t-1))
        m_t = b2 m_(t-1) + (1 - b2) g_t

    Args:
      hyperparameters: `learning_rate` (the peak), `beta1`, `beta2`, `weight_decay`,
        `warmup_factor` (part of the step hint).
      problem: gives the step hint.

    References:
      Chen et al., Symbolic Discovery of Optimization Algorithms, 2023
      (https://arxiv.org/abs/2302.06675).
    """
    h = hyperparameters
    return optax.lion(
        warmup_cosine_wave(h.learning_rate, problem.step_hint, h.warmup_factor),
        b1=h.beta1,
        b2=h.beta2,
        weight_decay=h.weight_decay,
    )


submission = Submission(
    name="lion",
    description="Lion with warm-up and cosine decay, self-tuning",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 2e-4,
        "beta1": 0.95,
        "beta2": 0.98,
        "weight_decay": 0.5,
        "warmup_factor": 0.02,
        "dropout_rate": 0.1,
    },
)
