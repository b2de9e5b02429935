"""SGD with heavy-ball momentum, linear warm-up and linear decay."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_linear
from reference_algorithms.search_spaces import (
    REGULARIZATION,
    WARMUP,
    log_range,
    one_of,
    without_beta1,
)

SEARCH_SPACE = {
    "learning_rate": log_range(2e-2, 5.0),
    "one_minus_beta1": log_range(5e-3, 0.3),
    **WARMUP,
    "weight_decay": log_range(1e-7, 5e-5),
    **REGULARIZATION,
    "decay_steps_factor": one_of(0.9),
    "end_factor": one_of(1e-3, 1e-2),
}


def momentum_sgd(
    learning_rate: optax.ScalarOrSchedule, beta1: float, weight_decay: float, nesterov: bool
) -> optax.GradientTransformation:
    """Momentum SGD on all parameters alike, the weight decay part of the gradient.

        g_t = grad(p_(t-1)) + wd p_(t-1)        m_t = g_t + b1 m_(t-1)
        p_t = p_(t-1) - lr_t m_t                               heavy ball
        p_t = p_(t-1) - lr_t (g_t + b1 m_t)                    Nesterov

    Args:
      learning_rate: a number or a schedule.
      beta1: what is left of the momentum after a step.
      weight_decay: coefficient of the parameters in the gradient.
      nesterov: which of the two.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.sgd(learning_rate, momentum=beta1, nesterov=nesterov),
    )


def schedule(hyperparameters: Hyperparameters, problem: Problem) -> optax.Schedule:
    """Warm-up and linear decay.

    Args:
      hyperparameters: `learning_rate` (the peak), `warmup_factor` (part of the step hint),
        `decay_steps_factor` (part of the steps after it), `end_factor` (in units of the peak).
      problem: gives the step hint.
    """
    return warmup_linear(
        hyperparameters.learning_rate,
        problem.step_hint,
        hyperparameters.warmup_factor,
        hyperparameters.decay_steps_factor,
        hyperparameters.end_factor,
    )


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Heavy-ball momentum.

    Args:
      hyperparameters: those of `schedule`, and `one_minus_beta1`, `weight_decay`.
      problem: gives the step hint.

    References:
      Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """
    return momentum_sgd(
        schedule(hyperparameters, problem),
        1.0 - hyperparameters.one_minus_beta1,
        hyperparameters.weight_decay,
        nesterov=False,
    )


submission = Submission(
    name="momentum",
    description="SGD with heavy-ball momentum, warm-up and linear decay",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 1.0,
        "one_minus_beta1": 0.1,
        "warmup_factor": 0.05,
        "weight_decay": 1e-6,
        "label_smoothing": 0.0,
        "dropout_rate": 0.0,
        "decay_steps_factor": 0.9,
        "end_factor": 1e-2,
    },
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
