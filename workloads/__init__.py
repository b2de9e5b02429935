"""The workloads of the benchmark, by name; each lives in a folder of its own.

`workloads.get("ogbg")` gives the workload at scale mini, `get("ogbg", "full")` the benchmark's.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from algoperf_jax.errors import UserError
from algoperf_jax.registry import Entry, Registry

if TYPE_CHECKING:  # JAX is loaded with the first workload only
    from algoperf_jax.workload import Workload

SCALES = ("mini", "full")


def _base(folder: str, summary: str) -> Entry:
    """A base workload; its folder's `workload(name, scale)` makes it and its variants."""
    return Entry(f"workloads.{folder}:workload", summary, SCALES)


def _variant(folder: str, summary: str) -> Entry:
    """A variant; no targets were set for them at mini."""
    return Entry(f"workloads.{folder}:workload", summary, ("full",))


CATALOGUE = Registry(
    kind="workload",
    attribute="workload",
    entries={
        "criteo1tb": _base("criteo1tb", "DLRM that foresees clicks (Criteo 1TB)"),
        "criteo1tb_layernorm": _variant("criteo1tb", "criteo1tb with layer norms"),
        "criteo1tb_embed_init": _variant("criteo1tb", "criteo1tb with large initial embeddings"),
        "criteo1tb_resnet": _variant(
            "criteo1tb", "criteo1tb with residual perceptrons, without products of embeddings"
        ),
        "fastmri": _base("fastmri", "U-Net that completes scans of knees (fastMRI)"),
        "fastmri_model_size": _variant("fastmri", "fastmri with a shallower, wider network"),
        "fastmri_tanh": _variant("fastmri", "fastmri with tanh activations"),
        "fastmri_layernorm": _variant("fastmri", "fastmri with layer norms"),
        "finewebedu_lm": _base("finewebedu_lm", "decoder that writes on (FineWeb-Edu)"),
        "imagenet_resnet": _base("imagenet", "ResNet-50 on photographs (ImageNet)"),
        "imagenet_resnet_silu": _variant("imagenet", "imagenet_resnet with SiLU activations"),
        "imagenet_resnet_gelu": _variant("imagenet", "imagenet_resnet with GELU activations"),
        "imagenet_resnet_large_bn_init": _variant(
            "imagenet", "imagenet_resnet whose branches start loud"
        ),
        "imagenet_vit": _base("imagenet", "vision transformer ViT-S/16 on photographs"),
        "imagenet_vit_glu": _variant("imagenet", "imagenet_vit with gated MLPs"),
        "imagenet_vit_post_ln": _variant(
            "imagenet", "imagenet_vit with layer norms behind the residual sums"
        ),
        "imagenet_vit_map": _variant("imagenet", "imagenet_vit pooled by attention"),
        "librispeech_conformer": _base("librispeech", "Conformer that hears words (LibriSpeech)"),
        "librispeech_conformer_attention_temperature": _variant(
            "librispeech", "librispeech_conformer with louder attention"
        ),
        "librispeech_conformer_layernorm": _variant(
            "librispeech", "librispeech_conformer without layer norms behind its blocks"
        ),
        "librispeech_conformer_gelu": _variant(
            "librispeech", "librispeech_conformer with GELU activations"
        ),
        "librispeech_deepspeech": _base("librispeech", "LSTMs that hear words (LibriSpeech)"),
        "librispeech_deepspeech_tanh": _variant(
            "librispeech", "librispeech_deepspeech with tanh activations"
        ),
        "librispeech_deepspeech_no_resnet": _variant(
            "librispeech", "librispeech_deepspeech without residual connections"
        ),
        "librispeech_deepspeech_norm_and_spec_aug": _variant(
            "librispeech",
            "librispeech_deepspeech with layer norms, more of the features hidden",
        ),
        "ogbg": _base("ogbg", "graph network on molecules (ogbg-molpcba)"),
        "ogbg_gelu": _variant("ogbg", "ogbg with GELU activations"),
        "ogbg_silu": _variant("ogbg", "ogbg with SiLU activations"),
        "ogbg_model_size": _variant("ogbg", "ogbg with a shallower, narrower network"),
        "wmt": _base("wmt", "Transformer that translates German to English (WMT17)"),
        "wmt_post_ln": _variant("wmt", "wmt with layer norms behind the residual sums"),
        "wmt_attention_temp": _variant("wmt", "wmt with sharper attention"),
        "wmt_glu_tanh": _variant("wmt", "wmt with gated MLPs and tanh activations"),
    },
)


def scales(name: str) -> tuple[str, ...]:
    """The scales at which a workload of the catalogue exists, without loading it.

    Raises:
      UserError: there is no such name.
    """
    if name not in CATALOGUE.entries:
        raise UserError(f"unknown workload {name!r}; there are {', '.join(CATALOGUE.entries)}")
    return CATALOGUE.entries[name].scales


def get(name: str, scale: str = "mini") -> "Workload":
    """The `Workload` of that name at that scale.

    Args:
      name: a name of the catalogue, or the import path of a `Workload` or of a function
        `scale -> Workload`.
      scale: `"mini"` or `"full"`.

    Raises:
      UserError: there is no such workload, or it does not exist at that scale.
    """
    from algoperf_jax.workload import Workload

    if scale not in SCALES:
        raise UserError(f"unknown scale {scale!r}; there are {', '.join(SCALES)}")
    if name in CATALOGUE.entries and scale not in scales(name):
        raise UserError(_elsewhere(name, scale, " and ".join(scales(name))))
    found = CATALOGUE.load(name)
    workload = found if isinstance(found, Workload) else _made(name, found, scale)
    if not isinstance(workload, Workload):
        raise UserError(
            f"workload {name!r}: expected a Workload or a function that makes one, found "
            f"{type(workload).__name__}"
        )
    if workload.scale != scale:
        raise UserError(_elsewhere(name, scale, workload.scale))
    return workload


def _made(name: str, function: Callable, scale: str) -> Any:
    if name in CATALOGUE.entries:
        function = functools.partial(function, name)
    try:
        return function(scale)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"workload {name!r}: making it at scale {scale} raised {type(error).__name__}: {error}"
        ) from error


def _elsewhere(name: str, scale: str, there: str) -> str:
    return f"workload {name!r} exists at scale {there} only, not {scale}"
