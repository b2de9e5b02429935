"""Whole submissions, schedule and hyperparameters included, against rules written in float64 numpy.

The rules follow the specification of the reference algorithms and share nothing with the code.
"""

import functools
import math

import numpy as np
import pytest
from optimizer_problems import nine_parameters, noisy_matrix, optimizer_of, trajectory

import reference_algorithms

HINT = 200


def cosine(k, peak, horizon, warmup_factor):
    warmup = int(warmup_factor * horizon)
    if k < warmup:
        return peak * k / warmup
    length = max(horizon - warmup, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min(k - warmup, length) / length))


def wave(k, peak, horizon, warmup_factor):
    warmup = int(warmup_factor * horizon)
    if k < warmup:
        return peak * (1e-10 + (1 - 1e-10) * k / warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * (k - warmup) / (horizon - warmup)))


class Adam:
    """Moments of one tensor and what (N)Adam makes of them."""

    def __init__(self, b1, b2):
        self.b1, self.b2, self.m, self.v, self.t = b1, b2, 0.0, 0.0, 0

    def direction(self, g, nesterov=True, power=0.5):
        b1, b2 = self.b1, self.b2
        self.t += 1
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        m = b1 * self.m + (1 - b1) * g if nesterov else self.m
        self.filtered = m / (1 - b1**self.t)
        return self.filtered / ((self.v / (1 - b2**self.t)) ** power + 1e-8)


class Lion:
    def __init__(self, hp):
        self.hp, self.m = hp, 0.0

    def step(self, k, p, g):
        hp = self.hp
        lr = wave(k, hp["learning_rate"], HINT, hp["warmup_factor"])
        sign = np.sign(hp["beta1"] * self.m + (1 - hp["beta1"]) * g)
        self.m = hp["beta2"] * self.m + (1 - hp["beta2"]) * g
        return p * (1 - lr * hp["weight_decay"]) - lr * sign


class AdEMAMix:
    def __init__(self, hp):
        self.hp, self.adam, self.slow = hp, Adam(hp["beta1"], hp["beta2"]), 0.0

    def step(self, k, p, g):
        hp, t, ramp = self.hp, k + 1, 500_000
        a, (b1, b3) = t / ramp, (hp["beta1"], hp["beta3"])
        h = [math.log(0.5) / math.log(b + 1e-8) - 1 for b in (b1, b3)]
        b3 = 0.5 ** (1 / ((1 - a) * h[0] + a * h[1] + 1))
        self.slow = b3 * self.slow + (1 - b3) * g
        fast = self.adam.direction(g, nesterov=False)
        root = np.sqrt(self.adam.v / (1 - hp["beta2"] ** t)) + 1e-8
        u = fast + hp["alpha"] * t / ramp * self.slow / root
        lr = wave(k, hp["learning_rate"], HINT, hp["warmup_factor"])
        return p - lr * (u + hp["weight_decay"] * p)


class Cautious:
    def __init__(self, hp):
        self.hp, self.adam = hp, Adam(1 - hp["one_minus_beta1"], hp["beta2"])

    def step(self, k, p, g):
        hp = self.hp
        u = self.adam.direction(g)
        mask = (self.adam.filtered * g > 0).astype(float)
        u = u * mask / max(mask.mean(), 1e-3)
        lr = cosine(k, hp["learning_rate"], HINT, hp["warmup_factor"])
        return p - lr * (u + hp["weight_decay"] * p)


class Muon:
    def __init__(self, hp):
        self.hp, self.adam, self.m = hp, Adam(hp["beta1"], hp["beta2"]), 0.0

    def step(self, k, p, g):
        hp = self.hp
        lr = cosine(k, hp["learning_rate"], HINT, hp["warmup_factor"])
        if p.ndim < 2:
            return p - lr * (self.adam.direction(g) + hp["weight_decay"] * p)
        self.m = hp["muon_beta"] * self.m + (1 - hp["muon_beta"]) * g
        rows, columns = p.shape
        x = self.m / (np.linalg.norm(self.m) + 1e-7)
        x = x.T if rows > columns else x
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        x = x.T if rows > columns else x
        u = x * max(1, math.sqrt(columns / rows)) + hp["muon_weight_decay"] * p
        return p - lr * hp["muon_rate"] * u


def along(x, matrix, axis):
    """`x` multiplied by a symmetric matrix along one axis."""
    return np.moveaxis(np.tensordot(matrix, x, axes=(1, axis)), 0, axis)


def gram(g, axis):
    flat = np.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
    return flat @ flat.T


def inverse_root(matrix, power):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * values ** (-1 / power) @ vectors.T


