"""RandAugment: check values of the benchmark, numpy, Pillow, TensorFlow's warping, statistics."""

import math

import numpy as np
import pytest
from jpeg_files import pattern
from PIL import Image, ImageOps
from scipy import stats

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.errors import UserError
from workloads.imagenet import randaugment
from workloads.imagenet.randaugment import Draw, RandAugment, operations

tf = import_tensorflow()

NAMES = ["AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "Color"]
NAMES += ["Contrast", "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY"]
NAMES += ["Cutout", "SolarizeAdd"]
F = np.float32


def applied(name, image, *, config=RandAugment(), positive=1, center=(0, 0)):  # noqa: B008
    operation = operations(config, *image.shape[:2])[NAMES.index(name)]
    draw = Draw(*(tf.constant(value, tf.int32) for value in (positive, *center)))
    result = operation(tf.constant(image), draw)
    assert result.dtype == tf.uint8
    return result.numpy()


def blend(degenerate, image, factor):
    """The benchmark's description of blending (ViT, 2.3), in float32."""
    values = F(degenerate) + F(factor) * (image.astype(F) - F(degenerate))
    return np.trunc(np.clip(values, 0, 255)).astype(np.uint8)


def several_images():
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (40, 33, 3), dtype=np.uint8)
    dull = rng.integers(90, 131, (33, 40, 3), dtype=np.uint8)
    flat_channel = noise.copy()
    flat_channel[..., 1] = 77
    few_values = rng.choice(np.array([3, 200, 255], np.uint8), (32, 32, 3), p=[0.05, 0.9, 0.05])
    return {
        "noise": noise,
        "dull": dull,
        "flat channel": flat_channel,
        "few values": few_values,
        "constant": np.full((32, 32, 3), 130, np.uint8),
        "large": rng.integers(0, 256, (224, 224, 3), dtype=np.uint8),
    }


IMAGES = several_images()
each_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())

# The benchmark's description of its ViT workload, 2.3: name, sign, sum of the result, its pixels at
# (0, 0), (100, 57) and (223, 200).
CHECK_VALUES = [
    ("AutoContrast", 1, 19076614, (128, 181, 218), (149, 182, 190), (87, 221, 179)),
    ("Equalize", 1, 19112348, (128, 199, 242), (168, 201, 218), (64, 239, 207)),
    ("Invert", 1, 19213372, (127, 94, 85), (110, 93, 98), (159, 69, 103)),
    ("Solarize", 1, 19213372, (127, 94, 85), (110, 93, 98), (159, 69, 103)),
    ("Rotate", 1, 19141137, (128, 128, 128), (209, 185, 163), (128, 128, 128)),
    ("Rotate", 0, 19182358, (128, 128, 128), (58, 90, 115), (128, 128, 128)),
    ("Posterize", 1, 18042496, (128, 160, 160), (144, 160, 144), (96, 176, 144)),
    ("SolarizeAdd", 1, 27480118, (128, 161, 170), (145, 162, 157), (206, 186, 152)),
    ("Color", 1, 19136492, (106, 169, 186), (135, 167, 157), (42, 213, 149)),
    ("Contrast", 1, 10859986, (66, 129, 146), (99, 131, 121), (6, 177, 112)),
    ("Brightness", 1, 33043513, (243, 255, 255), (255, 255, 255), (182, 255, 255)),
    ("Sharpness", 1, 19166800, (128, 161, 170), (140, 157, 151), (96, 186, 152)),
    ("ShearX", 1, 19193894, (128, 161, 170), (148, 147, 125), (128, 128, 128)),
    ("ShearX", 0, 19127815, (128, 161, 170), (107, 106, 114), (164, 68, 87)),
    ("ShearY", 1, 19268558, (128, 161, 170), (97, 132, 146), (128, 128, 128)),
    ("ShearY", 0, 19134456, (128, 161, 170), (207, 200, 186), (141, 81, 108)),
    ("TranslateX", 1, 19232817, (131, 133, 153), (88, 100, 134), (128, 128, 128)),
    ("TranslateX", 0, 19223198, (128, 128, 128), (128, 128, 128), (111, 125, 102)),
    ("TranslateY", 1, 19210692, (101, 87, 96), (183, 188, 145), (128, 128, 128)),
    ("TranslateY", 0, 19229327, (128, 128, 128), (132, 102, 91), (63, 93, 116)),
]


@pytest.mark.parametrize("name, positive, total, first, second, third", CHECK_VALUES)
def test_operations_give_the_check_values(name, positive, total, first, second, third):
    result = applied(name, pattern(224, 224), positive=positive)
    assert tuple(result[0, 0]) == first
    assert tuple(result[100, 57]) == second
    assert tuple(result[223, 200]) == third
    # The sum of a sharpened image depends on the order of additions in the convolution.
    tolerance = 800 if name == "Sharpness" else 0
    assert abs(int(result.sum(dtype=np.int64)) - total) <= tolerance


