"""Names that can be those of folders, places that can be written to: where records go."""

import pytest
from toy_runs import sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.files import check_can_write

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


def test_a_folder_that_can_be_made_is_taken_and_not_made(tmp_path):
    check_can_write(tmp_path / "a" / "b", "--x")
    check_can_write(tmp_path / "a.txt", "--x", file=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path, file, said",
    [
        ("taken/a", False, "taken is no folder"),
        ("taken/a", True, "there is no folder"),
        ("nowhere/a", True, "there is no folder"),
        (".", True, "is a folder; name a file"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused(tmp_path, path, file, said):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match=f"^--x: .*{said}"):
        check_can_write(tmp_path / path, "--x", file=file)


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # tests may run as root
    with pytest.raises(UserError, match="you may not write to"):
        check_can_write(tmp_path / "a", "--x")
