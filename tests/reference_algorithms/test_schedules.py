"""Learning-rate schedules and ramps against the reference's own values."""

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from algoperf_jax.problem import make_hyperparameters
from reference_algorithms import ademamix, momentum, target_setting
from reference_algorithms.schedules import (
    warmup_cosine,
    warmup_cosine_cycles,
    warmup_cosine_wave,
)

PAPER = "archived_paper_baselines/"


class ProblemOfSteps:
    def __init__(self, step_hint):
        self.step_hint = step_hint


def values(schedule, steps):
    return jax.vmap(schedule)(np.asarray(steps, np.int32))


def assert_schedule(schedule, record):
    np.testing.assert_allclose(
        values(schedule, record["steps"]), record["values"], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ["adamw", "nadamw", "lamb", "adafactor", "sam", "shampoo"])
def test_cosine_schedule_is_that_of_the_reference(name: str, golden: GoldenSet):
    record = golden.load("protocol")["schedules"][PAPER + name]
    point = record["hyperparameters"]
    assert_schedule(
        warmup_cosine(point["learning_rate"], record["step_hint"], point["warmup_factor"]), record
    )


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_linear_schedule_is_that_of_the_reference(name: str, golden: GoldenSet):
    record = golden.load("protocol")["schedules"][PAPER + name]
    point = make_hyperparameters(record["hyperparameters"])
    assert_schedule(momentum.schedule(point, ProblemOfSteps(record["step_hint"])), record)


@pytest.mark.parametrize("name", ["adamw", "nadamw", "momentum", "nesterov"])
def test_target_setting_schedule_is_that_of_the_reference(name: str, golden: GoldenSet):
    record = golden.load("protocol")["schedules"][f"target_setting_algorithms/jax_{name}"]
    schedule = target_setting.cosine if "adam" in name else target_setting.line
    point = make_hyperparameters(record["hyperparameters"])
    assert_schedule(schedule(point, ProblemOfSteps(record["step_hint"])), record)


# The values below are stated in the specification of the reference algorithms.


def test_cosine_schedule_takes_a_horizon_that_is_a_part_of_the_step_hint():
    peak = 0.0017486387539278373
    full = warmup_cosine(peak, 133_333, 0.02)
    np.testing.assert_allclose(values(full, [1, 66_666]), [6.558839e-07, 9.023462e-04], rtol=1e-6)
    shorter = warmup_cosine(peak, 120_000.0, 0.02)
    np.testing.assert_allclose(values(shorter, [60_000]), [9.023428e-04], rtol=1e-6)


def test_cosine_wave_rises_again_after_its_horizon():
    wave = warmup_cosine_wave(1.0, 100, 0.1)
    expected = {
        0: 1e-10,
        1: 0.10000000009,
        10: 1.0,
        11: 0.9996954135,
        55: 0.5,
        100: 0.0,
        101: 3.0458649e-4,
        145: 0.5,
        190: 1.0,
    }
    np.testing.assert_allclose(
        values(wave, list(expected)), list(expected.values()), rtol=1e-5, atol=1e-7
    )


def test_cosine_wave_without_warmup_starts_at_its_peak():
    assert float(warmup_cosine_wave(0.5, 100, 0.0)(0)) == 0.5


def test_ademamix_brings_its_slow_momentum_in_as_published():
    counts = [0, 999, 99_999]
    np.testing.assert_allclose(
        values(ademamix.alpha_ramp(8.0), counts), [1.6e-5, 0.016, 1.6], rtol=1e-6
    )
    np.testing.assert_allclose(
        values(ademamix.beta3_ramp(0.8, 0.9995), counts),
        [0.8001588284154528, 0.888658436883249, 0.9975247116369694],
        rtol=1e-6,
    )


def test_cycles_start_with_the_peak_and_reach_their_end():
    one = warmup_cosine_cycles(1.0, 100, 0.1)
    np.testing.assert_allclose(
        values(one, [0, 1, 10, 11, 50, 99]),
        [1.0, 0.10000000009, 1.0, 0.9996954135, 0.5868240889, 3.045866e-4],
        rtol=1e-5,
        atol=1e-7,  # float32 cosines near -1
    )
    two = warmup_cosine_cycles(1.0, 100, 0.1, cycles=2)
    np.testing.assert_allclose(
        values(two, [11, 30, 51, 60, 80, 99]),
        [0.9984586669, 0.5, 0.1, 1.0, 0.5, 1.5413332e-3],
        rtol=1e-5,
        atol=1e-7,  # float32 cosines near -1
    )
    ends = [*values(one, [100, 101]), *values(two, [50, 100])]
    np.testing.assert_allclose(ends, 1e-10, atol=1e-7)
