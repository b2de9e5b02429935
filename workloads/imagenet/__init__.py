"""ImageNet: classification of photographs, by a residual network and by a vision transformer.

Both workloads share data, loss and metrics; a variant is the same workload with another network.
"""

import dataclasses
import functools
from typing import Any

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Conditions, Facts, Target, same_limits
from algoperf_jax.workload import AXES, ApplyFn, Batch, LossType, ModelState, Scale, Workload
from workloads.facts import base_name, described
from workloads.imagenet import inputs, sample
from workloads.imagenet.dataset import Pipeline, dataset, example_batch, open_data
from workloads.imagenet.files import STORED
from workloads.imagenet.images import Preprocessing
from workloads.imagenet.loss import loss
from workloads.imagenet.metrics import evaluate
from workloads.imagenet.randaugment import RandAugment
from workloads.imagenet.resnet import ResNet
from workloads.imagenet.vit import ViT

NETWORKS = {
    "imagenet_resnet": ResNet(),
    "imagenet_resnet_silu": ResNet(activation="silu"),
    "imagenet_resnet_gelu": ResNet(activation="gelu"),
    "imagenet_resnet_large_bn_init": ResNet(last_scale_init=8.0),
    "imagenet_vit": ViT(),
    "imagenet_vit_glu": ViT(gated_mlp=True),
    "imagenet_vit_post_ln": ViT(norm="post"),
    "imagenet_vit_map": ViT(pooling="attention"),
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


MINI_CROP_AREA = (0.6, 1.0)  # of images of 28 pixels, of which a crop of 8 % would show nothing

# The same modules at scale mini, narrower and with fewer layers.
MINI_NETWORKS = {
    "imagenet_resnet": ResNet(stage_sizes=(1, 1, 1, 1), width=8, num_classes=10),
    "imagenet_vit": ViT(width=64, depth=3, mlp_dim=256, num_heads=4, patch_size=8, num_classes=10),
}
MINI_PIPELINES = {
    "imagenet_resnet": Pipeline(
        Preprocessing(image_size=32, crop_area=MINI_CROP_AREA),
        eval_train_examples=1000,
        num_classes=10,
    ),
    "imagenet_vit": Pipeline(
        Preprocessing(
            image_size=32,
            crop_area=MINI_CROP_AREA,
            # One operation of half the magnitude: two would hide what little there is to see.
            randaugment=RandAugment(
                layers=1, magnitude=5.0, translate_pixels=100 / 7, cutout_half_size=40 / 7
            ),
        ),
        mixup_alpha=0.2,
        eval_train_examples=1000,
        num_classes=10,
    ),
}
# Targets were set by scripts/set_targets.py; sample/targets_*.json hold the runs. Runtimes are
# about four times the default algorithm's time to target, evaluation periods a fifteenth of it.
MINI = {
    "imagenet_resnet": Facts(
        target=Target("accuracy", "max", validation=0.8285, test=0.812),
        limits=same_limits(step_hint=1000, runtime_seconds=100.0, eval_period_seconds=2.0),
    ),
    "imagenet_vit": Facts(
        target=Target("accuracy", "max", validation=0.7435, test=0.712),
        limits=same_limits(step_hint=1200, runtime_seconds=180.0, eval_period_seconds=3.0),
    ),
}


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name; its batch statistics are those of each replica."""
    base, full = base_name(name), scale == "full"
    network = NETWORKS[name] if full else MINI_NETWORKS[base]
    pipeline = PIPELINES[base] if full else MINI_PIPELINES[base]
    examples = STORED.examples if full else MINI_EXAMPLES
    example = functools.partial(example_batch, pipeline=pipeline)
    model = model_functions(network, inputs.images, example)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return evaluate(model.predict(params, model_state, batch), batch)

    return Workload(
        **described(name, scale, MINI[base]),
        loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
        batch_size=BATCH_SIZES.get(name, 1024) if full else 128,
        eval_batch_size=EVAL_BATCH_SIZES[base] if full else 512,
        num_examples={**examples, "eval_train": pipeline.eval_train_examples},
        default_dropout_rate=0.0,
        supports_label_smoothing=True,
        output_layers=("Dense_0" if isinstance(network, ResNet) else "head",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=open_data,
        dataset=functools.partial(dataset, pipeline=pipeline),
        example_batch=example,
        under=functools.partial(_under, network, model.apply),
    )


def _under(
    network: ResNet | ViT, own_apply: ApplyFn, workload: Workload, conditions: Conditions
) -> Workload:
    """The workload with statistics of the global batch, where the rule set has them so."""
    replicas_own = conditions.batch_statistics == "replica" or not isinstance(network, ResNet)
    if replicas_own or workload.apply is not own_apply:
        return workload
    network = network.clone(statistics_axes=AXES)
    synchronised = model_functions(network, inputs.images, workload.example_batch)
    return dataclasses.replace(workload, apply=synchronised.apply, collective_forward=True)
