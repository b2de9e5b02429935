"""Update rules against values that other implementations of them gave.

The table stands in the specification of the reference algorithms: five updates (unless the row says
otherwise) on nine parameters, learning rate 0.02, weight decay 0.1, beta1 0.9, beta2 0.99,
epsilon 1e-8, made with the code that its authors published. Its columns are w[0, 0], w[1, 2], b[1]
and the sum of all nine parameters.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.contrib import MuonDimensionNumbers
from optimizer_problems import nine_parameters, trajectory

from reference_algorithms import ademamix, muon, nadamw
from reference_algorithms.adafactor import quantized_ema, scale_by_factored_moments
from reference_algorithms.cautious_nadamw import keep_agreeing
from reference_algorithms.distributed_shampoo import scale_by_distributed_shampoo
from reference_algorithms.generalized_adam import decoupled_nesterov
from reference_algorithms.momentum import momentum_sgd
from reference_algorithms.schedule_free import average_of
from reference_algorithms.schedule_free_adamw import schedule_free_adamw
from reference_algorithms.schedule_free_prodigy import schedule_free_prodigy
from reference_algorithms.shampoo import normalised_rmsprop

RATE, DECAY, B1, B2 = 0.02, 0.1, 0.9, 0.99


def with_decay(*direction: optax.GradientTransformation) -> optax.GradientTransformation:
    return optax.chain(
        *direction, optax.add_decayed_weights(DECAY), optax.scale_by_learning_rate(RATE)
    )


def with_nesterov_average(direction, momentum) -> optax.GradientTransformation:
    return optax.chain(
        direction,
        optax.add_decayed_weights(DECAY),
        optax.trace(momentum, nesterov=True),
        optax.scale(1 - momentum),
        optax.scale_by_learning_rate(RATE),
    )


def adafactor(average) -> optax.GradientTransformation:
    return optax.chain(
        scale_by_factored_moments(),
        optax.scale(RATE),
        average,
        optax.add_decayed_weights(RATE * DECAY),
        optax.scale(-1.0),
    )


ROWS = {
    "nadamw": (
        nadamw.nadamw(RATE, B1, B2, DECAY),
        (-0.0606932, 0.1751126, -0.0137045, 0.5596529),
    ),
    "cautious nadamw": (
        with_decay(nadamw.scale_by_nadam(B1, B2), keep_agreeing()),
        (-0.0407054, 0.1885017, -0.0178549, 0.5440863),
    ),
    "heavy ball": (
        momentum_sgd(0.1, B1, DECAY, nesterov=False),
        (-0.0624876, 0.0535172, -0.0386912, 0.3730042),
    ),
    "nesterov": (
        momentum_sgd(0.1, B1, DECAY, nesterov=True),
        (-0.0271047, 0.0327480, -0.0351135, 0.2917520),
    ),
    "generalized adam without preconditioning": (
        decoupled_nesterov(0.1, B1, DECAY),
        (-0.0438292, 0.0534821, -0.0431568, 0.3554824),
    ),
    "lamb": (
        optax.lamb(RATE, B1, B2, eps=1e-8, weight_decay=DECAY),
        (-0.1821899, 0.2805017, -0.0815494, 0.6822774),
    ),
    "adafactor, float32 momentum": (
        adafactor(optax.ema(B1, debias=False)),
        (-0.1646401, 0.2773516, -0.0834771, 0.6803648),
    ),
    "adafactor": (
        adafactor(quantized_ema(B1)),
        (-0.1646461, 0.2773591, -0.0834826, 0.6803938),
    ),
    "archived shampoo": (
        with_nesterov_average(normalised_rmsprop(B2), B1),
        (0.0859229, 0.1189834, 0.0286634, 0.4583282),
    ),
    "sam": (
        optax.contrib.sam(
            optax.adamw(RATE, B1, B2, weight_decay=DECAY),
            optax.chain(optax.contrib.normalize(), optax.sgd(0.05)),
            opaque_mode=True,
        ),
        (-0.1103131, 0.2035445, -0.0259702, 0.6185756),
    ),
    "lion": (
        optax.lion(RATE, B1, B2, weight_decay=DECAY),
        (-0.0984072, 0.1974112, -0.0793232, 0.4332682),
    ),
    "ademamix": (
        optax.contrib.ademamix(
            RATE,
            B1,
            B2,
            b3=ademamix.beta3_ramp(B1, 0.999, 10),
            alpha=ademamix.alpha_ramp(8.0, 10),
            weight_decay=DECAY,
        ),
        (-0.1079059, 0.1990421, -0.0220639, 0.6148028),
    ),
    "muon": (
        optax.partition(
            {
                "w": muon.muon(
                    5 * RATE,
                    B1,
                    DECAY,
                    {"w": MuonDimensionNumbers((0,), (1,)), "b": optax.MaskedNode()},
                ),
                "b": nadamw.nadamw(RATE, B1, B2, DECAY),
            },
            {"w": "w", "b": "b"},
        ),
        (0.1985696, -0.0777392, -0.0137045, 0.4352810),
    ),
    "distributed shampoo, blocks of 2": (
        with_decay(
            scale_by_distributed_shampoo(B1, B2, nadam=True, every=2, block_size=2),
        ),
        (-0.0426304, 0.1658324, -0.0196146, 0.5120066),
    ),
    "distributed shampoo, sgd graft": (
        with_nesterov_average(
            scale_by_distributed_shampoo(0.0, B2, graft="sgd", every=2, block_size=3), 0.9
        ),
        (-0.1934635, 0.2940057, -0.0994886, 0.6947065),
    ),
}


def columns(params) -> list[float]:
    total = sum(float(leaf.sum()) for leaf in jax.tree.leaves(params))
    return [params["w"][0, 0], params["w"][1, 2], params["b"][1], total]


@pytest.mark.parametrize("row", ROWS)
def test_rule_gives_the_published_codes_values(row: str):
    optimizer, expected = ROWS[row]
    start, grad_at = nine_parameters()
    found = columns(trajectory(optimizer, start, grad_at, steps=5)[0][-1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6)


def test_distributed_shampoo_with_a_given_root_gives_the_published_codes_values():
    # Three columns against two rows: the factor of the columns is singular, and float32 noise at
    # the ridge reaches the fourth digit.
    optimizer = with_nesterov_average(
        scale_by_distributed_shampoo(B1, B2, nadam=True, root_override=2, every=2, block_size=3),
        0.5,
    )
    start, grad_at = nine_parameters()
    found = columns(trajectory(optimizer, start, grad_at, steps=5)[0][-1])
    np.testing.assert_allclose(
        found, (-0.0236108, 0.1914520, -0.0518562, 0.6828282), rtol=0, atol=5e-4
    )


@pytest.mark.parametrize(
    ("nu_dtype", "expected", "atol"),
    [
        (jnp.float32, (-0.1207862, 0.2551084, -0.0808155, 0.5728591), 2e-6),
        (jnp.bfloat16, (-0.1207643, 0.2551115, -0.0808312, 0.5731979), 5e-4),
    ],
)
def test_schedule_free_adamw_averages_to_the_published_codes_values(nu_dtype, expected, atol):
    optimizer = schedule_free_adamw(
        RATE, warmup_steps=3, b1=B1, b2=B2, weight_decay=DECAY, nu_dtype=nu_dtype
    )
    start, grad_at = nine_parameters()
    visited, state = trajectory(optimizer, start, grad_at, steps=5)
    average = average_of(visited[-1], state.z, B1)
    np.testing.assert_allclose(columns(average), expected, rtol=0, atol=atol)


def test_schedule_free_prodigy_gives_the_published_codes_values():
    # The row was made with a first estimate of 1e-3 and no warm-up.
    optimizer = schedule_free_prodigy(
        warmup_steps=1, b1=B1, b2=0.9955, weight_decay=DECAY, first_distance=1e-3
    )
    start, grad_at = nine_parameters()
    visited, state = trajectory(optimizer, start, grad_at, steps=5)
    assert float(state.distance) == pytest.approx(0.1142681, abs=2e-6)
    average = average_of(visited[-1], state.z, B1)
    np.testing.assert_allclose(
        columns(average), (0.0478406, 0.1346615, -0.1628357, -0.5574747), rtol=0, atol=2e-6
    )
