"""Adafactor as the benchmark's baseline has it: momentum, no relative steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.schedules import warmup_cosine
from reference_algorithms.search_spaces import (
    ADAPTIVE_LEARNING_RATE,
    REGULARIZATION,
    WARMUP,
    log_range,
    without_beta1,
)

SEARCH_SPACE = {
    **ADAPTIVE_LEARNING_RATE,
    "one_minus_beta1": log_range(1e-2, 0.45),
    **WARMUP,
    "weight_decay": log_range(1e-3, 1.0),
    **REGULARIZATION,
}


class FactoredState(NamedTuple):
    """State of `scale_by_factored_moments`.

    Attributes:
      count: int32 scalar, updates so far.
      moments: for each tensor its mean squares: (over rows, over columns) or (all of them,).
    """

    count: jax.Array
    moments: optax.Updates


def scale_by_factored_moments(
    decay: float = 0.99, eps: float = 1e-30, clip: float = 1.0
) -> optax.GradientTransformation:
    """Adam's second-moment scaling from row and column averages alone.

        d_t = decay (1 - decay^(t-1)) / (1 - decay^t)                      0 at the first step
        r_t = d_t r_(t-1) + (1 - d_t) mean_columns(g_t^2 + eps)            over the last axis
        c_t = d_t c_(t-1) + (1 - d_t) mean_rows(g_t^2 + eps)               over the one before it
        x_t = g_t / sqrt(r_t c_t / mean_rows(r_t))
        u_t = x_t / max(1, rms(x_t) / clip)                                rms over the tensor

    Tensors with fewer than two axes keep the full average of squares. `optax.adafactor` differs:
    other decay, other choice of the factored axes, none for small ones.

    Args:
      decay: decay rate of the averages; `d_t` is it with Adam's bias correction worked in.
      eps: added to the squared gradients.
      clip: largest root mean square of a tensor's update.

    References:
      Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018
      (https://arxiv.org/abs/1804.04235).
    """

    def means(square: jax.Array) -> tuple[jax.Array, ...]:
        return (square.mean(-1), square.mean(-2)) if square.ndim >= 2 else (square,)

    def init(params: optax.Params) -> FactoredState:
        return FactoredState(jnp.int32(0), jax.tree.map(lambda p: means(jnp.zeros_like(p)), params))

    def scaled(g: jax.Array, moments: tuple[jax.Array, ...]) -> jax.Array:
        if len(moments) == 1:
            x = g * jax.lax.rsqrt(moments[0])
        else:
            rows, columns = moments
            rows = rows / rows.mean(-1, keepdims=True)
            x = g * jax.lax.rsqrt(rows)[..., None] * jax.lax.rsqrt(columns)[..., None, :]
        return x / jnp.maximum(1.0, jnp.sqrt(jnp.mean(x**2)) / clip)

    def update(
        updates: optax.Updates, state: FactoredState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, FactoredState]:
        del params
        d = decay * (1 - decay**state.count) / (1 - decay ** (state.count + 1.0))

        def averaged(g: jax.Array, moments: tuple) -> tuple[jax.Array, ...]:
            return tuple(
                d * old + (1 - d) * new for old, new in zip(moments, means(g**2 + eps), strict=True)
            )

        moments = jax.tree.map(averaged, updates, state.moments)
        updates = jax.tree.map(scaled, updates, moments)
        return updates, FactoredState(optax.safe_increment(state.count), moments)

    return optax.GradientTransformation(init, update)


class QuantizedEmaState(NamedTuple):
    """State of `quantized_ema`.

    Attributes:
      values: int8 trees like the parameters; tensors without axes stay float32.
      scales: what a value of 1 stands for, one number for each position along all axes but the
        first, which has size 1.
    """

    values: optax.Updates
    scales: optax.Updates


def quantized_ema(decay: float) -> optax.GradientTransformation:
    """`m_t = decay m_(t-1) + (1 - decay) g_t`, with m rounded to eight bits between steps.

    What is returned was not rounded yet.
    """

    def quantize(m: jax.Array) -> tuple[jax.Array, jax.Array]:
        if not m.ndim:
            return m, jnp.ones_like(m)
        scale = jnp.max(jnp.abs(m), axis=0, keepdims=True) / 127.0
        scale = jnp.where(scale > 0.0, scale, 1.0)
        return jnp.round(m / scale).astype(jnp.int8), scale

    def state_of(average: optax.Updates) -> QuantizedEmaState:
        pairs = jax.tree.map(quantize, average)
        return QuantizedEmaState(*jax.tree.transpose(jax.tree.structure(average), None, pairs))

    def init(params: optax.Params) -> QuantizedEmaState:
        return state_of(jax.tree.map(jnp.zeros_like, params))

    def update(
        updates: optax.Updates, state: QuantizedEmaState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, QuantizedEmaState]:
        del params
        average = jax.tree.map(
            lambda g, q, scale: decay * (q * scale) + (1 - decay) * g,
            updates,
            state.values,
            state.scales,
        )
        return average, state_of(average)

    return optax.GradientTransformation(init, update)


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Adafactor with a momentum of the scheduled updates and decoupled weight decay.

        m_t = b1 m_(t-1) + (1 - b1) lr_t u_t        p_t = p_(t-1) - m_t - lr_t wd p_(t-1)

    with u_t of `scale_by_factored_moments`. Between steps m is kept in eight bits.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `warmup_factor` (part of the
        step hint), `weight_decay`.
      problem: gives the step hint.
    """
    h = hyperparameters
    schedule = warmup_cosine(h.learning_rate, problem.step_hint, h.warmup_factor)
    return optax.chain(
        scale_by_factored_moments(),
        optax.scale_by_schedule(schedule),
        quantized_ema(1.0 - h.one_minus_beta1),
        optax.add_decayed_weights(lambda count: h.weight_decay * schedule(count)),
        optax.scale(-1.0),
    )


submission = Submission(
    name="adafactor",
    description="Adafactor with momentum, warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 3e-3,
        "one_minus_beta1": 0.1,
        "warmup_factor": 0.05,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "dropout_rate": 0.0,
    },
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
