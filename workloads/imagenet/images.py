"""From the bytes of one JPEG file to one image, as a TensorFlow graph.

The functions are called inside the map of a `tf.data` pipeline. Every colour space becomes RGB, and
pixels stay on the scale 0..255: they are normalised on the device.

`tf.errors.InvalidArgumentError` comes from a file that is no JPEG, whatever its name; that ends
before the last row of the box is complete (what is missing below the box does not touch a pixel
and goes unnoticed, except in progressive files); or whose centre box is wanted but empty, which at
the benchmark's fraction is so when the image is a single pixel high or wide.
"""

import dataclasses
from typing import Any

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.errors import UserError
from workloads.imagenet.randaugment import RandAugment, randaugment

ASPECT_RATIO = (0.75, 4 / 3)
MIN_COVERED = 0.1
MAX_ATTEMPTS = 10


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How an image is cut out, scaled and augmented; the defaults are the benchmark's.

    Attributes:
      image_size: height and width of the result, in pixels.
      crop_area: range of the training crop's area, as a part of the whole image's.
      center_fraction: side of the evaluation box over the shorter side of the image.
      randaugment: augments training images; None: they are cropped and flipped only.

    Raises:
      UserError: a value makes no image.
    """

    image_size: int = 224
    crop_area: tuple[float, float] = (0.08, 1.0)
    center_fraction: float = 0.875
    randaugment: RandAugment | None = None

    def __post_init__(self) -> None:
        smallest, largest = self.crop_area
        if self.image_size < 1:
            raise UserError(f"image_size is {self.image_size}; it must be at least 1 pixel")
        if not 0 < smallest <= largest <= 1:
            raise UserError(f"crop_area is {self.crop_area}; needs 0 < smallest <= largest <= 1")
        if not 0 < self.center_fraction <= 1:
            raise UserError(f"center_fraction is {self.center_fraction}; it must be in (0, 1]")


def train_image(jpeg: Any, seed: Any, preprocessing: Preprocessing = Preprocessing()) -> Any:
    """Returns a randomly cropped, resized, perhaps flipped and augmented training image.

    The crop is TensorFlow's distorted bounding box. Where that box is the whole of a three-channel
    image, the centre box of `eval_image` stands in for it; whole images of one or four channels
    are squeezed instead, as in the published pipeline.
    (Specification of the benchmark's ResNet workload, sections 2.5 and 2.8; of its ViT, 2.2.)

    Args:
      jpeg: scalar string, the bytes of the file.
      seed: int32 or int64 `[2]`; every draw derives from it and from nothing else.
      preprocessing: size, crop and augmentation.

    Returns:
      `[image_size, image_size, 3]`: float32, the resized pixels without clipping; or uint8 where
      `preprocessing` has a `randaugment`.
    """
    tf = import_tensorflow()
    crop_seed, flip_seed, augment_seed = tf.unstack(
        # As int64, since the same number as int32 leads to other draws.
        tf.random.experimental.stateless_split(tf.cast(seed, tf.int64), num=3, alg="philox")
    )
    header = tf.io.extract_jpeg_shape(jpeg)
    image = decode(jpeg, random_box(header, crop_seed, preprocessing))
    image = resize(image, preprocessing.image_size)
    if preprocessing.randaugment is not None:
        # Conversion to integers before the flip: same result, a quarter of the bytes to move.
        image = tf.cast(tf.clip_by_value(image, 0.0, 255.0), tf.uint8)
    flip = tf.random.stateless_uniform([], flip_seed, alg="philox") < 0.5
    image = tf.cond(flip, lambda: tf.reverse(image, axis=[1]), lambda: image)
    if preprocessing.randaugment is not None:
        image = randaugment(image, augment_seed, preprocessing.randaugment)
    return image


def eval_image(jpeg: Any, preprocessing: Preprocessing = Preprocessing()) -> Any:
    """Returns the resized centre square of an image.

    (Specification of the benchmark's ResNet workload, sections 2.6 and 2.8.)

    Args:
      jpeg: scalar string, the bytes of the file.
      preprocessing: size and centre fraction.

    Returns:
      float32 `[image_size, image_size, 3]`, the resized pixels without clipping.
    """
    tf = import_tensorflow()
    box = center_box(tf.io.extract_jpeg_shape(jpeg), preprocessing.center_fraction)
    return resize(decode(jpeg, box), preprocessing.image_size)


def random_box(header: Any, seed: Any, preprocessing: Preprocessing) -> Any:
    """Returns int32 `[4]`, the training box: top, left, height, width in pixels.

    Args:
      header: int32 `[3]`, height, width and channels of the image.
      seed: int32 or int64 `[2]`.
      preprocessing: range of areas, and the centre fraction of the box that stands in.
    """
    tf = import_tensorflow()
    offset, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        header,
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed,
        min_object_covered=MIN_COVERED,
        aspect_ratio_range=ASPECT_RATIO,
        area_range=preprocessing.crop_area,
        max_attempts=MAX_ATTEMPTS,
    )
    # The reference compares the decoded crop, which always has three channels, with the header.
    # The box tells the same before anything is decoded.
    crop = tf.concat([size[:2], [3]], axis=0)
    whole = tf.reduce_all(crop == header)
    box = tf.concat([offset[:2], size[:2]], axis=0)
    return tf.where(whole, center_box(header, preprocessing.center_fraction), box)


def center_box(header: Any, center_fraction: float) -> Any:
    """Returns int32 `[4]`, the evaluation box: top, left, height, width in pixels.

    Args:
      header: int32 `[3]`, height, width and channels of the image.
      center_fraction: side of the square over the shorter side of the image.
    """
    tf = import_tensorflow()
    size = header[:2]
    # The product is rounded to float32 before it is truncated: this decides the odd pixel.
    fraction = tf.constant(center_fraction, tf.float32)
    side = tf.cast(fraction * tf.cast(tf.reduce_min(size), tf.float32), tf.int32)
    return tf.concat([(size - side + 1) // 2, [side, side]], axis=0)


def decode(jpeg: Any, box: Any) -> Any:
    """Returns uint8 `[height, width, 3]`: what the file shows inside the box.

    Only the box is turned into pixels. Where the file has fewer pixels of colour than of
    brightness, the first and last column of a box can differ from those of the whole image.

    Args:
      jpeg: scalar string, the bytes of the file.
      box: int32 `[4]`, top, left, height, width in pixels.
    """
    tf = import_tensorflow()
    # Fast transform, smooth chroma: TensorFlow's defaults, spelt out since pixels depend on them.
    return tf.image.decode_and_crop_jpeg(
        jpeg, box, channels=3, dct_method="INTEGER_FAST", fancy_upscaling=True
    )


def resize(image: Any, image_size: int) -> Any:
    """Returns float32 `[image_size, image_size, 3]`, bicubic, without antialiasing or clipping."""
    tf = import_tensorflow()
    return tf.image.resize(image, (image_size, image_size), method="bicubic", antialias=False)
