"""What authors import from `algoperf_jax` itself."""

import inspect
import os
import subprocess
import sys

import algoperf_jax
from algoperf_jax import control, problem, selection, submission


def test_every_public_name_is_there():
    for name in algoperf_jax.__all__:
        assert getattr(algoperf_jax, name) is not None
    assert set(algoperf_jax.__all__) <= set(dir(algoperf_jax))


def test_every_type_of_a_submission_is_a_public_name():
    types = {
        name
        for module in (control, problem, selection, submission)
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    }
    assert types <= set(algoperf_jax.__all__)


def test_folders_of_these_names_do_not_hide_the_packages(tmp_path):
    """As a clone called `algoperf_jax`, or a folder `workloads`, in the working directory."""
    for name in ("algoperf_jax", "workloads"):
        (tmp_path / name).mkdir()
    code = "import algoperf_jax, workloads; print(algoperf_jax.train, workloads.get)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
