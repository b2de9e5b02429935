"""Parameter kinds against the benchmark's naming rule, path by path."""

import jax
import jax.numpy as jnp
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.parameters import ParameterKind, describe, infer_kinds


def tree(*paths):
    """Nested dicts with a scalar at each slash-joined path."""
    root = {}
    for path in paths:
        *parents, name = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = jnp.zeros(())
    return root


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("BatchNorm_0/scale", "BATCH_NORM_SCALE"),
        ("bn1/bias", "BATCH_NORM_BIAS"),
        ("LayerNorm_3/scale", "LAYER_NORM_SCALE"),
        ("encoder/ln_1/bias", "LAYER_NORM_BIAS"),
        ("Conv_0/kernel", "CONV_WEIGHT"),
        ("Conv_0/bias", "BIAS"),
        ("node_embedding/kernel", "EMBEDDING"),
        ("node_embedding/bias", "BIAS"),
        ("shared/embedding", "EMBEDDING"),
        ("SelfAttention_0/key/kernel", "ATTENTION_K"),
        ("SelfAttention_0/query/kernel", "ATTENTION_Q"),
        ("SelfAttention_0/value/kernel", "ATTENTION_V"),
        ("SelfAttention_0/out/kernel", "ATTENTION_OUT"),
        ("SelfAttention_0/out/bias", "ATTENTION_BIAS"),
        ("attention/temperature_scale", "WEIGHT"),
        ("attention/in_proj_weight", "ATTENTION_QKV"),
        ("Dense_0/kernel", "WEIGHT"),
        ("Dense_0/bias", "BIAS"),
    ],
)
def test_kind_follows_the_naming_rule(path, kind):
    assert jax.tree.leaves(infer_kinds(tree(path))) == [ParameterKind[kind]]


def test_kinds_have_exactly_the_structure_of_params():
    params = tree("Dense_0/kernel", "LayerNorm_0/scale", "edge_embedding/kernel")
    assert jax.tree.structure(infer_kinds(params)) == jax.tree.structure(params)


@pytest.mark.parametrize("path", ["BatchNorm_0/mean", "attention/weird"])
def test_half_recognised_path_is_an_error_that_names_it(path):
    with pytest.raises(UserError, match=path):
        infer_kinds(tree(path))


def test_describe_keeps_case_and_marks_the_output_layer():
    params = tree("Dense_0/kernel", "Dense_1/kernel")
    info = describe(params, infer_kinds(params), ("Dense_1",))
    assert info["Dense_0"]["kernel"].path == ("Dense_0", "kernel")
    assert not info["Dense_0"]["kernel"].is_output
    assert info["Dense_1"]["kernel"].is_output
