"""Sharpness-aware minimisation on top of AdamW."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms import adamw
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
    "one_minus_beta1": log_range(5e-2, 0.43),
    "beta2": one_of(0.999),
    **WARMUP,
    "weight_decay": log_range(1e-2, 0.2),
    **REGULARIZATION,
    "rho": one_of(0.01, 0.02, 0.05),
}


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """AdamW fed with the gradient at the worst point nearby, on the same batch.

        g_t = grad(p_(t-1) + rho d / |d|),    d = grad(p_(t-1))         |d| over all parameters

    The second gradient comes from the `grad_fn` that every update is offered. It uses the batch's
    own statistics in batch norm and leaves the running ones to the first pass; the benchmark's
    implementation takes the running ones there.

    Args:
      hyperparameters: those of `adamw.optimizer`, and `rho`, the distance in parameter space.
      problem: gives the step hint.

    References:
      Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021
      (https://arxiv.org/abs/2010.01412).
    """
    ascent = optax.chain(optax.contrib.normalize(), optax.sgd(hyperparameters.rho))
    return optax.contrib.sam(
        adamw.optimizer(hyperparameters, problem), ascent, sync_period=2, opaque_mode=True
    )


submission = Submission(
    name="sam",
    description="AdamW with sharpness-aware minimisation (two gradients a step)",
    optimizer=optimizer,
    hyperparameters={**adamw.submission.hyperparameters, "rho": 0.05},
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
