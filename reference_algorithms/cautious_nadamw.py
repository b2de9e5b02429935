"""NAdamW that leaves out what points against the gradient; a self-tuning submission."""

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms import qualification
from reference_algorithms.nadamw import scale_by_nadam
from reference_algorithms.schedules import warmup_cosine


def keep_agreeing() -> optax.GradientTransformationExtraArgs:
    """Sets elements of the update to 0 where the gradient has another sign, and enlarges the rest.

        M = 1 where u g > 0, else 0             u := u M / max(mean(M), 1e-3)

    with the mean over a tensor. The update takes the gradient as the keyword argument `grad`.

    References:
      Liang et al., Cautious Optimizers: Improving Training with One Line of Code, 2024
      (https://arxiv.org/abs/2411.16085).
    """

    def masked(u: jax.Array, g: jax.Array) -> jax.Array:
        agrees = (u * g > 0).astype(u.dtype)
        return u * agrees / jnp.maximum(agrees.mean(), 1e-3)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        grad: optax.Updates,
        **_: object,
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        return jax.tree.map(masked, updates, grad), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """`keep_agreeing` between NAdam's update and the weight decay.

    Args:
      hyperparameters: those of `nadamw.optimizer`.
      problem: gives the step hint.
    """
    h = hyperparameters
    return optax.chain(
        scale_by_nadam(1.0 - h.one_minus_beta1, h.beta2),
        keep_agreeing(),
        optax.add_decayed_weights(h.weight_decay),
        optax.scale_by_learning_rate(
            warmup_cosine(h.learning_rate, problem.step_hint, h.warmup_factor)
        ),
    )


submission = Submission(
    name="cautious_nadamw",
    description="NAdamW without the part that points against the gradient, self-tuning",
    optimizer=optimizer,
    hyperparameters=qualification.SELF_TUNING_POINT,
)
