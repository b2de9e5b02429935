"""The NAdamW baselines that an entrant of the benchmark had to beat to qualify.

Under external tuning five points are tried, in their order; under self-tuning one of them is fixed.
In edition v0.5 of the rules both came with two horizons, the step hint and three quarters of it,
and an entrant had to beat both; edition v0.6 kept the first.
"""

import functools

from algoperf_jax.submission import Submission
from reference_algorithms import nadamw

HYPERPARAMETERS = (
    "dropout_rate",
    "label_smoothing",
    "learning_rate",
    "one_minus_beta1",
    "beta2",
    "weight_decay",
    "warmup_factor",
)

# fmt: off
SEARCH_SPACE = [
    dict(zip(HYPERPARAMETERS, values, strict=True))
    for values in (
        (0.0, 0.1, 0.001308209823469072, 0.02686663061, 0.9981232922116359,
         0.16375311233774334, 0.1),
        (0.0, 0.2, 0.0008445074561975979, 0.11042418465, 0.9978504782314613,
         0.08135402759553023, 0.05),
        (0.0, 0.0, 0.001308209823469072, 0.02686663061, 0.9981232922116359,
         0.16375311233774334, 0.1),
        (0.0, 0.0, 0.004958460849689891, 0.13625575743, 0.6291854735396584,
         0.1147386261512052, 0.02),
        (0.1, 0.0, 0.0017486387539278373, 0.06733926164, 0.9955159689799007,
         0.08121616522670176, 0.02),
    )
]
# fmt: on

SELF_TUNING_POINT = SEARCH_SPACE[4]

three_quarters = functools.partial(nadamw.optimizer, horizon_factor=0.75)

external = Submission(
    name="qualification_external",
    description="NAdamW at five published points, horizon at the step hint (v0.5, v0.6)",
    optimizer=nadamw.optimizer,
    hyperparameters=SELF_TUNING_POINT,
    search_space=SEARCH_SPACE,
)

external_three_quarters = Submission(
    name="qualification_external_075",
    description="NAdamW at five published points, horizon at 0.75 of the step hint (v0.5)",
    optimizer=three_quarters,
    hyperparameters=SELF_TUNING_POINT,
    search_space=SEARCH_SPACE,
)

self_tuning = Submission(
    name="qualification_self",
    description="NAdamW with one published point, self-tuning (v0.6)",
    optimizer=nadamw.optimizer,
    hyperparameters=SELF_TUNING_POINT,
)

# In edition v0.5 the dropout rate of a self-tuning submission never reached the model, which kept
# the workload's default.
DEFAULT_DROPOUT = {**SELF_TUNING_POINT, "dropout_rate": None}

self_tuning_v05 = Submission(
    name="qualification_self_v05",
    description="NAdamW with one published point and default dropout, self-tuning (v0.5)",
    optimizer=nadamw.optimizer,
    hyperparameters=DEFAULT_DROPOUT,
)

self_tuning_v05_three_quarters = Submission(
    name="qualification_self_v05_075",
    description="The same with the horizon at 0.75 of the step hint, self-tuning (v0.5)",
    optimizer=three_quarters,
    hyperparameters=DEFAULT_DROPOUT,
)
