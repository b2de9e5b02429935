"""The smallest submission: copy this file, change it, and train with it.

python scripts/train.py --workload=ogbg --submission=my_algorithm.py
"""

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Adam, its learning rate falling from the given one to 0.

    A submission is an optax transformation. The kit computes the gradient of the mean loss over
    the batch, calls this transformation's `update` with it and adds what comes back to the
    parameters. Any chain of optax's pieces will do; your own piece is two functions, `init(params)`
    and `update(updates, state, params)`, as in `nadamw.py`.

    Args:
      hyperparameters: the point of this trial; its attributes are the names below.
      problem: what may be known of the workload. `problem.step_hint` is the number of steps that a
        good algorithm needs; schedules are best laid out on it, as it differs between workloads.
    """
    schedule = optax.cosine_decay_schedule(hyperparameters.learning_rate, problem.step_hint)
    return optax.adam(schedule, b1=hyperparameters.beta1)


# The loader looks for this name.
submission = Submission(
    name="template",  # names the folder of the records
    description="Adam with cosine decay, the smallest submission",
    optimizer=optimizer,
    # The point that is used unless another one is given. `dropout_rate`, `label_smoothing` and
    # `grad_clip` mean something to the kit if they are here; all other names are yours.
    hyperparameters={"learning_rate": 1e-3, "beta1": 0.9},
    # What external tuning draws its points from: ranges, lists of values, or a list of points.
    search_space={
        "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
        "beta1": {"feasible_points": [0.9, 0.95]},
    },
)