class Shampoo:
    def __init__(self, hp):
        self.hp, self.v, self.trace, self.statistics, self.roots = hp, 0.0, 0.0, None, None

    def step(self, k, p, g):
        hp, b2 = self.hp, self.hp["beta2"]
        if self.statistics is None:
            self.statistics = [1e-6 * np.eye(n) for n in g.shape]
        self.statistics = [
            b2 * s + (1 - b2) * gram(g, axis) for axis, s in enumerate(self.statistics)
        ]
        if k % 20 == 0:
            self.roots = [
                inverse_root(s + 1e-6 * np.linalg.eigvalsh(s)[-1] * np.eye(len(s)), 2 * g.ndim)
                for s in self.statistics
            ]
        normal = g / (np.linalg.norm(g) + 1e-25)
        self.v = b2 * self.v + (1 - b2) * normal**2
        u = normal / (np.sqrt(self.v) + 1e-8)
        if k >= 101:
            direction = g
            for axis, root in enumerate(self.roots):
                direction = along(direction, root, axis)
            u = direction * np.linalg.norm(u) / np.linalg.norm(direction)
        b1 = 1 - hp["one_minus_beta1"]
        u = u + hp["weight_decay"] * p
        self.trace = b1 * self.trace + (1 - b1) * u
        lr = cosine(k, hp["learning_rate"], HINT, hp["warmup_factor"])
        return p - lr * ((1 - b1) * u + b1 * self.trace)


class DistributedShampoo:
    def __init__(self, hp):
        self.hp, self.average, self.statistics, self.roots = hp, 0.0, None, None
        self.adam = Adam(1 - hp["one_minus_beta1"], 1 - hp["one_minus_beta2"])

    def step(self, k, p, g):
        hp, t, b2 = self.hp, k + 1, self.adam.b2
        if self.statistics is None:
            self.statistics = [np.zeros((n, n)) for n in g.shape]
        u = self.adam.direction(g, nesterov=hp["nadam"])
        self.statistics = [
            b2 * s + (1 - b2) * gram(g, axis) for axis, s in enumerate(self.statistics)
        ]
        if t % 100 == 0:
            power = hp["root_override"] or 2 * g.ndim
            self.roots = [
                inverse_root(s / (1 - b2**t) + 1e-8 * np.eye(len(s)), power)
                for s in self.statistics
            ]
        if t >= 100:
            direction = self.adam.filtered
            for axis, root in enumerate(self.roots):
                direction = along(direction, root, axis)
            u = direction * np.linalg.norm(u) / (np.linalg.norm(direction) + 1e-16)
        u = u + hp["weight_decay"] * p
        mu = 1 - hp["one_minus_momentum"]
        self.average = mu * self.average + (1 - mu) * u
        u = (1 - mu) * u + mu * self.average
        lr = wave(k, hp["learning_rate"], hp["step_hint_factor"] * HINT, hp["warmup_factor"])
        return p - lr * u


def float64_trajectory(rule, hyperparameters, start, grad_at, steps):
    params = dict(start)
    rules = {name: rule(hyperparameters) for name in params}
    for k in range(steps):
        grads = grad_at(k, params)
        params = {name: rules[name].step(k, params[name], grads[name]) for name in params}
    return params


def assert_follows(name, rule, changes, problem, steps, atol):
    submission = reference_algorithms.get(name)
    point = {**submission.hyperparameters, **changes}
    start, grad_at = problem(np.float32)
    found, _ = trajectory(optimizer_of(submission, point, start, HINT), start, grad_at, steps)
    start, grad_at = problem(np.float64)
    expected = float64_trajectory(rule, point, start, grad_at, steps)
    for leaf, values in expected.items():
        np.testing.assert_allclose(found[-1][leaf], values, rtol=0, atol=atol, err_msg=leaf)


@pytest.mark.parametrize(
    ("name", "rule", "changes", "atol"),
    [
        ("lion", Lion, {}, 1e-6),
        ("ademamix", AdEMAMix, {}, 1e-6),
        ("cautious_nadamw", Cautious, {"learning_rate": 0.02}, 2e-6),
        ("muon", Muon, {"learning_rate": 2e-3, "warmup_factor": 0.1}, 5e-6),
    ],
)
def test_submission_follows_its_rule(name, rule, changes, atol):
    assert_follows(name, rule, changes, nine_parameters, steps=30, atol=atol)


OTHER_BRANCHES = {"one_minus_momentum": 0.3, "root_override": 3, "nadam": False}


@pytest.mark.parametrize(
    ("name", "rule", "changes", "steps"),
    [
        ("shampoo", Shampoo, {}, 130),
        ("distributed_shampoo", DistributedShampoo, {}, 110),
        ("distributed_shampoo", DistributedShampoo, OTHER_BRANCHES, 110),
    ],
)
def test_shampoo_follows_its_rule_from_the_first_preconditioned_step_on(name, rule, changes, steps):
    changes = {"learning_rate": 0.02, **changes}
    problem = functools.partial(noisy_matrix, steps)
    assert_follows(name, rule, changes, problem, steps, atol=2e-5)
