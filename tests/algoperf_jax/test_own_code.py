"""Errors told with the hook and the line of a user's own code."""

import runpy

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.own_code import excerpt, explained, in_hook, own_frames
from algoperf_jax.registry import Registry


def raised_by(function, hook=None):
    try:
        if hook is None:
            function()
        else:
            with in_hook(hook):
                function()
    except Exception as error:
        return error


@pytest.fixture
def faulty(tmp_path):
    """A function in a file of its own that fails in the standard library, two calls deep."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import json\n\n\ndef inner():\n    json.loads('{')\n\n\ndef outer():\n    inner()\n"
    )
    return runpy.run_path(str(file))["outer"]


def test_the_last_line_of_own_code_is_named_not_that_of_a_library(faulty):
    text = explained(raised_by(faulty, "select"))
    assert text.startswith("JSONDecodeError: Expecting property name")
    assert text.endswith("(in the submission's select; mine.py, line 5)")


def test_the_excerpt_has_own_frames_alone(faulty):
    frames = own_frames(raised_by(faulty))
    assert [frame.name for frame in frames][-2:] == ["outer", "inner"]
    assert "json.loads('{')" in excerpt(frames)
    assert "decoder.py" not in excerpt(frames)


def test_the_nearest_hook_is_named(faulty):
    def outside():
        with in_hook("objective, its grad_clip"):
            faulty()

    assert "(in the submission's objective, its grad_clip;" in explained(raised_by(outside, "step"))


def test_what_the_kit_says_itself_stays_as_it_is(tmp_path):
    registry = Registry("thing", {}, "thing")
    error = raised_by(lambda: registry.load(str(tmp_path / "no.py")))
    assert isinstance(error, UserError)
    assert explained(error) == str(error)


def test_an_error_at_import_has_its_line(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("x = 1\ny = x / 0\n")
    error = raised_by(lambda: Registry("thing", {}, "thing").load(str(file)))
    assert str(error).endswith(
        "importing it raised ZeroDivisionError: division by zero (mine.py, line 2)"
    )