@each_image
def test_auto_contrast_stretches_each_channel(image):
    expected = image.copy()
    for c in range(3):
        channel = image[..., c]
        low, high = channel.min(), channel.max()
        if high > low:
            scale = F(255) / (F(high) - F(low))
            values = channel.astype(F) * scale + (-F(low) * scale)
            expected[..., c] = np.trunc(np.clip(values, 0, 255))
    np.testing.assert_array_equal(applied("AutoContrast", image), expected)


@each_image
def test_equalize_posterize_and_invert_are_those_of_pillow(image):
    pillow = Image.fromarray(image)
    np.testing.assert_array_equal(applied("Equalize", image), ImageOps.equalize(pillow))
    np.testing.assert_array_equal(applied("Posterize", image), ImageOps.posterize(pillow, 4))
    np.testing.assert_array_equal(applied("Invert", image), ImageOps.invert(pillow))


@each_image
def test_solarize_inverts_all_at_full_magnitude_and_bright_values_below(image):
    np.testing.assert_array_equal(applied("Solarize", image), 255 - image)
    half = ImageOps.solarize(Image.fromarray(image), threshold=128)
    np.testing.assert_array_equal(applied("Solarize", image, config=RandAugment(magnitude=5)), half)


@each_image
@pytest.mark.parametrize("magnitude, addition", [(10, 110), (7.3, 80)])
def test_solarize_add_brightens_dark_values(image, magnitude, addition):
    expected = np.where(image < 128, np.minimum(image.astype(int) + addition, 255), image)
    config = RandAugment(magnitude=magnitude)
    np.testing.assert_array_equal(applied("SolarizeAdd", image, config=config), expected)


@each_image
@pytest.mark.parametrize("magnitude, factor", [(10, 1.9), (5, 1.0), (0, 0.1)])
def test_blends_follow_their_description(image, magnitude, factor):
    config = RandAugment(magnitude=magnitude)
    np.testing.assert_array_equal(
        applied("Brightness", image, config=config), blend(0, image, factor)
    )
    mean_count = image.shape[0] * image.shape[1] // 256
    assert mean_count == {224: 196, 32: 4}.get(image.shape[0], 5)
    np.testing.assert_array_equal(
        applied("Contrast", image, config=config), blend(mean_count, image, factor)
    )
    # 255.5 / 255 of the weighted sum, truncated, in integers.
    weighted = image.astype(np.int64) @ np.array([2989, 5870, 1140])
    grey = (511 * weighted // 5_100_000)[..., None]
    # In float32 one colour in 70,000 falls on the other side of an integer.
    differs = applied("Color", image, config=config) != blend(grey, image, factor)
    assert differs.mean() < 1e-3


@each_image
def test_sharpness_blends_with_the_smoothed_interior(image):
    wide = image.astype(np.int64)
    height, width, _ = image.shape
    total = 4 * wide[1:-1, 1:-1]
    for i in range(3):
        for j in range(3):
            total = total + wide[i : height - 2 + i, j : width - 2 + j]
    smooth = image.copy()
    smooth[1:-1, 1:-1] = total // 13
    exact = blend(smooth, image, 1.9).astype(int)
    result = applied("Sharpness", image).astype(int)
    np.testing.assert_array_equal(result[[0, -1]], image[[0, -1]])
    np.testing.assert_array_equal(result[:, [0, -1]], image[:, [0, -1]])
    # Sums that thirteen divides may come out just below an integer in float32, and are truncated.
    assert np.abs(result - exact).max() <= 1
    divisible = np.zeros(image.shape, bool)
    divisible[1:-1, 1:-1] = total % 13 == 0
    assert (result == exact)[~divisible].all()


def warped(image, coefficients):
    """TensorFlow's warping of an image with a fourth channel of ones that marks the inside."""
    marked = np.concatenate([image, np.ones_like(image[..., :1])], axis=2)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=marked[None],
        transforms=np.array([[*coefficients, 0, 0]], F),
        output_shape=image.shape[:2],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0].numpy()
    return np.where(moved[..., 3:] == 0, 128, moved[..., :3])


@each_image
@pytest.mark.parametrize("magnitude", [10, 7.3])
@pytest.mark.parametrize("positive", [0, 1])
def test_geometry_is_that_of_tensorflows_warping(image, positive, magnitude):
    config = RandAugment(magnitude=magnitude, translate_pixels=10, cutout_half_size=4)
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    sign = (2 * positive - 1) * magnitude / 10
    t, v, p = sign * math.radians(30), sign * 0.3, sign * 10
    cos, sin = math.cos(t), math.sin(t)
    x_offset = (right - (cos * right - sin * bottom)) / 2
    y_offset = (bottom - (sin * right + cos * bottom)) / 2
    expected = {
        "Rotate": (cos, -sin, x_offset, sin, cos, y_offset),
        "ShearX": (1, v, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, v, 1, 0),
        "TranslateX": (1, 0, p, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, p),
    }
    for name, coefficients in expected.items():
        result = applied(name, image, config=config, positive=positive)
        differs = (result != warped(image, coefficients)).any(axis=-1)
        # Offsets in float64 here: pixels exactly between two others may fall to either.
        assert differs.sum() <= (2 if name == "Rotate" else 0), name


