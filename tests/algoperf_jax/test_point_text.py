"""Points of hyperparameters as people write them."""

import re

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.point_text import read_point

DEFAULTS = {"rate": 0.1, "warmup": 5, "nesterov": True, "schedule": "cosine", "clip": None}


def _read(*words):
    return read_point(words, DEFAULTS)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("rate=.5", 0.5),
        ("rate=1e3", 1000.0),
        ("rate=1", 1),
        ("rate=-2.", -2.0),
        ("warmup=7", 7),
        ("nesterov=False", False),
        ("nesterov=no", False),
        ("nesterov=OFF", False),
        ("nesterov=true", True),
        ("nesterov=Yes", True),
        ("schedule=linear", "linear"),
        ("schedule=1", "1"),
        ("schedule=None", "None"),
        ('schedule="x y"', "x y"),
        ("clip=null", None),
        ("clip=1.5", 1.5),
        ("clip=.5", 0.5),
        ("clip=true", True),
        ("clip=norm", "norm"),
        ('clip="off"', "off"),
        ("other=1e-3", 0.001),
    ],
)
def test_text_has_the_type_of_the_default(word, value):
    (found,) = _read(word).values()
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nesterov=1.0"], "nesterov is a switch, true or false, '1.0' was given"),
        (["nesterov=None"], "nesterov is a switch, true or false, 'None' was given"),
        (["rate=fast"], "rate is a number, 'fast' was given"),
        (["rate="], "rate is a number, '' was given"),
        (["rate=True"], "rate is a number, 'True' was given"),
        (["rate=NaN"], "rate is a finite number, 'NaN' was given"),
        (["rate=-inf"], "rate is a finite number, '-inf' was given"),
        (["clip=None"], "clip=None could mean several things; write true, false or null"),
        (["clip=off"], "clip=off could mean several things"),
        (["clip=inf"], "clip is a finite number, 'inf' was given"),
        (["rate=1", "rate=2"], "rate is there twice; one value is expected"),
        (['{"rate": 1, "rate": 2}'], "rate is there twice; one value is expected"),
        (["rate"], "rate: neither KEY=VALUE nor a file"),
        (["rate=1", "warmup"], "'warmup' is not KEY=VALUE"),
        (["nowhere.json"], "nowhere.json: no such file"),
        (["{"], "'{' is neither a JSON object nor KEY=VALUE"),
        (['{"rate": {"min": 1}}'], 'rate is {"min": 1}, which is a search space'),
        (["clip=[1]"], "clip is [1], which is a search space"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message):
    with pytest.raises(UserError, match=re.escape(f"--hyperparameters: {message}")):
        _read(*words)


def test_objects_and_files_are_read(tmp_path):
    assert _read('{"rate": 1, "nesterov": false}') == {"rate": 1, "nesterov": False}
    (tmp_path / "point.json").write_text('{"warmup": 2}')
    assert _read(str(tmp_path / "point.json")) == {"warmup": 2}
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match="a JSON object is expected, one point, found list"):
        _read(str(tmp_path / "list.json"))


def test_nothing_given_is_no_point():
    assert read_point(None, DEFAULTS) is None
    assert read_point([], DEFAULTS) is None
