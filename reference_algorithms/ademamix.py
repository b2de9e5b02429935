"""AdEMAMix, Adam with a second, slow momentum; constants of a self-tuning submission."""

import math

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_cosine_wave

RAMP_STEPS = 500_000
"""Updates over which the slow momentum comes in, whatever the length of the training."""


def alpha_ramp(alpha: float, steps: int = RAMP_STEPS) -> optax.Schedule:
    """The slow momentum's weight in the update, linear in `t = count + 1` from 0 to `alpha`."""
    return lambda count: alpha * jnp.minimum(1.0, (count + 1) / steps)


def beta3_ramp(b1: float, b3: float, steps: int = RAMP_STEPS) -> optax.Schedule:
    """The slow momentum's decay rate, from `b1` to `b3` with a half-life linear in `t = count + 1`.

    With `h(b) = ln 0.5 / ln(b + 1e-8) - 1` and `a = min(1, t / steps)`:

        b3(t) = 0.5^(1 / ((1 - a) h(b1) + a h(b3) + 1))
    """

    def half_life(b: float) -> float:
        return math.log(0.5) / math.log(b + 1e-8) - 1.0

    def schedule(count: jax.Array) -> jax.Array:
        part = (count + 1) / steps
        mixed = (1.0 - part) * half_life(b1) + part * half_life(b3) + 1.0
        return jnp.where(part < 1.0, 0.5 ** (1.0 / mixed), b3)

    return schedule


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """AdEMAMix on all parameters alike.

        m1_t = b1 m1_(t-1) + (1 - b1) g_t             m2_t = b3(t) m2_(t-1) + (1 - b3(t)) g_t
        v_t = b2 v_(t-1) + (1 - b2) g_t^2
        u_t = (m1_t / (1 - b1^t) + alpha(t) m2_t) / (sqrt(v_t / (1 - b2^t)) + 1e-8)
        p_t = p_(t-1) - lr_t (u_t + wd p_(t-1))

    with the ramps `alpha_ramp` and `beta3_ramp`; optax counts their updates from 0.

    Args:
      hyperparameters: `learning_rate` (the peak), `beta1`, `beta2`, `beta3`, `alpha`,
        `weight_decay`, `warmup_factor` (part of the step hint).
      problem: gives the step hint.

    References:
      Pagliardini et al., The AdEMAMix Optimizer: Better, Faster, Older, 2024
      (https://arxiv.org/abs/2409.03137).
    """
    h = hyperparameters
    return optax.contrib.ademamix(
        warmup_cosine_wave(h.learning_rate, problem.step_hint, h.warmup_factor),
        b1=h.beta1,
        b2=h.beta2,
        b3=beta3_ramp(h.beta1, h.beta3),
        alpha=alpha_ramp(h.alpha),
        eps=1e-8,
        weight_decay=h.weight_decay,
    )


submission = Submission(
    name="ademamix",
    description="AdEMAMix with warm-up, cosine decay and clipping, self-tuning",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 2e-3,
        "beta1": 0.8,
        "beta2": 0.995,
        "beta3": 0.9995,
        "alpha": 8.0,
        "weight_decay": 0.1,
        "warmup_factor": 0.02,
        "grad_clip": 0.5,
    },
)