def test_positive_translation_moves_content_left_and_up():
    image = np.zeros((12, 12, 3), np.uint8)
    image[6, 8] = 255
    config = RandAugment(translate_pixels=3)
    assert applied("TranslateX", image, config=config)[6, 5, 0] == 255
    assert applied("TranslateY", image, config=config)[3, 8, 0] == 255


@pytest.mark.parametrize("center", [(0, 0), (112, 50), (223, 223), (183, 184)])
def test_cutout_paints_a_square_of_eighty_pixels(center):
    image = IMAGES["large"]
    y, x = center
    expected = image.copy()
    expected[max(y - 40, 0) : y + 40, max(x - 40, 0) : x + 40] = 128
    np.testing.assert_array_equal(applied("Cutout", image, center=center), expected)


def test_cutout_follows_its_half_size_and_the_magnitude():
    image = np.zeros((32, 32, 3), np.uint8)
    config = RandAugment(magnitude=8, cutout_half_size=40 / 7)
    painted = applied("Cutout", image, config=config, center=(16, 16))[..., 0] == 128
    assert painted.sum() == 8 * 8 and painted[12, 12] and painted[19, 19]


def drawn(monkeypatch, shape, config, number, stamp):
    """`[number, *shape]`: images where operation `k` was replaced by `stamp(image, draw, k)`."""

    def stamps(*_):
        return [lambda image, draw, k=k: stamp(image, draw, k) for k in range(16)]

    monkeypatch.setattr(randaugment, "operations", stamps)
    seeds = tf.data.Dataset.range(number).map(
        lambda i: randaugment.randaugment(tf.zeros(shape, tf.uint8), tf.stack([i, 5]), config)
    )
    return next(iter(seeds.batch(number))).numpy()


def uniform(values, cells):
    return stats.chisquare(np.bincount(values, minlength=cells)).pvalue > 1e-3


def test_every_pair_of_operations_is_equally_frequent(monkeypatch):
    def two_digits(image, draw, k):
        return image * 16 + np.uint8(k)

    pairs = drawn(monkeypatch, (1, 1, 3), RandAugment(), 8000, two_digits)[:, 0, 0, 0]
    assert len(np.unique(pairs)) == 256
    assert uniform(pairs, 256)


def test_operation_sign_and_centre_are_uniform_and_independent(monkeypatch):
    def record(image, draw, k):
        values = [k, draw.positive, draw.center_y, draw.center_x, 0, 0]
        return tf.reshape(tf.cast(tf.stack(values * 2), tf.uint8), (4, 1, 3))

    # The image is as high as 4 and as wide as 1 pixel: rows of centres are 0..3, columns 0.
    values = drawn(monkeypatch, (4, 1, 3), RandAugment(layers=1), 4000, record)
    index, positive, y, x = values.reshape(4000, 12)[:, :4].T
    assert (x == 0).all()
    assert uniform(index, 16) and uniform(positive, 2) and uniform(y, 4)
    assert uniform(index * 8 + positive * 4 + y, 128)


def test_layers_follow_each_other(monkeypatch):
    def count(image, draw, k):
        return image + np.uint8(1)

    for layers in (0, 1, 3):
        result = drawn(monkeypatch, (2, 2, 3), RandAugment(layers=layers), 2, count)
        assert (result == layers).all()


def test_augmented_images_are_those_of_the_drawn_operations():
    image = IMAGES["noise"]
    config = RandAugment(layers=1, translate_pixels=7, cutout_half_size=5)
    seeds = tf.data.Dataset.range(150).map(
        lambda i: randaugment.randaugment(tf.constant(image), tf.stack([i, 8]), config)
    )
    possible = {
        applied(name, image, config=config, positive=positive).tobytes(): name
        for name in NAMES
        for positive in (0, 1)
        if name != "Cutout"
    }
    found = [possible.get(result.tobytes()) for result in seeds.as_numpy_iterator()]
    assert set(NAMES) - {"Cutout", "Invert", "Solarize"} <= set(found)
    # Only cutouts are not known beforehand.
    assert 0 < found.count(None) < 30


@pytest.mark.parametrize(
    "arguments",
    [{"layers": -1}, {"magnitude": 11}, {"translate_pixels": -1}, {"cutout_half_size": -2}],
    ids=str,
)
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(UserError):
        RandAugment(**arguments)
