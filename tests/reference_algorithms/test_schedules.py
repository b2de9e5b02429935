"""Learning-rate schedules against the reference's own."""

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from reference_algorithms.schedules import warmup_cosine, warmup_linear

PAPER = "archived_paper_baselines/"


def values(schedule, steps):
    return jax.vmap(schedule)(np.asarray(steps, np.int32))


@pytest.mark.parametrize("name", ["adamw", "nadamw", "lamb", "adafactor", "sam", "shampoo"])
def test_cosine_schedule_is_that_of_the_reference(name: str, golden: GoldenSet):
    record = golden.load("protocol")["schedules"][PAPER + name]
    point = record["hyperparameters"]
    schedule = warmup_cosine(point["learning_rate"], record["step_hint"], point["warmup_factor"])
    np.testing.assert_allclose(
        values(schedule, record["steps"]), record["values"], rtol=1e-6, atol=1e-10
    )


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_linear_schedule_is_that_of_the_reference(name: str, golden: GoldenSet):
    record = golden.load("protocol")["schedules"][PAPER + name]
    point = record["hyperparameters"]
    schedule = warmup_linear(
        point["learning_rate"],
        record["step_hint"],
        point["warmup_factor"],
        point["decay_steps_factor"],
        point["end_factor"],
    )
    np.testing.assert_allclose(
        values(schedule, record["steps"]), record["values"], rtol=1e-6, atol=1e-10
    )


def test_cosine_schedule_takes_a_horizon_that_is_a_part_of_the_step_hint():
    # The specification of the baselines states these for a peak of 0.00174... and 133333 steps.
    peak = 0.0017486387539278373
    full = warmup_cosine(peak, 133_333, 0.02)
    np.testing.assert_allclose(values(full, [1, 66_666]), [6.558839e-07, 9.023462e-04], rtol=1e-6)
    shorter = warmup_cosine(peak, 120_000.0, 0.02)
    np.testing.assert_allclose(values(shorter, [60_000]), [9.023428e-04], rtol=1e-6)
