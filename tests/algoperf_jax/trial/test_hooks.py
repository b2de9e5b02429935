"""A hook that fails, or returns what it may not, is named, with the line where it happened."""

import optax
import pytest
from toy_runs import run, sgd

from algoperf_jax.control import Control
from algoperf_jax.errors import UserError
from algoperf_jax.submission import Objective


def fails(*_, **__):
    raise ValueError("no more of this")


def with_update(update):
    return lambda hp, problem: optax.GradientTransformation(lambda params: (), update)


@pytest.mark.parametrize(
    "hook, fields",
    [
        ("select", {"select": fails}),
        ("step", {"step": fails}),
        ("eval_view", {"eval_view": fails}),
        ("control", {"control": Control(fails, every_steps=1)}),
        ("optimizer, its update", {"optimizer": with_update(fails)}),
        (
            "optimizer, its init",
            {"optimizer": lambda hp, problem: optax.GradientTransformation(fails, None)},
        ),
        ("objective, its grad_clip", {"objective": lambda hp: Objective(grad_clip=fails)}),
    ],
)
def test_hook_that_raises_is_named(hook, fields):
    result = run(submission=sgd(**fields), max_steps=2)
    assert result.outcome.status == "failed"
    assert result.outcome.reason == (
        f"ValueError: no more of this (in the submission's {hook}; test_hooks.py, line 13)"
    )
    assert 'raise ValueError("no more of this")' in result.excerpt


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"objective": lambda hp: {"grad_clip": fails()}}, "its objective raised ValueError"),
        ({"optimizer": fails}, "its optimizer factory raised ValueError"),
        ({"batch_size": fails}, "raised ValueError"),
    ],
)
def test_hook_that_raises_before_training_is_named(fields, said):
    with pytest.raises(UserError, match=rf"{said}: no more .* \(test_hooks.py, line 13\)"):
        run(submission=sgd(**fields))


@pytest.mark.parametrize(
    "fields, said",
    [
        (
            {"eval_view": lambda state, hp: state.params},
            "eval_view returned dict; a pair (params, model_state) is needed",
        ),
        (
            {"step": lambda context, state, batch, rng: state},
            "step returned 4 values; a pair (state, logs) is needed",
        ),
        (
            {"optimizer": with_update(lambda grads, state, params: grads)},
            "the optimizer's update returned dict; a pair (updates, state) is needed",
        ),
        (
            {"select": lambda batches, carry, moment: None},
            "select returned NoneType; a pair (batch, carry) is needed",
        ),
        (
            {"control": Control(lambda progress: {"stop": True}, every_steps=1)},
            "control: decide returned a dict; a Directive or None is needed",
        ),
    ],
)
def test_hook_that_returns_something_else_is_told_what_is_needed(fields, said):
    assert run(submission=sgd(**fields), max_steps=2).outcome.reason == said


def test_objective_of_another_kind_is_refused():
    with pytest.raises(UserError, match="expected an Objective from its objective, found dict"):
        run(submission=sgd(objective=lambda hp: {}))
