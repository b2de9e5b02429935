"""What schedule-free algorithms have in common: three sequences, of which two are kept.

    y = b1 x + (1 - b1) z        z moves, x averages z, gradients are taken at y

`params` of a training hold y and the optimizer's state holds z; x is computed from the two where
it is needed, for evaluations among others.

References:
  Defazio et al., The Road Less Scheduled, 2024 (https://arxiv.org/abs/2405.15682).
"""

from collections.abc import Callable

import jax

from algoperf_jax.parameters import Params
from algoperf_jax.problem import Hyperparameters, TrainState
from algoperf_jax.workload import ModelState

EvalView = Callable[[TrainState, Hyperparameters], tuple[Params, ModelState]]


def average_of(y: Params, z: Params, b1: float) -> Params:
    """x, the averaged sequence."""
    return jax.tree.map(lambda y, z: (y - (1.0 - b1) * z) / b1, y, z)


def step_to(y: Params, x: Params, z: Params, b1: float) -> Params:
    """The update that takes `params` from y to where new x and z put it."""
    return jax.tree.map(lambda y, x, z: b1 * x + (1.0 - b1) * z - y, y, x, z)


def averaged_view(b1_of: Callable[[Hyperparameters], float]) -> EvalView:
    """The hook `eval_view` that evaluates x; the optimizer's state has the attribute `z`.

    Args:
      b1_of: the weight of x in y at a point.
    """

    def eval_view(state: TrainState, hyperparameters: Hyperparameters) -> tuple[Params, ModelState]:
        return average_of(
            state.params, state.opt_state.z, b1_of(hyperparameters)
        ), state.model_state

    return eval_view
