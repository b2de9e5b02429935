"""Names that can be those of folders, wherever a record is written."""

import pytest
from toy_runs import sgd
from toy_workload import toy

from algoperf_jax.errors import UserError

MAKERS = [lambda name: toy(name=name), lambda name: sgd(name=name)]


@pytest.mark.parametrize("make", MAKERS, ids=["workload", "submission"])
@pytest.mark.parametrize(
    "name", ["../evil", "..", ".hidden", "a/b", "", " a", "a ", "-x", "a\n", "a\tb", "ü", None, 3]
)
def test_name_that_is_no_plain_folder_name_is_refused(make, name):
    with pytest.raises(UserError, match="cannot be that of a folder; it takes the letters"):
        make(name)


@pytest.mark.parametrize("make", MAKERS, ids=["workload", "submission"])
@pytest.mark.parametrize("name", ["a", "_a", "3rd", "Adam W+", "v0.5-b_2", "a."])
def test_plain_name_is_taken(make, name):
    assert make(name).name == name
