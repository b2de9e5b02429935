"""The workloads of the benchmark, by name; each lives in a folder of its own.

`workloads.get("ogbg")` gives the workload at scale mini, `get("ogbg", "full")` the benchmark's.
"""

from typing import Any

from algoperf_jax.errors import UserError
from algoperf_jax.registry import Entry, Registry

CATALOGUE = Registry(
    kind="workload",
    attribute="workload",
    entries={
        "imagenet_resnet": Entry(
            "workloads.imagenet:imagenet_resnet", "ResNet-50 on photographs (ImageNet)"
        ),
        "imagenet_resnet_silu": Entry(
            "workloads.imagenet:imagenet_resnet_silu", "imagenet_resnet with SiLU activations"
        ),
        "imagenet_resnet_gelu": Entry(
            "workloads.imagenet:imagenet_resnet_gelu", "imagenet_resnet with GELU activations"
        ),
        "imagenet_resnet_large_bn_init": Entry(
            "workloads.imagenet:imagenet_resnet_large_bn_init",
            "imagenet_resnet whose branches start loud",
        ),
        "imagenet_vit": Entry(
            "workloads.imagenet:imagenet_vit", "vision transformer ViT-S/16 on photographs"
        ),
        "imagenet_vit_glu": Entry(
            "workloads.imagenet:imagenet_vit_glu", "imagenet_vit with gated MLPs"
        ),
        "imagenet_vit_post_ln": Entry(
            "workloads.imagenet:imagenet_vit_post_ln",
            "imagenet_vit with layer norms behind the residual sums",
        ),
        "imagenet_vit_map": Entry(
            "workloads.imagenet:imagenet_vit_map", "imagenet_vit pooled by attention"
        ),
        "ogbg": Entry("workloads.ogbg:ogbg", "graph network on molecules (ogbg-molpcba)"),
        "ogbg_gelu": Entry("workloads.ogbg:ogbg_gelu", "ogbg with GELU activations"),
        "ogbg_silu": Entry("workloads.ogbg:ogbg_silu", "ogbg with SiLU activations"),
        "ogbg_model_size": Entry(
            "workloads.ogbg:ogbg_model_size", "ogbg with a shallower, narrower network"
        ),
    },
)

SCALES = ("mini", "full")


def get(name: str, scale: str = "mini") -> Any:
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
    found = CATALOGUE.load(name)
    try:
        workload = found if isinstance(found, Workload) else found(scale)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"workload {name!r}: making it at scale {scale} raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(workload, Workload):
        raise UserError(
            f"workload {name!r}: expected a Workload or a function that makes one, found "
            f"{type(workload).__name__}"
        )
    if workload.scale != scale:
        raise UserError(f"workload {name!r} exists at scale {workload.scale!r} only, not {scale!r}")
    return workload
