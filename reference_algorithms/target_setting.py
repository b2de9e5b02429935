"""The configurations that set the benchmark's targets: one algorithm and point per workload.

They are no valid submissions, as a submission may not know its workload; they serve to reproduce
the targets. `ogbg`, `wmt` and so on are attributes of this module, variants among them:
`reference_algorithms.target_setting:wmt_post_ln`.
"""

from collections.abc import Mapping
from typing import Any

import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms.batch_sizes import deviating
from reference_algorithms.momentum import momentum_sgd
from reference_algorithms.nadamw import nadamw
from reference_algorithms.schedules import cosine_after_warmup, line_after_warmup
from reference_algorithms.target_setting_points import ADAMW, MOMENTUM, NADAMW, NESTEROV


def horizon(problem: Problem) -> int:
    """Steps of a target-setting run: three quarters of the step hint."""
    return int(0.75 * problem.step_hint)


def cosine(h: Hyperparameters, problem: Problem) -> optax.Schedule:
    """Warm-up and cosine decay; `h` has `learning_rate` (the peak) and `warmup_steps`."""
    return cosine_after_warmup(h.learning_rate, horizon(problem), h.warmup_steps)


def line(h: Hyperparameters, problem: Problem) -> optax.Schedule:
    """Warm-up and linear decay; `h` has `decay_steps_factor` and `end_factor`, too."""
    return line_after_warmup(
        h.learning_rate, horizon(problem), h.warmup_steps, h.decay_steps_factor, h.end_factor
    )


def adamw_optimizer(h: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """AdamW; `h` has `learning_rate`, `beta1`, `beta2`, `warmup_steps`, `weight_decay`."""
    return optax.adamw(
        cosine(h, problem), b1=h.beta1, b2=h.beta2, eps=1e-8, weight_decay=h.weight_decay
    )


def nadamw_optimizer(h: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """NAdamW; `h` as for `adamw_optimizer`."""
    return nadamw(cosine(h, problem), h.beta1, h.beta2, h.weight_decay)


def momentum_optimizer(h: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Heavy ball; `h` has `learning_rate`, `beta1`, `weight_decay` and the schedule's constants.

    These are `warmup_steps`, `decay_steps_factor` and `end_factor`.
    """
    return momentum_sgd(line(h, problem), h.beta1, h.weight_decay, nesterov=False)


def nesterov_optimizer(h: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Nesterov momentum; `h` as for `momentum_optimizer`."""
    return momentum_sgd(line(h, problem), h.beta1, h.weight_decay, nesterov=True)


BATCH_SIZE = deviating(imagenet_resnet_silu=512, imagenet_resnet_gelu=512, imagenet_vit_glu=512)


def _submission(workload: str, algorithm: str, optimizer: Any, point: Mapping) -> Submission:
    return Submission(
        name=f"target_setting_{workload}",
        description=f"{algorithm} as it set the target of {workload}; not a valid submission",
        optimizer=optimizer,
        hyperparameters={"label_smoothing": 0.0, **point},
        batch_size=BATCH_SIZE,
    )


SUBMISSIONS = {
    workload: _submission(workload, algorithm, optimizer, point)
    for algorithm, optimizer, points in (
        ("NAdamW", nadamw_optimizer, NADAMW),
        ("AdamW", adamw_optimizer, ADAMW),
        ("heavy-ball momentum", momentum_optimizer, MOMENTUM),
        ("Nesterov momentum", nesterov_optimizer, NESTEROV),
    )
    for workload, point in points.items()
}
"""By name of the workload."""


def __getattr__(name: str) -> Submission:
    if name in SUBMISSIONS:
        return SUBMISSIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
