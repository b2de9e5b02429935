"""ImageNet: classification of photographs, by a residual network and by a vision transformer.

Each name of the catalogue is a function `scale -> Workload` here. Both workloads share data, loss
and metrics; a variant is the same workload with another network.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax

from algoperf_jax.errors import UserError
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Limits, Target
from algoperf_jax.workload import Batch, BatchNormMode, LossType, ModelState, Scale, Split, Workload
from workloads.facts import FACTS, base_name
from workloads.imagenet import inputs, resnet, sample, vit
from workloads.imagenet.dataset import Pipeline, dataset, locate_data
from workloads.imagenet.files import EXAMPLES
from workloads.imagenet.images import Preprocessing
from workloads.imagenet.loss import loss
from workloads.imagenet.metrics import evaluate
from workloads.imagenet.randaugment import RandAugment
from workloads.imagenet.random_batch import random_batch

NETWORKS = {
    "imagenet_resnet": resnet.ResNet(),
    "imagenet_resnet_silu": resnet.ResNet(activation="silu"),
    "imagenet_resnet_gelu": resnet.ResNet(activation="gelu"),
    "imagenet_resnet_large_bn_init": resnet.ResNet(last_scale_init=8.0),
    "imagenet_vit": vit.ViT(),
    "imagenet_vit_glu": vit.ViT(gated_mlp=True),
    "imagenet_vit_post_ln": vit.ViT(norm="post"),
    "imagenet_vit_map": vit.ViT(pooling="attention"),
}
"""The models at full scale, all that distinguishes the variants beside targets and batch sizes."""

# Batch sizes of the baselines where they are not 1024.
BATCH_SIZES = {"imagenet_resnet_silu": 512, "imagenet_resnet_gelu": 512, "imagenet_vit_glu": 512}
EVAL_BATCH_SIZES = {"imagenet_resnet": 1024, "imagenet_vit": 2048}
MINI_EXAMPLES = {
    split: count * len(sample.CLASSES) for split, count in sample.IMAGES_PER_CLASS.items()
}

PIPELINES = {
    "imagenet_resnet": Pipeline(eval_train_examples=50_176),
    "imagenet_vit": Pipeline(
        Preprocessing(randaugment=RandAugment()), mixup_alpha=0.2, eval_train_examples=51_200
    ),
}


@dataclasses.dataclass(frozen=True)
class _Mini:
    """What a base workload is at scale mini.

    Attributes:
      network: the same modules, narrower and with fewer layers.
      preprocessing: for images of 28 pixels, of which a crop of 8 % would show nothing.
      target: set by scripts/set_targets.py; sample/targets_*.json hold the runs.
      step_hint: the horizon of schedules.
      runtime_seconds: about four times the default algorithm's time to target.
      eval_period_seconds: about a fifteenth of it.
    """

    network: resnet.ResNet | vit.ViT
    preprocessing: Preprocessing
    target: Target
    step_hint: int
    runtime_seconds: float
    eval_period_seconds: float


_MINI_CROP_AREA = (0.6, 1.0)

MINI = {
    "imagenet_resnet": _Mini(
        network=resnet.ResNet(stage_sizes=(1, 1, 1, 1), width=8, num_classes=10),
        preprocessing=Preprocessing(image_size=32, crop_area=_MINI_CROP_AREA),
        target=Target("accuracy", "max", validation=0.8285, test=0.812),
        step_hint=1000,
        runtime_seconds=100.0,
        eval_period_seconds=2.0,
    ),
    "imagenet_vit": _Mini(
        network=vit.ViT(width=64, depth=3, mlp_dim=256, num_heads=4, patch_size=8, num_classes=10),
        preprocessing=Preprocessing(
            image_size=32,
            crop_area=_MINI_CROP_AREA,
            # One operation of half the magnitude: two would hide what little there is to see.
            randaugment=RandAugment(
                layers=1, magnitude=5.0, translate_pixels=100 / 7, cutout_half_size=40 / 7
            ),
        ),
        target=Target("accuracy", "max", validation=0.7435, test=0.712),
        step_hint=1200,
        runtime_seconds=180.0,
        eval_period_seconds=3.0,
    ),
}


def _full(name: str) -> Workload:
    base, facts = base_name(name), FACTS[name]
    return Workload(
        name=name,
        scale="full",
        target=facts.target,
        limits=facts.limits,
        eval_period_seconds=facts.eval_period_seconds,
        batch_size=BATCH_SIZES.get(name, 1024),
        eval_batch_size=EVAL_BATCH_SIZES[base],
        locate_data=functools.partial(locate_data, num_examples=EXAMPLES),
        **_functions(base, NETWORKS[name], PIPELINES[base], EXAMPLES),
    )


def _mini(base: str) -> Workload:
    mini = MINI[base]
    limits = Limits(mini.step_hint, mini.runtime_seconds)
    pipeline = dataclasses.replace(
        PIPELINES[base],
        preprocessing=mini.preprocessing,
        eval_train_examples=1000,
        num_classes=mini.network.num_classes,
    )
    return Workload(
        name=base,
        scale="mini",
        target=mini.target,
        limits={"v0.5": limits, "v0.6": limits},
        eval_period_seconds=mini.eval_period_seconds,
        batch_size=128,
        eval_batch_size=512,
        locate_data=locate_data,
        **_functions(base, mini.network, pipeline, MINI_EXAMPLES),
    )


def _workload(name: str, scale: Scale) -> Workload:
    if scale == "full":
        return _full(name)
    if name not in MINI:
        raise UserError(
            f"workload {name!r} exists at scale full only: no target was set for it at mini"
        )
    return _mini(name)


def _functions(
    base: str,
    network: resnet.ResNet | vit.ViT,
    pipeline: Pipeline,
    examples: Mapping[Split, int],
) -> dict[str, Any]:
    """The functions and facts that both scales share."""
    residual = isinstance(network, resnet.ResNet)
    forward = _residual_network if residual else _transformer

    def init(rng: jax.Array) -> tuple[Params, ModelState]:
        return resnet.init(network, rng) if residual else (vit.init(network, rng), {})

    def apply(
        params: Params,
        model_state: ModelState,
        batch: Batch,
        *,
        rng: jax.Array,
        train: bool,
        dropout_rate: jax.Array | float,
        batch_norm: BatchNormMode,
    ) -> tuple[jax.Array, ModelState]:
        images = inputs.images(batch)
        return forward(network, params, model_state, images, rng, train, dropout_rate, batch_norm)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        images = inputs.images(batch)
        logits, _ = forward(network, params, model_state, images, None, False, 0.0, "running")
        return evaluate(logits, batch)

    return {
        "base_name": base,
        "loss_type": LossType.SOFTMAX_CROSS_ENTROPY,
        "num_examples": {**examples, "eval_train": pipeline.eval_train_examples},
        "default_dropout_rate": 0.0,
        "supports_label_smoothing": True,
        "output_layers": ("Dense_0" if residual else "head",),
        "init": init,
        "apply": apply,
        "loss": loss,
        "eval": evaluate_batch,
        "dataset": functools.partial(dataset, pipeline=pipeline),
        "random_batch": functools.partial(random_batch, pipeline=pipeline),
    }


def _residual_network(
    network: resnet.ResNet,
    params: Params,
    model_state: ModelState,
    images: jax.Array,
    rng: jax.Array | None,
    train: bool,
    dropout_rate: jax.Array | float,
    batch_norm: BatchNormMode,
) -> tuple[jax.Array, ModelState]:
    del rng, train, dropout_rate  # there is no dropout in this model
    return resnet.apply(network, params, model_state, images, batch_norm=batch_norm)


def _transformer(
    network: vit.ViT,
    params: Params,
    model_state: ModelState,
    images: jax.Array,
    rng: jax.Array | None,
    train: bool,
    dropout_rate: jax.Array | float,
    batch_norm: BatchNormMode,
) -> tuple[jax.Array, ModelState]:
    del batch_norm  # there is none in this model
    logits = network.apply(
        {"params": params},
        images,
        train=train,
        dropout_rate=dropout_rate,
        rngs={"dropout": rng} if train else None,
    )
    return logits, model_state


imagenet_resnet = functools.partial(_workload, "imagenet_resnet")
imagenet_resnet_silu = functools.partial(_workload, "imagenet_resnet_silu")
imagenet_resnet_gelu = functools.partial(_workload, "imagenet_resnet_gelu")
imagenet_resnet_large_bn_init = functools.partial(_workload, "imagenet_resnet_large_bn_init")
imagenet_vit = functools.partial(_workload, "imagenet_vit")
imagenet_vit_glu = functools.partial(_workload, "imagenet_vit_glu")
imagenet_vit_post_ln = functools.partial(_workload, "imagenet_vit_post_ln")
imagenet_vit_map = functools.partial(_workload, "imagenet_vit_map")
