"""What schedule-free algorithms have in common: three sequences, of which two are kept.

    y = b1 x + (1 - b1) z        z moves, x averages z, gradients are taken at y

`params` of a training hold y and the optimizer's state holds z; x is computed from the two where
it is needed, for evaluations among others.

References:
  Defazio et al., The Road Less Scheduled, 2024 (https://arxiv.org/abs/2405.15682).
"""

from typing import Any

import jax

from algoperf_jax.parameters import Params
from algoperf_jax.workload import ModelState


def average_of(y: Params, z: Params, b1: Any) -> Params:
    """x, the averaged sequence."""
    return jax.tree.map(lambda y, z: (y - (1.0 - b1) * z) / b1, y, z)


def step_to(y: Params, x: Params, z: Params, b1: float) -> Params:
    """The update that takes `params` from y to where new x and z put it."""
    return jax.tree.map(lambda y, x, z: b1 * x + (1.0 - b1) * z - y, y, x, z)


def eval_view(opt_state: Any, params: Params, model_state: ModelState) -> tuple[Params, ModelState]:
    """Evaluates x; `opt_state` has the attributes `z` and `b1`."""
    return average_of(params, opt_state.z, opt_state.b1), model_state
