"""SGD with heavy-ball momentum, linear warm-up and linear decay."""

import optax

from algoperf_jax.submission import Hyperparameters, Problem, Submission
from reference_algorithms.schedules import warmup_linear

SEARCH_SPACE = {
    "learning_rate": {"min": 2e-2, "max": 5.0, "scaling": "log"},
    "one_minus_beta1": {"min": 5e-3, "max": 0.3, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.05]},
    "weight_decay": {"min": 1e-7, "max": 5e-5, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.1, 0.2]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
    "decay_steps_factor": {"feasible_points": [0.9]},
    "end_factor": {"feasible_points": [1e-3, 1e-2]},
}


def sgd_with_momentum(
    hyperparameters: Hyperparameters, problem: Problem, nesterov: bool
) -> optax.GradientTransformation:
    """Momentum SGD on all parameters alike, the weight decay part of the gradient.

        g_t = grad(p_(t-1)) + wd p_(t-1)        m_t = g_t + b1 m_(t-1)
        p_t = p_(t-1) - lr_t m_t                               heavy ball
        p_t = p_(t-1) - lr_t (g_t + b1 m_t)                    Nesterov

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `weight_decay`, and of the
        schedule `warmup_factor` (part of the step hint), `decay_steps_factor` (part of the steps
        after it), `end_factor` (in units of the peak).
      problem: gives the step hint.
      nesterov: which of the two.
    """
    schedule = warmup_linear(
        hyperparameters.learning_rate,
        problem.step_hint,
        hyperparameters.warmup_factor,
        hyperparameters.decay_steps_factor,
        hyperparameters.end_factor,
    )
    return optax.chain(
        optax.add_decayed_weights(hyperparameters.weight_decay),
        optax.sgd(schedule, momentum=1.0 - hyperparameters.one_minus_beta1, nesterov=nesterov),
    )


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Heavy-ball momentum; see `sgd_with_momentum`.

    References:
      Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """
    return sgd_with_momentum(hyperparameters, problem, nesterov=False)


submission = Submission(
    name="momentum",
    description="SGD with heavy-ball momentum, warm-up and linear decay",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 0.1,
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
