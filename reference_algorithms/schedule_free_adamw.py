"""Schedule-free AdamW, the v0.5 submission under external tuning and as self-tuning winner."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.control import Control, Directive, Progress
from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.batch_sizes import deviating
from reference_algorithms.schedule_free import average_of, averaged_view, step_to

SEARCH_SPACE = [
    {
        "dropout_rate": dropout_rate,
        "label_smoothing": label_smoothing,
        "learning_rate": learning_rate,
        "one_minus_beta1": 0.1,
        "beta2": beta2,
        "weight_decay": 0.08,
        "warmup_factor": 0.02,
    }
    for dropout_rate, label_smoothing, learning_rate, beta2 in (
        (0.1, 0.4, 0.004, 0.9955),
        (0.0, 0.2, 0.003, 0.9955),
        (0.0, 0.2, 0.002, 0.9955),
        (0.0, 0.4, 0.005, 0.62918),
        (0.0, 0.2, 0.001, 0.9955),
    )
]

RATE_KNOB = "learning_rate_scale"


class ScheduleFreeState(NamedTuple):
    """State of `schedule_free_adamw`.

    Attributes:
      count: int32 scalar, updates so far.
      z: the sequence that moves, a tree like the parameters.
      nu: second moments, likewise.
      largest_rate: float32 scalar, of the learning rates so far.
      weight_sum: float32 scalar, of the averaging weights so far.
    """

    count: jax.Array
    z: optax.Params
    nu: optax.Updates
    largest_rate: jax.Array
    weight_sum: jax.Array


def schedule_free_adamw(
    learning_rate: float,
    warmup_steps: int,
    b1: float = 0.9,
    b2: float = 0.999,
    weight_decay: float = 0.0,
    weight_power: float = 0.75,
    nu_dtype: jnp.dtype = jnp.float32,
) -> optax.GradientTransformationExtraArgs:
    """AdamW without a schedule's end: `params` hold y of `schedule_free`.

        v_t = b2 v_(t-1) + (1 - b2) g_t^2                              g_t: the gradient at y
        lr_t = max(lr min(1, t / warmup_steps), 1e-8)
        s_t = lr_t sqrt(1 - b2^t)
        z_t = z_(t-1) - s_t (g_t / (sqrt(v_t) + 1e-8) + wd x_(t-1))
        w_t = t^r max(lr_1, ..., lr_t)^2        c_t = w_t / (w_1 + ... + w_t)
        x_t = (1 - c_t) x_(t-1) + c_t z_t

    `optax.contrib.schedule_free_adamw` is a later form: weights without t^r, bias correction and
    weight decay elsewhere.

    Args:
      learning_rate: after the warm-up; the knob `learning_rate_scale`, where there is one,
        multiplies it.
      warmup_steps: length of the warm-up.
      b1: weight of x in y.
      b2: decay rate of the second moments.
      weight_decay: in units of the learning rate, of all parameters alike.
      weight_power: r.
      nu_dtype: what the second moments are kept in.
    """

    def init(params: optax.Params) -> ScheduleFreeState:
        return ScheduleFreeState(
            count=jnp.int32(0),
            z=jax.tree.map(jnp.copy, params),
            nu=jax.tree.map(lambda p: jnp.zeros_like(p, nu_dtype), params),
            largest_rate=jnp.float32(0.0),
            weight_sum=jnp.float32(0.0),
        )

    def update(
        updates: optax.Updates,
        state: ScheduleFreeState,
        params: optax.Params,
        *,
        knobs: Mapping[str, jax.Array] | None = None,
        **_: object,
    ) -> tuple[optax.Updates, ScheduleFreeState]:
        t = optax.safe_increment(state.count)
        rate = learning_rate * (knobs or {}).get(RATE_KNOB, 1.0)
        rate = jnp.maximum(rate * jnp.minimum(1.0, t / max(warmup_steps, 1)), 1e-8)
        largest_rate = jnp.maximum(state.largest_rate, rate)
        weight = t**weight_power * largest_rate**2
        weight_sum = state.weight_sum + weight
        part = weight / weight_sum
        step = rate * jnp.sqrt(1.0 - b2**t)

        x = average_of(params, state.z, b1)
        nu = jax.tree.map(
            lambda g, v: (b2 * v + (1.0 - b2) * g**2).astype(nu_dtype), updates, state.nu
        )
        z = jax.tree.map(
            lambda z, x, g, v: z - step * (g / (jnp.sqrt(v) + 1e-8) + weight_decay * x),
            state.z,
            x,
            updates,
            nu,
        )
        x = jax.tree.map(lambda x, z: (1.0 - part) * x + part * z, x, z)
        new = ScheduleFreeState(t, z, nu, largest_rate, weight_sum)
        return step_to(params, x, z, b1), new

    return optax.GradientTransformationExtraArgs(init, update)


def b1_of(hyperparameters: Hyperparameters) -> float:
    """The weight of x in y."""
    return 1.0 - hyperparameters.one_minus_beta1


def optimizer(
    hyperparameters: Hyperparameters, problem: Problem, horizon_factor: float = 1.0
) -> optax.GradientTransformation:
    """`schedule_free_adamw` with second moments in bfloat16, as the submission kept them.

    Args:
      hyperparameters: `learning_rate`, `one_minus_beta1`, `beta2`, `weight_decay`,
        `warmup_factor` (part of the horizon).
      problem: gives the step hint.
      horizon_factor: the horizon as a part of the step hint.
    """
    h = hyperparameters
    return schedule_free_adamw(
        h.learning_rate,
        int(h.warmup_factor * horizon_factor * problem.step_hint),
        b1=b1_of(h),
        b2=h.beta2,
        weight_decay=h.weight_decay,
        nu_dtype=jnp.bfloat16,
    )


def self_tuning_optimizer(
    hyperparameters: Hyperparameters, problem: Problem
) -> optax.GradientTransformation:
    """`optimizer` with the warm-up a part of three quarters of the step hint."""
    return optimizer(hyperparameters, problem, horizon_factor=0.75)


SMALLEST_GAIN = 0.01  # of the target metric, in its own unit


def restart_when_stuck(progress: Progress) -> Directive | None:
    """Begins again at half the learning rate if the validation metric does not improve.

    It is stuck if, after a tenth of the step hint and at least four evaluations, the metric has
    gained less than `SMALLEST_GAIN` since the first evaluation and in each of the last three.
    """
    problem = progress.problem
    if progress.step <= 0.1 * problem.step_hint or len(progress.evaluations) < 4:
        return None
    sign = 1.0 if problem.target_direction == "max" else -1.0
    values = [sign * e.metrics[f"validation/{problem.target_metric}"] for e in progress.evaluations]
    gains = [values[-1] - values[0]]
    gains += [after - before for before, after in zip(values[-4:-1], values[-3:], strict=True)]
    # Not `gain < ...`: a metric that is no number has not improved either.
    if any(gain >= SMALLEST_GAIN for gain in gains):
        return None
    return Directive(
        knobs={RATE_KNOB: progress.knobs[RATE_KNOB] / 2}, state=progress.initial_state()
    )


BATCH_SIZE = deviating(fastmri=16, librispeech_conformer=224, librispeech_deepspeech=128)

submission = Submission(
    name="schedule_free_adamw",
    description="Schedule-free AdamW at five published points (v0.5, external)",
    optimizer=optimizer,
    hyperparameters=SEARCH_SPACE[1],
    batch_size=BATCH_SIZE,
    eval_view=averaged_view(b1_of),
    search_space=SEARCH_SPACE,
)

self_tuning = Submission(
    name="schedule_free_adamw_self",
    description="Schedule-free AdamW that restarts when it is stuck, self-tuning (v0.5)",
    optimizer=self_tuning_optimizer,
    hyperparameters={
        "label_smoothing": 0.2,
        "learning_rate": 0.0025,
        "one_minus_beta1": 0.1,
        "beta2": 0.9955159689799007,
        "weight_decay": 0.08121616522670176,
        "warmup_factor": 0.02,
    },
    batch_size=BATCH_SIZE,
    eval_view=averaged_view(b1_of),
    control=Control(
        decide=restart_when_stuck, after_eval=True, knobs={RATE_KNOB: 1.0}, survives_nan=True
    ),
)
