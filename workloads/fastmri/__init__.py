"""fastMRI: images of knees from a quarter of their measurements.

A variant is the same workload with another network.
"""

import functools
from typing import Any, NamedTuple

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Facts, Target, same_limits
from algoperf_jax.workload import Batch, LossType, ModelState, Scale, Workload
from workloads.facts import described
from workloads.fastmri import sample
from workloads.fastmri.dataset import dataset, example_batch
from workloads.fastmri.files import FASTMRI, Scans
from workloads.fastmri.loss import loss
from workloads.fastmri.metrics import evaluate
from workloads.fastmri.scans import open_scans
from workloads.fastmri.unet import Config, UNet

CONFIGS = {
    "fastmri": Config(),
    "fastmri_model_size": Config(channels=64, levels=3),
    "fastmri_tanh": Config(activation="tanh"),
    "fastmri_layernorm": Config(layer_norms=True),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

MINI_CONFIG = Config(channels=8)
"""The same modules, narrower."""


class Sizes(NamedTuple):
    """What distinguishes the scales beside the model and its targets.

    Attributes:
      scans: what data there are.
      batch_size: the baselines' slices in a batch.
      eval_batch_size: slices in a batch of evaluations.
    """

    scans: Scans
    batch_size: int
    eval_batch_size: int


SIZES: dict[Scale, Sizes] = {
    "full": Sizes(FASTMRI, batch_size=32, eval_batch_size=256),
    "mini": Sizes(sample.FORM, batch_size=8, eval_batch_size=20),
}

MINI = Facts(
    # Set by scripts/set_targets.py; sample/targets_fastmri.json holds the runs.
    target=Target("ssim", "max", validation=0.6772, test=0.695405),
    limits=same_limits(step_hint=400, runtime_seconds=120.0, eval_period_seconds=3.0),
)


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name."""
    return with_model(name, scale, CONFIGS[name] if scale == "full" else MINI_CONFIG, SIZES[scale])


def with_model(name: str, scale: Scale, config: Config, sizes: Sizes) -> Workload:
    """The workload of that name with this model on data of these sizes."""
    example = functools.partial(example_batch, scans=sizes.scans)
    model = model_functions(UNet(config), lambda batch: batch["inputs"], example)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return evaluate(model.predict(params, model_state, batch), batch)

    return Workload(
        **described(name, scale, MINI),
        loss_type=LossType.MEAN_ABSOLUTE_ERROR,
        batch_size=sizes.batch_size,
        eval_batch_size=sizes.eval_batch_size,
        num_examples=sizes.scans.examples,
        default_dropout_rate=0.0,
        supports_label_smoothing=False,
        output_layers=("Conv_0",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_scans, scans=sizes.scans),
        dataset=functools.partial(dataset, scans=sizes.scans),
        example_batch=example,
    )
