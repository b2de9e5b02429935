"""SGD with Nesterov momentum, linear warm-up and linear decay."""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms import momentum
from reference_algorithms.search_spaces import without_beta1


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Nesterov momentum; see `momentum.momentum_sgd` and `momentum.schedule`.

    References:
      Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """
    return momentum.momentum_sgd(
        momentum.schedule(hyperparameters, problem),
        1.0 - hyperparameters.one_minus_beta1,
        hyperparameters.weight_decay,
        nesterov=True,
    )


submission = Submission(
    name="nesterov",
    description="SGD with Nesterov momentum, warm-up and linear decay",
    optimizer=optimizer,
    hyperparameters=momentum.submission.hyperparameters,
    search_space=momentum.SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)
