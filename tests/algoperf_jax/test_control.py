"""What a control may be made of."""

import pytest

from algoperf_jax.control import Control
from algoperf_jax.errors import UserError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "never be called; choose every_steps=N or after_eval=True"),
        ({"every_steps": 0}, "every_steps: 0 given, at least 1"),
        ({"every_steps": -3, "after_eval": True}, "every_steps: -3 given, at least 1"),
        ({"every_steps": 2.5}, "every_steps: 2.5 given, an int"),
        ({"after_eval": True, "knobs": {"x": float("nan")}}, "knob 'x' is nan; a finite number"),
        ({"after_eval": True, "knobs": {"x": float("inf")}}, "knob 'x' is inf"),
        ({"after_eval": True, "knobs": {"x": "1"}}, "knob 'x' is '1'"),
    ],
)
def test_control_that_could_not_work_is_refused_when_it_is_made(options, message):
    with pytest.raises(UserError, match=message):
        Control(lambda progress: None, **options)


@pytest.mark.parametrize("options", [{"every_steps": 1}, {"after_eval": True, "knobs": {"x": 0}}])
def test_one_cadence_is_enough(options):
    assert Control(lambda progress: None, **options).survives_nan is False
