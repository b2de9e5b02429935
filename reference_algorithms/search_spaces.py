"""The parts that the baselines' search spaces have in common, as JSON data.

The order of names in a search space decides which quasi-random sequence each one gets, so a part
keeps its place in every space it is used in.
"""

import dataclasses
from typing import Any

from algoperf_jax.submission import Submission


def log_range(low: float, high: float) -> dict[str, Any]:
    """A number between two bounds, uniform in its logarithm."""
    return {"min": low, "max": high, "scaling": "log"}


def one_of(*values: Any) -> dict[str, Any]:
    """One of these values; a single one is a constant."""
    return {"feasible_points": list(values)}


ADAPTIVE_LEARNING_RATE = {"learning_rate": log_range(1e-4, 1e-2)}
"""Of the baselines whose update does not scale with the gradient."""

WARMUP = {"warmup_factor": one_of(0.05)}

REGULARIZATION = {"label_smoothing": one_of(0.1, 0.2), "dropout_rate": one_of(0.0, 0.1)}

DEFAULT_POINT = {
    "learning_rate": 7e-3,
    "one_minus_beta1": 0.1,
    "beta2": 0.98,
    "warmup_factor": 0.1,
    "weight_decay": 0.1,
    "label_smoothing": 0.0,
    "dropout_rate": 0.0,
}
"""What AdamW and its kin use unless another point is given; tried at scale mini."""


def without_beta1(submission: Submission) -> Submission:
    """The submission with the smaller of its paper's two search spaces: `beta1` fixed at 0.9."""
    return dataclasses.replace(
        submission,
        name=f"{submission.name}_no_beta1",
        description=f"{submission.description}; beta1 not tuned",
        search_space={**submission.search_space, "one_minus_beta1": one_of(0.1)},
    )
