"""The residual network of the ImageNet workload.

ResNet-50 (He et al. 2016, arXiv:1512.03385) with the stride of a block on its 3x3 convolution and
the last batch norm of each branch starting at scale 0 (Goyal et al. 2017, arXiv:1706.02677).

Axis letters in names of arrays:
  N  images of the batch
  H, W  height and width, which shrink on the way
  C  channels (width depends on the layer)
"""

import functools

import flax.linen as nn
import jax

from algoperf_jax.nn.activations import activation
from algoperf_jax.nn.batch_norm import batch_norm as batch_norm_layer
from algoperf_jax.workload import BatchNormMode

_Conv = functools.partial(nn.Conv, use_bias=False)


class BottleneckResNetBlock(nn.Module):
    """A residual block: 1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Attributes:
      width: channels within the block; its output has four times as many.
      stride: of the 3x3 convolution, and of the shortcut.
      activation: its name.
      last_scale_init: initial scale of the branch's last batch norm.
      statistics_axes: see `ResNet`.
    """

    width: int
    stride: int
    activation: str
    last_scale_init: float
    statistics_axes: tuple[str, ...]

    @nn.compact
    def __call__(self, x_NxHxWxC: jax.Array, *, batch_norm: BatchNormMode) -> jax.Array:
        """Returns float32 `[N, ceil(H / stride), ceil(W / stride), 4 * width]`."""
        act = activation(self.activation)
        strides = (self.stride, self.stride)
        norm = functools.partial(batch_norm_layer, mode=batch_norm, axes=self.statistics_axes)

        y_NxHxWxC = _Conv(self.width, (1, 1), name="Conv_0")(x_NxHxWxC)
        y_NxHxWxC = act(norm("BatchNorm_0")(y_NxHxWxC))
        # "SAME" pads a stride of 2 below and to the right only, where the side is even.
        y_NxHxWxC = _Conv(self.width, (3, 3), strides, padding="SAME", name="Conv_1")(y_NxHxWxC)
        y_NxHxWxC = act(norm("BatchNorm_1")(y_NxHxWxC))
        y_NxHxWxC = _Conv(4 * self.width, (1, 1), name="Conv_2")(y_NxHxWxC)
        y_NxHxWxC = norm("BatchNorm_2", scale_init=self.last_scale_init)(y_NxHxWxC)
        if x_NxHxWxC.shape != y_NxHxWxC.shape:
            x_NxHxWxC = _Conv(4 * self.width, (1, 1), strides, name="Conv_proj")(x_NxHxWxC)
            x_NxHxWxC = norm("BatchNorm_proj")(x_NxHxWxC)
        return act(x_NxHxWxC + y_NxHxWxC)


class ResNet(nn.Module):
    """A residual network of bottleneck blocks, in stages that halve the side.

    The stem halves the side twice, every stage but the first once more. Parameter names and shapes
    are those of the MLCommons reference implementation v0.6; so are those of the running averages,
    in the collection "batch_stats".

    Attributes:
      stage_sizes: number of blocks in each stage.
      width: channels of the stem; stage i has blocks of `width * 2**i`.
      num_classes: number of logits.
      activation: "relu", "gelu" (tanh approximation) or "silu".
      last_scale_init: initial scale of the last batch norm of each block's branch. At 0 the
        branches are silent in the beginning.
      statistics_axes: names of the axes over which batch statistics are averaged; (): those of the
        images given.
    """

    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    num_classes: int = 1000
    activation: str = "relu"
    last_scale_init: float = 0.0
    statistics_axes: tuple[str, ...] = ()

    @nn.compact
    def __call__(
        self,
        images_NxHxWxC: jax.Array,
        *,
        train: bool = False,
        dropout_rate: float | jax.Array = 0.0,
        batch_norm: BatchNormMode,
    ) -> jax.Array:
        """Computes the logits of images.

        Args:
          images_NxHxWxC: float32 `[N, H, W, 3]`, normalised.
          train, dropout_rate: without effect, there is no dropout in this model.
          batch_norm: which statistics normalise. Each mode but "running" writes running averages
            moved by a tenth towards the batch's means and (biased) variances, so "batch_stats" must
            be mutable.

        Returns:
          float32 `[N, num_classes]`.
        """
        del train, dropout_rate
        padding = [(3, 3), (3, 3)]
        x_NxHxWxC = _Conv(self.width, (7, 7), (2, 2), padding, name="Conv_init")(images_NxHxWxC)
        x_NxHxWxC = batch_norm_layer("BatchNorm_init", batch_norm, axes=self.statistics_axes)(
            x_NxHxWxC
        )
        x_NxHxWxC = activation(self.activation)(x_NxHxWxC)
        x_NxHxWxC = nn.max_pool(x_NxHxWxC, (3, 3), (2, 2), padding=[(1, 1), (1, 1)])

        number = 0
        for stage, size in enumerate(self.stage_sizes):
            for position in range(size):
                block = BottleneckResNetBlock(
                    width=self.width * 2**stage,
                    stride=2 if stage > 0 and position == 0 else 1,
                    activation=self.activation,
                    last_scale_init=self.last_scale_init,
                    statistics_axes=self.statistics_axes,
                    name=f"BottleneckResNetBlock_{number}",
                )
                x_NxHxWxC = block(x_NxHxWxC, batch_norm=batch_norm)
                number += 1
        x_NxC = x_NxHxWxC.mean(axis=(1, 2))
        kernel_init = nn.initializers.normal(0.01)
        return nn.Dense(self.num_classes, kernel_init=kernel_init, name="Dense_0")(x_NxC)
