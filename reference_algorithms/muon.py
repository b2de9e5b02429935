"""Muon for matrices, NAdamW for everything else; constants of a self-tuning submission."""

import math
from collections.abc import Callable
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers

from algoperf_jax.parameters import ParameterInfo, ParameterKind
from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.nadamw import nadamw
from reference_algorithms.schedules import warmup_cosine

PROJECTIONS = (ParameterKind.ATTENTION_Q, ParameterKind.ATTENTION_K, ParameterKind.ATTENTION_V)


def is_matrix(parameter: ParameterInfo) -> bool:
    """Whether Muon takes this parameter: two axes or more, and no embedding."""
    return len(parameter.shape) >= 2 and "embed" not in "/".join(parameter.path).lower()


def matrix_axes(parameter: ParameterInfo) -> MuonDimensionNumbers:
    """Which axes are inputs (rows) and which outputs (columns) of the matrix.

    The last axis is the output, except in projections to attention heads `[model, heads, size]`.
    The submission made rows of the first axis alone, which for a convolution is its height.
    """
    axes = tuple(range(len(parameter.shape)))
    if parameter.kind in PROJECTIONS:
        return MuonDimensionNumbers(reduction_axis=axes[:1], output_axis=axes[1:])
    return MuonDimensionNumbers(reduction_axis=axes[:-1], output_axis=axes[-1:])


def scale_by_width(axes: Any) -> optax.GradientTransformation:
    """Updates times `sqrt(max(1, columns / rows))`; `axes` as for `muon`."""

    def scaled(update: jax.Array, axes: MuonDimensionNumbers) -> jax.Array:
        rows = math.prod(update.shape[axis] for axis in axes.reduction_axis)
        return update * max(1.0, update.size / rows**2) ** 0.5

    return optax.stateless(lambda updates, _: jax.tree.map(scaled, updates, axes))


def muon(
    learning_rate: optax.ScalarOrSchedule,
    beta: float,
    weight_decay: float,
    axes: Any,
) -> optax.GradientTransformation:
    """Steps along the orthogonal matrix that is nearest to the averaged gradient.

        m_t = beta m_(t-1) + (1 - beta) g_t
        p_t = p_(t-1) - lr_t (sqrt(max(1, columns / rows)) orthogonal(m_t) + wd p_(t-1))

    with five Newton-Schulz iterations in place of the orthogonal factor.

    Args:
      learning_rate: a number or a schedule.
      beta: decay rate of the average.
      weight_decay: in units of the learning rate.
      axes: a tree of `MuonDimensionNumbers` like the parameters.

    References:
      Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024
      (https://kellerjordan.github.io/posts/muon/).
    """
    return optax.chain(
        optax.contrib.scale_by_muon(
            beta=beta, eps=1e-7, nesterov=False, weight_dimension_numbers=axes
        ),
        scale_by_width(axes),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """`muon` for matrices and `nadamw` for the rest, on one schedule.

    Args:
      hyperparameters: `learning_rate` (the peak, of NAdamW), `muon_rate` (Muon's in units of it),
        `muon_beta`, `muon_weight_decay`, `beta1`, `beta2`, `weight_decay`, `warmup_factor` (part
        of the step hint).
      problem: gives the step hint, and kinds, shapes and paths of the parameters.
    """
    h = hyperparameters

    def for_each(choose: Callable[[ParameterInfo], Any]) -> Any:
        return jax.tree.map(choose, problem.parameters)

    axes = for_each(lambda p: matrix_axes(p) if is_matrix(p) else optax.MaskedNode())
    schedule = warmup_cosine(h.learning_rate, problem.step_hint, h.warmup_factor)
    return optax.partition(
        {
            "muon": muon(
                lambda count: h.muon_rate * schedule(count), h.muon_beta, h.muon_weight_decay, axes
            ),
            "nadamw": nadamw(schedule, h.beta1, h.beta2, h.weight_decay),
        },
        for_each(lambda p: "muon" if is_matrix(p) else "nadamw"),
    )


submission = Submission(
    name="muon",
    description="Muon for matrices, NAdamW for the rest, cosine decay, self-tuning",
    optimizer=optimizer,
    hyperparameters={
        "learning_rate": 0.0001357495179,
        "muon_rate": 28.61130298,
        "muon_beta": 0.9560745273,
        "muon_weight_decay": 0.02397563985,
        "beta1": 0.96586744,
        "beta2": 0.8629173173,
        "weight_decay": 0.01275028385,
        "warmup_factor": 0.0,
        "dropout_rate": 0.0,
    },
)
