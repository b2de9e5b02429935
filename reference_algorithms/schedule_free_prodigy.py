"""Schedule-free Prodigy, which estimates its own step size; a v0.5 submission."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.batch_sizes import deviating
from reference_algorithms.schedule_free import average_of, averaged_view, step_to

B1 = 0.9
SEARCH_SPACE = [{"weight_decay": value} for value in (0.3, 0.1, 0.03, 0.01, 0.003)]


class ScheduleFreeProdigyState(NamedTuple):
    """State of `schedule_free_prodigy`; trees are like the parameters, scalars float32.

    Attributes:
      count: int32 scalar, updates so far.
      z: the sequence that moves.
      start: the parameters it began with.
      nu: second moments of d g.
      sum_of_gradients: s of the formula.
      numerator: n of the formula.
      distance: d of the formula, the estimate.
      weight_sum: of the averaging weights so far.
    """

    count: jax.Array
    z: optax.Params
    start: optax.Params
    nu: optax.Updates
    sum_of_gradients: optax.Updates
    numerator: jax.Array
    distance: jax.Array
    weight_sum: jax.Array


def schedule_free_prodigy(
    warmup_steps: int,
    b1: float = B1,
    b2: float = 0.9955,
    weight_decay: float = 0.0,
    first_distance: float = 1e-6,
    weight_power: float = 0.75,
    eps: float = 1e-8,
) -> optax.GradientTransformation:
    """Adam steps of a size d that grows with the distance from the start; `params` hold y.

        q_t = d_(t-1) min(1, t / warmup_steps)
        n_t = sqrt(b2) n_(t-1) + d_(t-1) q_t sum(g_t (p_0 - z_(t-1)))    g_t: the gradient at y
        s_t = sqrt(b2) s_(t-1) + d_(t-1) q_t g_t
        v_t = b2 v_(t-1) + (1 - b2) d_(t-1)^2 g_t^2
        d_t = max(d_(t-1), n_t / sum(|s_t|))
        z_t = z_(t-1) - q_t (wd x_(t-1) + d_t g_t / (sqrt(v_t) + d_t eps))
        x_t = (1 - c_t) x_(t-1) + c_t z_t             c_t = t^r / (1^r + ... + t^r)

    sums over all parameters. Nothing changes while all gradients are 0.

    Args:
      warmup_steps: length of the warm-up.
      b1: weight of x in y.
      b2: decay rate of the averages.
      weight_decay: in units of the step size, of all parameters alike.
      first_distance: d_0.
      weight_power: r.
      eps: keeps the denominator from 0.

    References:
      Mishchenko and Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner, 2023
      (https://arxiv.org/abs/2306.06101).
    """

    def init(params: optax.Params) -> ScheduleFreeProdigyState:
        def zeros() -> optax.Updates:
            return jax.tree.map(jnp.zeros_like, params)

        return ScheduleFreeProdigyState(
            count=jnp.int32(0),
            z=jax.tree.map(jnp.copy, params),
            start=jax.tree.map(jnp.copy, params),
            nu=zeros(),
            sum_of_gradients=zeros(),
            numerator=jnp.float32(0.0),
            distance=jnp.float32(first_distance),
            weight_sum=jnp.float32(0.0),
        )

    def update(
        updates: optax.Updates, state: ScheduleFreeProdigyState, params: optax.Params
    ) -> tuple[optax.Updates, ScheduleFreeProdigyState]:
        t = optax.safe_increment(state.count)
        root, old = b2**0.5, state.distance
        q = old * jnp.minimum(1.0, t / max(warmup_steps, 1))
        x = average_of(params, state.z, b1)

        way = optax.tree.vdot(updates, optax.tree.sub(state.start, state.z))
        numerator = root * state.numerator + old * q * way
        s = jax.tree.map(lambda s, g: root * s + old * q * g, state.sum_of_gradients, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1.0 - b2) * (old * g) ** 2, state.nu, updates)
        total = optax.tree.sum(jax.tree.map(jnp.abs, s))
        d = jnp.where(
            total > 0, jnp.maximum(old, numerator / jnp.where(total > 0, total, 1.0)), old
        )

        z = jax.tree.map(
            lambda z, x, g, v: z - q * (weight_decay * x + d * g / (jnp.sqrt(v) + d * eps)),
            state.z,
            x,
            updates,
            nu,
        )
        weight = jnp.float32(t) ** weight_power
        weight_sum = state.weight_sum + weight
        part = weight / weight_sum
        x = jax.tree.map(lambda x, z: (1.0 - part) * x + part * z, x, z)
        new = ScheduleFreeProdigyState(t, z, state.start, nu, s, numerator, d, weight_sum)
        stepped = (step_to(params, x, z, b1), new)
        unchanged = (jax.tree.map(jnp.zeros_like, params), state)
        return jax.tree.map(lambda a, b: jnp.where(total > 0, a, b), stepped, unchanged)

    return optax.GradientTransformation(init, update)


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """`schedule_free_prodigy` with a warm-up of 7.5 % of the step hint.

    The submission took a second gradient in every step, which it threw away, and kept `nu`, `s`
    and the start in bfloat16; neither is repeated here.

    Args:
      hyperparameters: `weight_decay`.
      problem: gives the step hint.
    """
    return schedule_free_prodigy(
        int(0.075 * problem.step_hint), weight_decay=hyperparameters.weight_decay
    )


submission = Submission(
    name="schedule_free_prodigy",
    description="Schedule-free Prodigy, only its weight decay is tuned (v0.5, external)",
    optimizer=optimizer,
    hyperparameters={"weight_decay": 0.1, "label_smoothing": 0.2},
    batch_size=deviating(librispeech_conformer=224),
    eval_view=averaged_view(lambda hyperparameters: B1),
    search_space=SEARCH_SPACE,
)
