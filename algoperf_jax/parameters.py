"""What a submission may know about each parameter: its kind, shape and path."""

import dataclasses
import enum
import re
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, GetAttrKey, KeyPath, SequenceKey

from algoperf_jax.errors import UserError

Params = Any  # a pytree of float32 arrays, nested dicts as flax makes them


class ParameterKind(enum.IntEnum):
    """The benchmark's parameter types, with its numbering."""

    WEIGHT = 0
    BIAS = 1
    CONV_WEIGHT = 2
    BATCH_NORM_SCALE = 3
    BATCH_NORM_BIAS = 4
    LAYER_NORM_SCALE = 5
    LAYER_NORM_BIAS = 6
    EMBEDDING = 7
    ATTENTION_Q = 8
    ATTENTION_K = 9
    ATTENTION_V = 10
    ATTENTION_OUT = 11
    ATTENTION_QKV = 12
    ATTENTION_KV = 13
    ATTENTION_BIAS = 14


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """One leaf of `Problem.parameters`, the tree that mirrors `params`.

    `jax.tree.map(rule, problem.parameters)` calls `rule` once per parameter.

    Attributes:
      shape: the parameter's shape.
      dtype: its dtype (float32 in every workload of the benchmark).
      kind: its `ParameterKind`.
      path: its keys from the root, original case, for example `("Dense_0", "kernel")`.
      is_output: whether it belongs to the layer that produces the model's outputs.
    """

    shape: tuple[int, ...]
    dtype: jnp.dtype
    kind: ParameterKind
    path: tuple[str, ...]
    is_output: bool


def path_names(path: KeyPath) -> tuple[str, ...]:
    """The keys of a pytree path as plain strings."""
    names = []
    for key in path:
        match key:
            case DictKey(key=name) | GetAttrKey(name=name):
                names.append(str(name))
            case SequenceKey(idx=index):
                names.append(str(index))
            case _:
                names.append(re.sub(r"^[.\[]|\]$", "", str(key)))
    return tuple(names)


def infer_kinds(params: Params) -> Any:
    """The kind of every parameter, as a tree with exactly the structure and keys of `params`.

    Follows the benchmark's naming rule on lower-cased paths, first match wins: batch norm, layer
    norm, convolution, embedding, attention, bias, weight. A model whose names do not say what its
    parameters are supplies its own tree instead (`Workload.kinds`).

    Raises:
      UserError: a path that the rule recognises half (say a batch norm with neither scale nor
        bias), with the path and the names that would be understood.
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: _kind(path_names(path)), params)


def describe(params: Params, kinds: Any, output_layers: tuple[str, ...]) -> Any:
    """The tree of `ParameterInfo` for `params` (arrays or shape structs).

    Args:
      params: the parameters, or their `jax.ShapeDtypeStruct`s.
      kinds: the tree of their kinds.
      output_layers: top-level keys of the layers that produce the model's outputs.
    """

    def info(path: KeyPath, leaf: Any, kind: ParameterKind) -> ParameterInfo:
        names = path_names(path)
        return ParameterInfo(
            tuple(leaf.shape), jnp.dtype(leaf.dtype), kind, names, names[0] in output_layers
        )

    return jax.tree_util.tree_map_with_path(info, params, kinds)


def _kind(path: tuple[str, ...]) -> ParameterKind:
    *enclosing, name = (part.lower() for part in path)
    parent = "/".join(enclosing)
    if "batchnorm" in parent or "bn" in parent:
        return _norm_kind(path, name, "BATCH_NORM")
    if "layernorm" in parent or "ln" in parent:
        return _norm_kind(path, name, "LAYER_NORM")
    if "conv" in parent:
        return ParameterKind.BIAS if "bias" in name else ParameterKind.CONV_WEIGHT
    if "embedding" in name or ("embedding" in parent and name == "kernel"):
        return ParameterKind.EMBEDDING
    if "attention" in parent:
        return _attention_kind(path, parent, name)
    return ParameterKind.BIAS if "bias" in name else ParameterKind.WEIGHT


def _norm_kind(path: tuple[str, ...], name: str, family: str) -> ParameterKind:
    if name in ("scale", "bias"):
        return ParameterKind[f"{family}_{name.upper()}"]
    raise UserError(
        f"parameter {'/'.join(path)}: a normalisation layer's parameters are named 'scale' or "
        f"'bias', found {name!r}; rename it or give the workload its own tree of kinds"
    )


def _attention_kind(path: tuple[str, ...], parent: str, name: str) -> ParameterKind:
    if name == "kernel":
        for part, kind in (
            ("key", ParameterKind.ATTENTION_K),
            ("query", ParameterKind.ATTENTION_Q),
            ("value", ParameterKind.ATTENTION_V),
            ("out", ParameterKind.ATTENTION_OUT),
        ):
            if part in parent:
                return kind
    if name == "bias":
        return ParameterKind.ATTENTION_BIAS
    if "scale" in name:
        return ParameterKind.WEIGHT
    if "in_proj_weight" in name:
        return ParameterKind.ATTENTION_QKV
    raise UserError(
        f"parameter {'/'.join(path)}: an attention parameter is a 'kernel' below key, query, "
        "value or out, a 'bias', a 'scale' or an 'in_proj_weight'; rename it or give the "
        "workload its own tree of kinds"
    )
