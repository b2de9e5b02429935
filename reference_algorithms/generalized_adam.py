"""Generalized Adam: NAdamW or Nesterov momentum, as the point says; a v0.5 submission."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.nadamw import nadamw
from reference_algorithms.schedules import warmup_cosine

HYPERPARAMETERS = (
    "learning_rate",
    "beta1",
    "beta2",
    "weight_decay",
    "warmup_steps_fraction",
    "disable_preconditioning",
    "dropout_rate",
    "label_smoothing",
    "cosine_decay_fraction",
)

# The published points also set a second dropout rate, of sites that had a rate of their own then.
# fmt: off
SEARCH_SPACE = [
    dict(zip(HYPERPARAMETERS, values, strict=True))
    for values in (
        (1.9487942250159782, 0.9721703824185486, 0.0,
         0.00024022723093685417, 0.1, True, 0.1, 0.2, 1.0),
        (0.0023792566965593815, 0.9800966478498105, 0.9632738717172477,
         0.3417568278549717, 0.01, False, 0.0, 0.0, 0.75),
        (0.003705201967500061, 0.9735338788784104, 0.9785557586542197,
         0.022670946869370066, 0.1, False, 0.1, 0.2, 0.75),
        (0.0014271957958295392, 0.9661952124707597, 0.9957304053273589,
         0.09153141484048229, 0.01, False, 0.1, 0.1, 1.0),
        (0.001768509931943289, 0.9414979138541995, 0.9768053375036079,
         0.0279513959224539, 0.02, False, 0.0, 0.2, 1.0),
    )
]
# fmt: on


def decoupled_nesterov(
    learning_rate: optax.ScalarOrSchedule, b1: float, weight_decay: float
) -> optax.GradientTransformation:
    """Nesterov momentum with decoupled weight decay.

    m_t = g_t + b1 m_(t-1)              p_t = p_(t-1) - lr_t (g_t + b1 m_t + wd p_(t-1))
    """
    return optax.chain(
        optax.trace(b1, nesterov=True),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """NAdamW, or with `disable_preconditioning` Nesterov momentum with decoupled weight decay.

    Args:
      hyperparameters: `learning_rate` (the peak), `beta1`, `beta2`, `weight_decay`,
        `cosine_decay_fraction` (the horizon as part of the step hint), `warmup_steps_fraction`
        (part of the horizon), `disable_preconditioning`.
      problem: gives the step hint.
    """
    h = hyperparameters
    horizon = int(h.cosine_decay_fraction * problem.step_hint)
    schedule = warmup_cosine(h.learning_rate, horizon, h.warmup_steps_fraction)
    if h.disable_preconditioning:
        return decoupled_nesterov(schedule, h.beta1, h.weight_decay)
    return nadamw(schedule, h.beta1, h.beta2, h.weight_decay)


submission = Submission(
    name="generalized_adam",
    description="NAdamW or Nesterov momentum at five published points (v0.5, external)",
    optimizer=optimizer,
    hyperparameters=SEARCH_SPACE[3],
    search_space=SEARCH_SPACE,
)
