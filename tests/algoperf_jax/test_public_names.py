"""What authors import from `algoperf_jax` itself."""

import inspect

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
