"""Learning-rate schedules of the reference algorithms. Steps `k` are counted from 0."""

import jax
import jax.numpy as jnp
import optax


def warmup_cosine(peak: float, horizon: float, warmup_factor: float) -> optax.Schedule:
    """Linear warm-up from 0 to `peak`, then a cosine down to 0 at `horizon`, 0 from there on.

    With `W = int(warmup_factor * horizon)`:

        lr(k) = peak * k / W                                             for k < W
        lr(k) = peak * (1 + cos(pi * min(k - W, horizon - W) / (horizon - W))) / 2   otherwise

    so the first update has learning rate 0 unless `W` is 0.

    Args:
      peak: the largest learning rate.
      horizon: steps until the rate is 0; usually the workload's step hint, or a part of it.
      warmup_factor: part of the horizon spent on the warm-up.
    """
    return cosine_after_warmup(peak, horizon, int(warmup_factor * horizon))


def cosine_after_warmup(peak: float, horizon: float, warmup_steps: int) -> optax.Schedule:
    """`warmup_cosine` with the length of the warm-up in steps."""
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, warmup_steps),
            optax.cosine_decay_schedule(peak, max(horizon - warmup_steps, 1)),
        ],
        [warmup_steps],
    )


def warmup_linear(
    peak: float, horizon: float, warmup_factor: float, decay_factor: float, end_factor: float
) -> optax.Schedule:
    """Linear warm-up from 0 to `peak`, then a line down to `end_factor * peak`, constant after it.

    With `W = int(warmup_factor * horizon)` and `D = int((horizon - W) * decay_factor)`:

        lr(k) = peak * k / W                                                    for k < W
        lr(k) = peak * (1 + (end_factor - 1) * min(k - W, D) / D)               otherwise

    Args:
      peak: the largest learning rate.
      horizon: the number of steps that the other lengths are parts of; usually the step hint.
      warmup_factor: part of the horizon spent on the warm-up.
      decay_factor: part of the steps after the warm-up in which the rate falls.
      end_factor: the last learning rate in units of `peak`.
    """
    warmup_steps = int(warmup_factor * horizon)
    return line_after_warmup(peak, horizon, warmup_steps, decay_factor, end_factor)


def line_after_warmup(
    peak: float, horizon: float, warmup_steps: int, decay_factor: float, end_factor: float
) -> optax.Schedule:
    """`warmup_linear` with the length of the warm-up in steps."""
    decay_steps = int((horizon - warmup_steps) * decay_factor)
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, warmup_steps),
            optax.linear_schedule(peak, peak * end_factor, max(decay_steps, 1)),
        ],
        [warmup_steps],
    )


def warmup_cosine_wave(peak: float, horizon: float, warmup_factor: float) -> optax.Schedule:
    """Linear warm-up to `peak`, then a cosine that reaches 0 at `horizon` and rises again after it.

    With `W = int(warmup_factor * horizon)`:

        lr(k) = peak * (1e-10 + (1 - 1e-10) * k / W)                            for k < W
        lr(k) = peak * (1 + cos(pi * (k - W) / (horizon - W))) / 2              otherwise

    This is what PyTorch's `LinearLR` and `CosineAnnealingLR` in sequence compute; a run that goes
    past the horizon sees the rate grow, with period `2 (horizon - W)`. Without a warm-up it starts
    at `peak`.

    Args:
      peak: the largest learning rate.
      horizon: steps until the rate is first 0.
      warmup_factor: part of the horizon spent on the warm-up.
    """
    warmup_steps = int(warmup_factor * horizon)
    cosine_steps = max(horizon - warmup_steps, 1)
    first = 1e-10  # PyTorch refuses a warm-up from 0

    def schedule(count: jax.Array) -> jax.Array:
        rising = first + (1.0 - first) * count / max(warmup_steps, 1)
        wave = 0.5 * (1.0 + jnp.cos(jnp.pi * (count - warmup_steps) / cosine_steps))
        return peak * jnp.where(count < warmup_steps, rising, wave)

    return schedule


def warmup_cosine_cycles(
    peak: float, horizon: float, warmup_factor: float, cycles: int = 1
) -> optax.Schedule:
    """Cycles of linear warm-up and cosine decay, as of a scheduler that acts after each step.

    With `W = int(warmup_factor * horizon)`, cycles of length `L = horizon / cycles`, `j` the step
    within its cycle (1 to L) and `e = 1e-10`:

        lr(0) = peak
        lr(k) = e + (peak - e) * j / W                                               for j <= W
        lr(k) = e + (peak - e) * (1 + cos(pi * (j - W) / (L - W))) / 2               otherwise
        lr(k) = e                                                                    for k > horizon

    The first update has the full peak, because such a scheduler has not acted yet. The warm-up is
    that of the whole horizon in every cycle.

    Args:
      peak: the largest learning rate.
      horizon: steps of all cycles together.
      warmup_factor: length of each warm-up as a part of the whole horizon.
      cycles: how many.
    """
    warmup_steps = int(warmup_factor * horizon)
    length = horizon / cycles
    least = 1e-10

    def schedule(count: jax.Array) -> jax.Array:
        cycle = jnp.clip(jnp.ceil(count / length) - 1, 0, cycles - 1)
        j = count - cycle * length
        rising = least + (peak - least) * j / max(warmup_steps, 1)
        angle = jnp.pi * (j - warmup_steps) / max(length - warmup_steps, 1)
        falling = least + 0.5 * (peak - least) * (1.0 + jnp.cos(angle))
        rate = jnp.where(j <= warmup_steps, rising, falling)
        return jnp.where(count == 0, peak, jnp.where(count > horizon, least, rate))

    return schedule
