"""One file to one image, against the benchmark's check values, formulas and other decoders."""

import io

import numpy as np
import pytest
from jpeg_files import encoded, pattern
from PIL import Image

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.errors import UserError
from workloads.imagenet import images
from workloads.imagenet.images import Preprocessing
from workloads.imagenet.randaugment import RandAugment

tf = import_tensorflow()

BYTES = tf.TensorSpec([], tf.string)
SEED = tf.TensorSpec([2], tf.int64)
SMALL = Preprocessing(image_size=32)

train_image = tf.function(
    lambda jpeg, seed: images.train_image(jpeg, seed, SMALL), input_signature=[BYTES, SEED]
)
eval_image = tf.function(
    lambda jpeg: images.eval_image(jpeg, SMALL), input_signature=[BYTES], reduce_retracing=True
)


def bicubic_weights(n_in, n_out):
    """`[n_out, n_in]` in float64, by the benchmark's description (ResNet, 2.8)."""
    a = -0.5
    near = lambda z: ((a + 2) * z - (a + 3)) * z * z + 1  # noqa: E731
    far = lambda z: (((z + 1) * a - 5 * a) * (z + 1) + 8 * a) * (z + 1) - 4 * a  # noqa: E731
    weights = np.zeros((n_out, n_in))
    scale = np.float32(n_in) / np.float32(n_out)
    for o in range(n_out):
        t = (np.float32(o) + np.float32(0.5)) * scale - np.float32(0.5)
        i = int(np.floor(t))
        z = np.rint((t - np.floor(t)) * np.float32(1024)) / 1024
        for k, value in enumerate([far(z), near(z), near(1 - z), far(1 - z)]):
            if 0 <= i - 1 + k < n_in:
                weights[o, i - 1 + k] = value
    return weights / weights.sum(axis=1, keepdims=True)


# The numbers of the next two tests: the benchmark's description of ResNet, 2.6 and 2.8.
@pytest.mark.parametrize(
    "height, width, box",
    [(375, 500, (24, 86, 328, 328)), (500, 333, (105, 21, 291, 291)), (100, 401, (7, 157, 87, 87))],
)
def test_center_box_is_that_of_the_benchmark(height, width, box):
    assert tuple(images.center_box(tf.constant([height, width, 3]), 0.875).numpy()) == box


@pytest.mark.parametrize(
    "size, pixel, first, chosen, mean, normalised",
    [
        (
            (375, 500),
            (111, 57),
            (45.916428, 80.04485, 111.76973),
            (78.4964, 125.926704, 106.24835),
            127.40763,
            (-0.77367246, 0.1688849, 0.04737871),
        ),
        (
            (500, 333),
            (111, 57),
            (113.36955, 99.36955, 104.28005),
            (88.0395, 125.10133, 120.214355),
            127.51250,
            (-0.6102493, 0.15443514, 0.29079488),
        ),
        (
            (150, 97),
            (100, 57),
            (126.21564, 159.24432, 168.47679),
            (103.33507, 116.76435, 124.71249),
            125.50979,
            None,
        ),
    ],
)
def test_resized_pixels_are_those_of_the_benchmark(size, pixel, first, chosen, mean, normalised):
    image = pattern(*size)
    if normalised is not None:
        top, left, side, _ = images.center_box(tf.constant(image.shape), 0.875).numpy()
        image = image[top : top + side, left : left + side]
    resized = images.resize(image, 224).numpy()
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized[0, 0], first, rtol=1e-6)
    np.testing.assert_allclose(resized[pixel], chosen, rtol=1e-6)
    assert resized.mean(dtype=np.float64) == pytest.approx(mean, abs=6e-6)
    if normalised is None:
        assert resized.min() == pytest.approx(26.9977, abs=6e-5)
        assert resized.max() == pytest.approx(228.5093, abs=6e-5)
    else:
        mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        normal = (resized[pixel] - np.float32(mean)) / np.float32(std)
        np.testing.assert_allclose(normal, normalised, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 9), (32, 32), (57, 131)])
