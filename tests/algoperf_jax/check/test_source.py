"""Rules that a submission breaks in its very text."""

import textwrap

import pytest

from algoperf_jax.check.source import findings

NAMES = ("ogbg", "wmt")
NUMBERS = {350_343.0: "the number of training examples of ogbg"}


def found_in(source):
    return findings(textwrap.dedent(source), "mine.py", NAMES, NUMBERS)


@pytest.mark.parametrize(
    "source",
    [
        # a function called batch_size, with a table that nothing else uses
        """
        SIZES = {"ogbg": 512, "wmt": 128}
        def size_of(name):
            return SIZES[name]
        def batch_size(workload_name):
            return size_of(workload_name)
        submission = Submission(batch_size=batch_size)
        """,
        # what is passed as batch_size, under another name
        """
        TABLE = dict(ogbg=512)
        def chosen(name):
            return TABLE[name]
        submission = Submission(optimizer=adam, batch_size=chosen)
        """,
        'submission = Submission(batch_size=lambda name: {"ogbg": 512}[name])',
        # nested, as a factory makes it
        """
        def make():
            def batch_size(name):
                return 512 if name == "ogbg" else 128
            return Submission(batch_size=batch_size)
        """,
        # docstrings may speak of workloads
        """
        "ogbg"
        def optimizer(hp, problem):
            "wmt"
        """,
        "import os.path, jax, optax\nx = os.path.join('a', 'b')",
    ],
)
def test_honest_sources_have_no_findings(source):
    assert found_in(source) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('RATE = {"ogbg": 0.1}', "line 1: names the workload 'ogbg' outside batch_size"),
        ("RATE = dict(wmt=0.1)", "names the workload 'wmt'"),
        ('x = name == "wmt_mini"', "names the workload 'wmt_mini'"),
        # a table that batch_size shares with the optimizer
        (
            """
            TABLE = {"ogbg": 512}
            def batch_size(name):
                return TABLE[name]
            def optimizer(hp, problem):
                return TABLE
            """,
            "line 2: names the workload 'ogbg'",
        ),
        ("import workloads", "uses workloads; an algorithm may not know the workloads"),
        ("from workloads.facts import BASE", "uses workloads.facts.BASE"),
        ("import sys\nsys.argv", "line 2: uses sys.argv; an algorithm may not know the command"),
        ("from sys import argv", "uses sys.argv"),
        ("import os as o\no.environ['A']", "uses os.environ"),
        ("import inspect\ninspect.stack()", "the call stack"),
        ("import jax\njax.config.update('a', 1)", "settings of the compiler"),
    ],
)
def test_violations_are_found_with_their_line(source, text):
    found = found_in(source)
    assert {finding.kind for finding in found} == {"violation"}
    assert text in found[0].text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import threading", "threads may not work while the clock stands"),
        ("from concurrent.futures import ThreadPoolExecutor", "while the clock stands"),
        ("data = open('x')", "may not be read"),
        (
            "fast = problem.num_train_examples == 350_343",
            "compares with 350343, the number of training examples of ogbg",
        ),
        ("RATES = {350343: 0.1}", "compares with 350343"),
    ],
)
def test_suspicions_are_warnings(source, text):
    found = found_in(source)
    assert {finding.kind for finding in found} == {"warning"}
    assert text in found[0].text
