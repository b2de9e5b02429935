"""Rules that a submission breaks in its very text."""

import textwrap
from pathlib import Path

import optax
import pytest

import reference_algorithms
from algoperf_jax.check.source import findings
from workloads.facts import FACTS

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
        # what only looks like a rule's names
        "import re\nre.compile('a')",
        "import jax\njax.jit(f).lower(x).compile()",
        "import inspect\ninspect.signature(f)",
        "def save(open, eval):\n    open(eval('x'))",
        "updates = getattr(hp, name)",
        "import numpy as np\nnp.save\nnp.ndarray.tofile",
        "state = globals()\nrate = vars(hp)['rate']",
        "import math\ngetattr(math, 'sqrt')",
        "import optax\noptax = optax.chain(optax.adam(1.0))",
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
        ("import workloads", "uses workloads; an algorithm may not know or change the workloads"),
        ("from workloads.facts import BASE", "uses workloads.facts.BASE"),
        (
            "import sys\nsys.argv",
            "line 2: uses sys.argv; an algorithm may not know or change the command",
        ),
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
        ("import threading", "threads and processes may not work while the clock stands"),
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


ALIASES = [
    # reading files
    ("import numpy as np\nnp.load('x')", "line 2: uses numpy.load"),
    ("import numpy\nnumpy.fromfile('x')", "uses numpy.fromfile"),
    ("from numpy import load as l\nl('x')", "uses numpy.load"),
    ("from numpy import *\nx = loadtxt('x')", "uses numpy.loadtxt"),
    ("import jax.numpy as jnp\njnp.load('x')", "uses jax.numpy.load"),
    ("import numpy as np\nread = np.memmap\nread('x')", "line 3: uses numpy.memmap"),
    ("import numpy as np\na, read = 1, np.load\nread('x')", "line 3: uses numpy.load"),
    ("import numpy as np\ngetattr(np, 'lo' + 'ad')('x')", "line 2: uses numpy.load"),
    ("import numpy as np\nvars(np)['load']('x')", "line 2: uses numpy.load"),
    ("import numpy as np\nnp.__dict__.get('load')('x')", "line 2: uses numpy.load"),
    ("from pathlib import Path\nPath('x').read_bytes()", "line 2: uses pathlib.Path"),
    ("def f(path):\n    return path.read_text()", "line 2: uses read_text"),
    ("import builtins\nbuiltins.open('x')", "line 2: uses open"),
    ("__builtins__['open']('x')", "line 1: uses open"),
    ("import pickle as p\np.load(f)", "line 2: uses pickle.load"),
    ("from io import open as o\no('x')", "uses io.open"),
    # names that are computed, and text that is run
    ("import jax\ngetattr(jax, name)", "uses jax.?; a name that is computed"),
    ("import importlib\nimportlib.import_module(name)", "a name that is computed"),
    ("eval('1')", "what is run as code is not checked"),
    ("run = exec\nrun('1')", "line 2: uses exec"),
    ("compile('1', '', 'eval')", "uses compile"),
    # threads
    ("__import__('threading')", "uses threading; threads and processes"),
    ("import importlib as i\ni.import_module('concurrent.futures')", "uses concurrent.futures"),
    ("import socket", "nothing may come over the network"),
]


@pytest.mark.parametrize(("source", "text"), ALIASES)
def test_what_a_reader_has_to_look_at_is_found_under_every_name(source, text):
    found = found_in(source)
    assert {finding.kind for finding in found} == {"warning"}
    assert any(text in finding.text for finding in found)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import importlib\nimportlib.import_module('workloads.facts')", "uses workloads.facts"),
        ("from importlib import import_module as m\nm(name='workloads')", "uses workloads"),
        ("__import__('workloads.facts').facts.BASE", "uses workloads.facts"),
        ("import jax\ngetattr(jax, 'config').update('a', 1)", "uses jax.config.update"),
        ("import jax\ng = getattr\ng(jax, 'config')", "uses jax.config"),
        ("import jax\nsetattr(jax.config, 'a', 1)", "line 2: uses jax.config"),
        ("import jax as j\nc = j.config\nc.update('a', 1)", "line 3: uses jax.config.update"),
        ("import jax\nif (c := jax.config):\n    c.update", "line 3: uses jax.config.update"),
        ("from jax import config as c", "uses jax.config"),
        ("import jax\njax.jit(f, compiler_options={})", "uses compiler_options"),
        ("from operator import attrgetter as a\nimport jax\na('config')(jax)", "uses jax.config"),
        ("import os\ngetattr(os, 'environ')['X']", "uses os.environ"),
        ("import os\nglobals()['os'].environ", "uses os.environ"),
        ("import jax\n(jax if x else None).config", "uses jax.config"),
        ("from os import *\nenviron['X']", "uses os.environ"),
        ("import sys\nsys.modules['anything'].x", "uses sys.modules"),
        ("import sys\nsys.modules.get('jax').config", "uses jax.config"),
        ("def f():\n    from algoperf_jax.trial import training", "uses algoperf_jax.trial"),
        ("def f(e):\n    e.__traceback__.tb_frame.f_back", "the call stack"),
    ],
)
def test_violations_are_found_under_every_name(source, text):
    found = found_in(source)
    assert "violation" in {finding.kind for finding in found}
    assert any(text in finding.text for finding in found if finding.kind == "violation")


def test_a_line_says_each_thing_once():
    source = "import pathlib\ndata = pathlib.Path('x').read_bytes(), open('y')"
    assert [finding.text.split(":")[0] for finding in found_in(source)] == [
        "mine.py, line 1",
        "mine.py, line 2",
    ]


CATALOGUES = {"__init__.py", "target_setting_points.py"}
"""They list workloads and are no submissions."""


@pytest.mark.parametrize(
    "file",
    sorted(Path(reference_algorithms.__file__).parent.glob("*.py")),
    ids=lambda file: file.stem,
)
def test_reference_algorithms_raise_no_alarm(file):
    found = findings(file.read_text(), file.name, FACTS, NUMBERS)
    assert (found == []) == (file.name not in CATALOGUES)


def test_optax_raises_no_alarm_but_where_it_changes_settings_of_the_compiler():
    """A few hundred transformations by others; `utils.py` switches double precision on."""
    folder = Path(optax.__file__).parent
    files = [f for f in folder.rglob("*.py") if "test" not in f.stem]
    alarms = [x.text for f in files for x in findings(f.read_text(), f.name, FACTS, NUMBERS)]
    assert len(files) > 50 and alarms
    assert all("utils.py" in text and "settings of the compiler" in text for text in alarms)
