"""RandAugment as the benchmark's ViT workload applies it: integer images in, integer images out.

Each layer draws one of sixteen operations and always applies it. Where the published pipeline does
other than its names say, so does this one, since targets were set with it: Solarize with the
threshold 256 inverts every pixel, and Contrast moves pixels away from the number of pixels over
256 instead of from the mean grey level. (Specification of the benchmark's ViT workload, section
2.3; Cubuk et al. 2019, "RandAugment: practical automated data augmentation with a reduced search
space".)

An image here is uint8 `[H, W, 3]` of static shape.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.errors import UserError

MAX_MAGNITUDE = 10.0
FILL = 128
SOLARIZE_ADD_THRESHOLD = 128


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """How strongly images are augmented; the defaults are the benchmark's, for 224 pixels.

    Attributes:
      layers: operations in sequence.
      magnitude: of every operation, 0 to 10.
      translate_pixels: how far translations go at magnitude 10, in pixels.
      cutout_half_size: half the side of the square that cutout paints at magnitude 10, in pixels.

    Raises:
      UserError: a value is out of range.
    """

    layers: int = 2
    magnitude: float = 10.0
    translate_pixels: float = 100.0
    cutout_half_size: float = 40.0

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise UserError(f"RandAugment has {self.layers} layers; it must have 0 or more")
        if not 0 <= self.magnitude <= MAX_MAGNITUDE:
            raise UserError(f"RandAugment's magnitude is {self.magnitude}; it must be in 0..10")
        if self.translate_pixels < 0 or self.cutout_half_size < 0:
            raise UserError(
                f"RandAugment translates by {self.translate_pixels} and cuts out "
                f"{self.cutout_half_size} pixels; neither may be negative"
            )


class Draw(NamedTuple):
    """What one layer draws beside its operation.

    Attributes:
      positive: int32 scalar, 1 or 0: the sign of a signed argument.
      center_y, center_x: int32 scalars, the middle of the cutout.
    """

    positive: Any
    center_y: Any
    center_x: Any


Operation = Callable[[Any, Draw], Any]


def randaugment(image: Any, seed: Any, config: RandAugment = RandAugment()) -> Any:
    """Returns the augmented image.

    Args:
      image: uint8 `[H, W, 3]` of static shape.
      seed: int32 or int64 `[2]`; operations, signs and cutout centres derive from it alone.
      config: number of layers and arguments of the operations.
    """
    tf = import_tensorflow()
    height, width, _ = image.shape
    chain = operations(config, height, width)
    uniforms = tf.random.stateless_uniform([config.layers, 4], seed, alg="philox")
    # Rounded down, a multiple of 2**-23 below 1 stays below the factor.
    draws = tf.cast(uniforms * [float(len(chain)), 2.0, float(height), float(width)], tf.int32)
    for layer in range(config.layers):
        index, *rest = tf.unstack(draws[layer])
        draw = Draw(*rest)
        branches = [functools.partial(operation, image, draw) for operation in chain]
        image = tf.switch_case(index, branches)
    return image


def operations(config: RandAugment, height: int, width: int) -> tuple[Operation, ...]:
    """Returns the sixteen operations, in the benchmark's order, for images of the given size.

    An operation takes an image and a `Draw` and returns an image.
    """
    strength = config.magnitude / MAX_MAGNITUDE
    factor = strength * 1.8 + 0.1
    move = strength * config.translate_pixels
    signed = functools.partial(_moved_both_ways, height=height, width=width)
    return (
        _auto_contrast,
        _equalize,
        _invert,
        signed(_rotation, strength * math.radians(30)),
        functools.partial(_posterize, bits=int(strength * 4)),
        functools.partial(_solarize, threshold=int(strength * 256)),
        functools.partial(_color, factor=factor),
        functools.partial(_contrast, factor=factor),
        functools.partial(_brightness, factor=factor),
        functools.partial(_sharpness, factor=factor),
        signed(_shear_x, strength * 0.3),
        signed(_shear_y, strength * 0.3),
        signed(_translation_x, move),
        signed(_translation_y, move),
        functools.partial(_cutout, half=int(strength * config.cutout_half_size)),
        functools.partial(_solarize_add, addition=int(strength * 110)),
    )


# Operations on the values of pixels. Rows are handled as [H, 3W]: TensorFlow broadcasts along an
# axis of three values several times slower.


def _auto_contrast(image: Any, draw: Draw) -> Any:
    tf = import_tensorflow()
    low = tf.cast(tf.reduce_min(image, axis=[0, 1]), tf.float32)
    high = tf.cast(tf.reduce_max(image, axis=[0, 1]), tf.float32)
    varies = high > low
    scale = tf.where(varies, 255.0 / tf.where(varies, high - low, 1.0), 1.0)
    offset = tf.where(varies, -low * scale, 0.0)
    height, width, _ = image.shape
    rows = tf.cast(tf.reshape(image, [height, width * 3]), tf.float32)
    rows = rows * tf.tile(scale, [width]) + tf.tile(offset, [width])
    return tf.reshape(_to_pixels(rows), image.shape)


def _equalize(image: Any, draw: Draw) -> Any:
    tf = import_tensorflow()
    height, width, _ = image.shape
    channel = np.tile(np.arange(3, dtype=np.int32) * 256, width)
    bins = tf.reshape(tf.cast(tf.reshape(image, [height, width * 3]), tf.int32) + channel, [-1])
    histogram = tf.raw_ops.DenseBincount(input=bins, size=3 * 256, weights=np.zeros(0, np.int32))
    histogram = tf.reshape(histogram, [3, 256])
    below = tf.cumsum(histogram, axis=1, exclusive=True)
    # At the last bin in use, what lies below is all that the published rule counts.
    counted = tf.reduce_max(tf.where(histogram > 0, below, 0), axis=1, keepdims=True)
    step = counted // 255
    divisor = tf.maximum(step, 1)
    table = tf.minimum((below + divisor // 2) // divisor, 255)
    table = tf.where(step > 0, table, tf.range(256))
    table = tf.cast(tf.reshape(table, [-1]), tf.uint8)
    return tf.reshape(tf.gather(table, bins), image.shape)


def _invert(image: Any, draw: Draw) -> Any:
    return import_tensorflow().bitwise.invert(image)


def _posterize(image: Any, draw: Draw, *, bits: int) -> Any:
    return import_tensorflow().bitwise.bitwise_and(image, np.uint8(256 - (1 << (8 - bits))))


def _solarize(image: Any, draw: Draw, *, threshold: int) -> Any:
    tf = import_tensorflow()
    # The published threshold is compared as an unsigned byte, in which 256 is 0.
    kept = tf.cast(image < np.uint8(threshold % 256), tf.uint8)
    # Exclusive or with 255 inverts: 255 - x == x ^ 255, and x == x ^ 0.
    return tf.bitwise.bitwise_xor(image, kept - np.uint8(1))


def _solarize_add(image: Any, draw: Draw, *, addition: int) -> Any:
    tf = import_tensorflow()
    # Below the threshold the sum is at most 127 + 110: no clipping is needed.
    dark = tf.cast(image < np.uint8(SOLARIZE_ADD_THRESHOLD), tf.uint8)
    return image + dark * np.uint8(addition)


def _color(image: Any, draw: Draw, *, factor: float) -> Any:
    tf = import_tensorflow()
    pixels = tf.cast(tf.reshape(image, [-1, 3]), tf.float32)
    # Three equal columns: the grey level comes out once per channel.
    weights = np.tile(np.array([[0.2989], [0.587], [0.114]], np.float32), 3)
    grey = tf.matmul(pixels * np.float32(1 / 255), weights) * 255.5
    grey = tf.cast(tf.cast(grey, tf.uint8), tf.float32)
    return tf.reshape(_blend(grey, pixels, factor), image.shape)


def _contrast(image: Any, draw: Draw, *, factor: float) -> Any:
    height, width, _ = image.shape
    # The mean of the 256 counts of a histogram, where the mean grey level was meant.
    mean_count = float(min(height * width // 256, 255))
    return _blend(mean_count, import_tensorflow().cast(image, "float32"), factor)


def _brightness(image: Any, draw: Draw, *, factor: float) -> Any:
    return _blend(0.0, import_tensorflow().cast(image, "float32"), factor)


def _sharpness(image: Any, draw: Draw, *, factor: float) -> Any:
    tf = import_tensorflow()
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / np.float32(13)
    kernel = np.tile(kernel[:, :, None, None], (1, 1, 3, 1))
    pixels = tf.cast(image, tf.float32)
    smooth = tf.nn.depthwise_conv2d(pixels[None], kernel, [1, 1, 1, 1], "VALID")[0]
    smooth = tf.cast(_to_pixels(smooth), tf.float32)
    inner = _blend(smooth, pixels[1:-1, 1:-1], factor)
    # On the border the smoothed image is the image, and blending leaves it as it is.
    middle = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def _blend(degenerate: Any, pixels: Any, factor: float) -> Any:
    return _to_pixels(degenerate + factor * (pixels - degenerate))


def _to_pixels(values: Any) -> Any:
    tf = import_tensorflow()
    return tf.cast(
        tf.raw_ops.ClipByValue(t=values, clip_value_min=0.0, clip_value_max=255.0), tf.uint8
    )


# Operations on places. Which pixel goes where is known beforehand, up to the sign.


def _cutout(image: Any, draw: Draw, *, half: int) -> Any:
    tf = import_tensorflow()
    height, width, _ = image.shape
    y = np.arange(height, dtype=np.int32)[:, None]
    x = np.repeat(np.arange(width, dtype=np.int32), 3)
    in_rows = (y >= draw.center_y - half) & (y < draw.center_y + half)
    in_columns = (x >= draw.center_x - half) & (x < draw.center_x + half)
    rows = tf.reshape(image, [height, width * 3])
    return tf.reshape(tf.where(in_rows & in_columns, np.uint8(FILL), rows), image.shape)


def _moved_both_ways(
    coefficients: Callable[[float, int, int], tuple[float, ...]],
    argument: float,
    *,
    height: int,
    width: int,
) -> Operation:
    sources = np.stack(
        [
            _source_pixels(coefficients(signed, height, width), height, width)
            for signed in (-argument, argument)
        ]
    )
    # One constant for all layers, outside their branches: the graph stays small.
    return functools.partial(_moved, sources=import_tensorflow().constant(sources))


def _moved(image: Any, draw: Draw, *, sources: Any) -> Any:
    tf = import_tensorflow()
    fill = np.full((1, 3), FILL, np.uint8)
    pixels = tf.concat([tf.reshape(image, [-1, 3]), fill], axis=0)
    source = tf.gather(sources, draw.positive)
    return tf.reshape(tf.gather(pixels, source), image.shape)


def _source_pixels(coefficients: tuple[float, ...], height: int, width: int) -> np.ndarray:
    """Flat index `[H * W]` of the pixel that each pixel takes its value from; `H * W`: none."""
    a0, a1, a2, b0, b1, b2 = (np.float32(value) for value in coefficients)
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    source_x = _round_half_away(a0 * x + a1 * y + a2)
    source_y = _round_half_away(b0 * x + b1 * y + b2)
    inside = (source_x >= 0) & (source_x < width) & (source_y >= 0) & (source_y < height)
    source = np.where(inside, source_y * width + source_x, height * width)
    return source.reshape(-1).astype(np.int32)


def _round_half_away(values: np.ndarray) -> np.ndarray:
    # In float64 the addition is exact.
    magnitude = np.floor(np.abs(values.astype(np.float64)) + 0.5)
    return np.copysign(magnitude, values)


def _rotation(angle: float, height: int, width: int) -> tuple[float, ...]:
    one = np.float32(1)
    cos, sin = np.cos(np.float32(angle)), np.sin(np.float32(angle))
    right, bottom = np.float32(width) - one, np.float32(height) - one
    x_offset = (right - (cos * right - sin * bottom)) / np.float32(2)
    y_offset = (bottom - (sin * right + cos * bottom)) / np.float32(2)
    return (cos, -sin, x_offset, sin, cos, y_offset)


def _shear_x(slope: float, height: int, width: int) -> tuple[float, ...]:
    return (1.0, slope, 0.0, 0.0, 1.0, 0.0)


def _shear_y(slope: float, height: int, width: int) -> tuple[float, ...]:
    return (1.0, 0.0, 0.0, slope, 1.0, 0.0)


def _translation_x(pixels: float, height: int, width: int) -> tuple[float, ...]:
    return (1.0, 0.0, pixels, 0.0, 1.0, 0.0)


def _translation_y(pixels: float, height: int, width: int) -> tuple[float, ...]:
    return (1.0, 0.0, 0.0, 0.0, 1.0, pixels)
