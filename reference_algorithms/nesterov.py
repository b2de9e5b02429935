"""SGD with Nesterov momentum, linear warm-up and linear decay."""

import optax

from algoperf_jax.submission import Hyperparameters, Problem, Submission
from reference_algorithms import momentum


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Nesterov momentum; see `momentum.sgd_with_momentum`.

    References:
      Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """
    return momentum.sgd_with_momentum(hyperparameters, problem, nesterov=True)


submission = Submission(
    name="nesterov",
    description="SGD with Nesterov momentum, warm-up and linear decay",
    optimizer=optimizer,
    hyperparameters=momentum.submission.hyperparameters,
    search_space=momentum.SEARCH_SPACE,
)
