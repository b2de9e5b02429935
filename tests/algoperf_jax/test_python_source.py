"""What a source uses, by full names."""

import ast

import pytest

from algoperf_jax.python_source import uses


def used(source):
    return {(use.path, use.line) for use in uses(ast.parse(source))}


@pytest.mark.parametrize(
    ("source", "path", "line"),
    [
        ("import a.b", "a.b", 1),
        ("from . import a", ".a", 1),
        ("from ..a.b import c", "..a.b.c", 1),
        ("from a import *\nf()", "a.f", 2),
        ("import a as x\nx.b.c", "a.b.c", 2),
        ("c = b\nb = a.x\nimport a\nc.y", "a.x.y", 4),
        ("print(open)", "builtins.open", 1),
        ("f(name=1).g", "*.name", 1),
        ("f(name=1).g", "*.g", 1),
        ("getattr(x, 'y')", "*.y", 1),
    ],
)
def test_a_use_is_named_in_full_with_its_line(source, path, line):
    assert (path, line) in used(source)


def test_of_a_path_the_beginnings_are_not_named():
    assert {path for path, line in used("import a\na.b.c") if line == 2} == {"a.b.c", "*.b", "*.c"}


def test_a_name_may_mean_several_things():
    source = "def f():\n    import a as x\ndef g():\n    import b as x\n    x.y"
    assert {("a.y", 5), ("b.y", 5)} <= used(source)


def test_names_of_the_source_itself_are_no_builtins():
    assert used("def open(eval):\n    for compile in eval:\n        pass\nopen(3)") == set()


def test_long_chains_of_calls_are_read_in_no_time():
    """Each call is looked at once; looked at twice, forty of them would never end."""
    assert ("a", 1) in used("import a; a" + ".b()" * 40)
