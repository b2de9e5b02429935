"""Which parameters weight decay is meant for, by their kinds."""

from typing import Any

import jax

from algoperf_jax.parameters import ParameterKind
from algoperf_jax.problem import Problem

UNDECAYED = frozenset(
    {
        ParameterKind.BIAS,
        ParameterKind.ATTENTION_BIAS,
        ParameterKind.BATCH_NORM_SCALE,
        ParameterKind.BATCH_NORM_BIAS,
        ParameterKind.LAYER_NORM_SCALE,
        ParameterKind.LAYER_NORM_BIAS,
    }
)
"""Kinds that shift and scale activations rather than mix them."""


def weight_decay_mask(problem: Problem) -> Any:
    """A tree like the parameters, True where weight decay is meant to act.

    For `optax.add_decayed_weights(rate, mask)`. The benchmark's own baselines decay every
    parameter; whoever leaves out biases and normalisation layers decides by kind, not by name.
    """
    return jax.tree.map(lambda parameter: parameter.kind not in UNDECAYED, problem.parameters)
