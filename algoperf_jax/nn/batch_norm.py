"""Batch norm as the benchmark's convolutional models use it."""

import flax.linen as nn

from algoperf_jax.workload import BatchNormMode, check_batch_norm_mode


def batch_norm(
    name: str,
    mode: BatchNormMode,
    *,
    axes: tuple[str, ...] = (),
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    scale_init: float = 1.0,
) -> nn.BatchNorm:
    """A batch norm over all axes but the last, with running averages in "batch_stats".

    Every mode but `"running"` writes new running averages; `flax_functions.model_functions`
    keeps them in mode `"update"` alone.

    Args:
      name: of the layer.
      mode: which statistics normalise.
      axes: names of the axes over which batch statistics are averaged, `workload.AXES` for those
        of the global batch; (): those of one replica.
      momentum: the share of the old running average that stays in the new one.
      epsilon: added to the variance.
      scale_init: initial scale of all features.

    Raises:
      UserError: there is no such mode.
    """
    check_batch_norm_mode(mode)
    return nn.BatchNorm(
        use_running_average=mode == "running",
        axis_name=axes or None,  # type: ignore[arg-type]  # collectives take several names
        momentum=momentum,
        epsilon=epsilon,
        scale_init=nn.initializers.constant(scale_init),
        name=name,
    )