def test_resizing_is_the_tabulated_cubic_without_antialiasing(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    rows, columns = bicubic_weights(size[0], 32), bicubic_weights(size[1], 32)
    expected = np.einsum("yh,xw,hwc->yxc", rows, columns, image.astype(np.float64))
    np.testing.assert_allclose(images.resize(image, 32), expected, atol=2e-3)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_evaluation_shows_the_decoded_centre_where_nothing_needs_resizing(subsampling):
    # 224 is 0.875 x 256. TensorFlow's own defaults are what the benchmark's pipeline decodes with.
    jpeg = encoded(pattern(256, 300), quality=80, subsampling=subsampling)
    result = images.eval_image(tf.constant(jpeg)).numpy()
    whole = tf.io.decode_jpeg(jpeg).numpy()[16:240, 38:262]
    # Colour next to the cut is smoothed otherwise than inside the whole image.
    np.testing.assert_array_equal(result[:, 1:-1], whole[:, 1:-1])
    # Pillow has the accurate transform; the benchmark's description allows five levels between.
    pillow = np.asarray(Image.open(io.BytesIO(jpeg)))[16:240, 38:262]
    difference = np.abs(result - pillow)[:, 1:-1]
    assert 0 < difference.max() <= 5
    assert difference.mean() < 1.5


def test_fast_transform_is_used():
    jpeg = encoded(pattern(256, 256), quality=80, subsampling=0)
    accurate = tf.io.decode_jpeg(jpeg, dct_method="INTEGER_ACCURATE").numpy()[16:240, 16:240]
    assert (images.eval_image(tf.constant(jpeg)).numpy() != accurate).any()


def test_evaluation_is_crop_then_one_resize():
    jpeg = encoded(pattern(120, 90), quality=95, subsampling=0)
    top, left, side = (120 - 78 + 1) // 2, (90 - 78 + 1) // 2, 78
    pixels = tf.io.decode_jpeg(jpeg).numpy()[top : top + side, left : left + side]
    weights = bicubic_weights(side, 32)
    expected = np.einsum("yh,xw,hwc->yxc", weights, weights, pixels.astype(np.float64))
    np.testing.assert_allclose(eval_image(jpeg), expected, atol=2e-3)


def test_grey_files_have_three_equal_channels_in_evaluation():
    jpeg = encoded(pattern(60, 50)[..., 0], quality=95)
    result = eval_image(jpeg).numpy()
    assert result.shape == (32, 32, 3)
    np.testing.assert_array_equal(result[..., 0], result[..., 1])
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def test_four_channel_files_become_rgb():
    # Pillow writes the complement of RGB without black; both decoders should lead back.
    image = Image.fromarray(pattern(60, 60))
    four = eval_image(encoded(image.convert("CMYK"), quality=100, subsampling=0)).numpy()
    three = eval_image(encoded(image, quality=100, subsampling=0)).numpy()
    assert np.abs(four - three).mean() < 1.5
    assert train_image(encoded(image.convert("CMYK")), [1, 2]).shape == (32, 32, 3)


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP"])
def test_other_formats_raise_whatever_their_name(file_format):
    file = encoded(pattern(20, 20), file_format)
    for result in (eval_image, lambda jpeg: train_image(jpeg, [0, 1])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
            result(file)


@pytest.mark.parametrize(
    "options",
    [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"restart_marker_rows": 1}],
    ids=str,
)
def test_a_file_that_ends_early_raises_or_lacks_nothing_of_the_box(options):
    jpeg = encoded(pattern(120, 90), quality=90, **options)
    results = [eval_image, *(lambda j, s=s: train_image(j, [3, s]) for s in range(3))]
    for result in results:
        complete = result(jpeg).numpy()
        raised = 0
        for end in range(0, len(jpeg), 151):
            try:
                image = result(jpeg[:end]).numpy()
            except tf.errors.InvalidArgumentError:
                raised += 1
            else:
                np.testing.assert_array_equal(image, complete)
        assert raised > len(range(0, len(jpeg), 151)) / 2


def test_bytes_behind_the_end_of_a_file_do_not_matter():
    jpeg = encoded(pattern(40, 40))
    np.testing.assert_array_equal(eval_image(jpeg + b"more"), eval_image(jpeg))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_no_centre_box_fits_into_a_single_row_or_column(size):
    with pytest.raises(tf.errors.InvalidArgumentError, match="crop window"):
        eval_image(encoded(pattern(*size)))


def test_a_single_pixel_is_no_training_image_unless_it_is_grey():
    with pytest.raises(tf.errors.InvalidArgumentError, match="crop window"):
        train_image(encoded(pattern(1, 1)), [0, 0])
    grey = np.full((1, 1), 77, np.uint8)
    np.testing.assert_allclose(train_image(encoded(grey), [0, 0]), 77, atol=1.001)


@pytest.mark.parametrize("image", [pattern(2, 2), pattern(1, 9), pattern(300, 3)])
def test_narrow_images_are_training_images(image):
    assert train_image(encoded(image), [0, 3]).shape == (32, 32, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": 0},
        {"crop_area": (0.0, 1.0)},
        {"crop_area": (0.5, 0.4)},
        {"crop_area": (0.5, 1.1)},
        {"center_fraction": 0.0},
        {"center_fraction": 1.5},
    ],
    ids=str,
)
def test_impossible_preprocessing_is_refused(arguments):
    with pytest.raises(UserError, match=next(iter(arguments))):
        Preprocessing(**arguments)


def test_augmented_images_are_truncated_to_integers_first():
    jpeg = encoded(pattern(90, 120), quality=95)
    only_integers = Preprocessing(image_size=32, randaugment=RandAugment(layers=0))
    for seed in range(10):
        integers = images.train_image(tf.constant(jpeg), [seed, 5], only_integers).numpy()
        real = train_image(jpeg, [seed, 5]).numpy()
        assert integers.dtype == np.uint8
        np.testing.assert_array_equal(integers, np.trunc(np.clip(real, 0, 255)))
