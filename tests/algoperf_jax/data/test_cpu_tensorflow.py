"""TensorFlow loads without a word and without accelerators; what an error needs is let through."""

import os
import subprocess
import sys

import pytest

from algoperf_jax.data.cpu_tensorflow import _quiet_unless_it_fails


def test_tensorflow_loads_silently_and_sees_no_gpu():
    code = (
        "from algoperf_jax.data.cpu_tensorflow import import_tensorflow\n"
        "print(import_tensorflow().config.get_visible_devices('GPU'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("[]\n", "")


def test_native_output_comes_out_if_an_error_follows(capfd):
    with pytest.raises(ImportError), _quiet_unless_it_fails():
        os.write(2, b"the reason")
        raise ImportError
    with _quiet_unless_it_fails():
        os.write(2, b"noise")
    assert capfd.readouterr().err == "the reason"
