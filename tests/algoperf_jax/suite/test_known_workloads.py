"""What the words after `--workloads` stand for."""

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.suite.known_workloads import KnownWorkloads

KNOWN = KnownWorkloads(
    names=("a", "b", "c"),
    groups={"base": ("b", "planned", "a"), "held_out": ("c",)},
    get=lambda name, scale: f"{name} at {scale}",
    scales={"a": ("mini", "full"), "b": ("mini", "full"), "c": ("full",)}.__getitem__,
)


def test_words_may_be_names_import_paths_and_lists_with_commas():
    assert KNOWN.chosen(["c,mine:toy", "a"], "full", "v0.5") == {
        "c": "c at full",
        "mine:toy": "mine:toy at full",
        "a": "a at full",
    }


def test_a_group_stands_for_its_members_that_exist_in_its_order():
    assert list(KNOWN.chosen(["base"], "mini", "v0.5")) == ["b", "a"]


def test_a_group_of_which_nothing_exists_at_the_scale_is_refused():
    with pytest.raises(UserError, match="group 'held_out' exists at scale mini yet; there are a"):
        KNOWN.chosen(["held_out"], "mini", "v0.5")
