"""What is random about a training image: its box and its flip."""

import numpy as np
import pytest
from jpeg_files import encoded, pattern
from scipy import stats

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from workloads.imagenet import images
from workloads.imagenet.images import Preprocessing
from workloads.imagenet.randaugment import RandAugment

tf = import_tensorflow()


def boxes(header, number, **preprocessing):
    arguments = Preprocessing(**preprocessing)
    result = tf.data.Dataset.range(number).map(
        lambda i: images.random_box(tf.constant(header), tf.stack([i, 17 * i + 1]), arguments)
    )
    return next(iter(result.batch(number))).numpy()


def simulated_box(rng, height, width, area=(0.08, 1.0)):
    """The sampler by the benchmark's description (ResNet, 2.5) in float64; None: no success."""
    smallest, largest = area[0] * height * width, area[1] * height * width
    for _ in range(10):
        a = rng.uniform(0.75, 4 / 3)
        h0, h1 = round(np.sqrt(smallest / a)), round(np.sqrt(largest / a))
        if round(h1 * a) > width:
            h1 = int((width + 0.5 - 1e-7) / a)
        h1 = min(h1, height)
        h0 = min(h0, h1)
        h = rng.integers(h0, h1 + 1)
        w = round(h * a)
        if w * h < smallest:
            h += 1
            w = round(h * a)
        if w * h > largest:
            h -= 1
            w = round(h * a)
        if not smallest <= w * h <= largest or w > width or h > height or w < 1 or h < 1:
            continue
        y = 0 if h == height else rng.integers(0, height - h)
        x = 0 if w == width else rng.integers(0, width - w)
        if w * h >= 0.1 * height * width:
            return y, x, h, w
    return None


@pytest.mark.parametrize(
    "height, width, area",
    [
        (375, 500, (0.08, 1.0)),
        (60, 28, (0.08, 1.0)),
        (28, 28, (0.6, 1.0)),
        (30, 370, (0.08, 1.0)),  # so long that often all ten attempts fail
    ],
)
def test_boxes_follow_the_law_of_the_described_sampler(height, width, area):
    number = 3000
    drawn = boxes([height, width, 1], number, crop_area=area)
    rng = np.random.default_rng(7)
    simulated = [
        simulated_box(rng, height, width, area) or (0, 0, height, width) for _ in range(number)
    ]
    simulated = np.array(simulated)
    for ours, theirs in zip(drawn.T, simulated.T, strict=True):
        # A wrong rule (area instead of height uniform) gives a p-value below 1e-20.
        assert stats.ks_2samp(ours, theirs, method="asymp").pvalue > 1e-3
    aspect = lambda b: b[:, 3] / b[:, 2]  # noqa: E731
    assert stats.ks_2samp(aspect(drawn), aspect(simulated), method="asymp").pvalue > 1e-3


def test_boxes_keep_their_bounds():
    height, width = 37, 50
    y, x, h, w = boxes([height, width, 1], 4000).T
    assert (h * w >= 0.1 * height * width).all()
    assert (w >= np.floor(0.75 * h - 0.5)).all() and (w <= np.ceil(4 / 3 * h + 0.5)).all()
    # The last offset is never drawn, the one before it is.
    assert (y[h < height] <= height - h[h < height] - 1).all()
    assert (x[w < width] <= width - w[w < width] - 1).all()
    assert (y[h < height] == height - h[h < height] - 1).any()
    assert (y[h == height] == 0).all() and (x[w == width] == 0).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_no_success_gives_the_centre_to_rgb_and_the_whole_to_others(channels):
    # No box of allowed aspect covers a tenth of a strip twenty times as long as high.
    header = [20, 400, channels]
    expected = (2, 192, 17, 17) if channels == 3 else (0, 0, 20, 400)
    np.testing.assert_array_equal(boxes(header, 30), np.tile(expected, (30, 1)))


def test_a_box_that_happens_to_be_the_whole_image_gives_the_centre():
    grey = boxes([12, 12, 1], 300, crop_area=(1.0, 1.0))
    rgb = boxes([12, 12, 3], 300, crop_area=(1.0, 1.0))
    assert (grey == (0, 0, 12, 12)).all()
    assert (rgb == (1, 1, 10, 10)).all()


def slopes(image):
    """Mean change per output pixel of red along x and of green along y, borders left out."""
    inner = image[4:-4, 4:-4]
    return np.diff(inner[..., 0], axis=1).mean(), np.diff(inner[..., 1], axis=0).mean()


@pytest.fixture(scope="module")
def ramps():
    """Training images, at 16 pixels, of a file whose red tells the column, green the row."""
    y, x = np.meshgrid(np.arange(100), np.arange(120), indexing="ij")
    file = encoded(np.stack([2 * x, 2 * y, 0 * x + 90], -1).astype(np.uint8), quality=98)
    small = Preprocessing(image_size=16)
    drawn = tf.data.Dataset.range(1500).map(
        lambda i: images.train_image(tf.constant(file), tf.stack([i, 3]), small)
    )
    return next(iter(drawn.batch(1500))).numpy()


def test_training_images_show_their_box(ramps):
    along_x, along_y = np.array([slopes(image) for image in ramps]).T
    width, height = np.abs(along_x) * 16 / 2, along_y * 16 / 2
    assert (along_y > 0).all()
    assert (width * height > 0.1 * 100 * 120 * 0.93).all()
    assert width.max() < 120 * 1.03 and height.max() < 100 * 1.03
    assert 0.7 < np.min(width / height) < 0.8 and 1.25 < np.max(width / height) < 1.4
    middle = ramps[:, 7:9, 7:9].mean(axis=(1, 2)) / 2
    # Boxes lie inside the image, and reach near all of its borders.
    assert (middle[:, 0] - width / 2 > -3).all() and (middle[:, 0] + width / 2 < 123).all()
    assert (middle[:, 1] - height / 2 > -3).all() and (middle[:, 1] + height / 2 < 103).all()
    assert np.ptp(middle[:, 0]) > 60 and np.ptp(middle[:, 1]) > 50


def test_half_of_the_images_are_flipped_independently_of_their_boxes(ramps):
    flipped = np.array([slopes(image)[0] < 0 for image in ramps])
    assert stats.binomtest(int(flipped.sum()), len(flipped)).pvalue > 1e-3
    heights = np.array([slopes(image)[1] for image in ramps])
    middle = ramps[:, 7:9, 7:9].mean(axis=(1, 2))
    for other in (heights, middle[:, 0], middle[:, 1]):
        assert stats.ks_2samp(other[flipped], other[~flipped], method="asymp").pvalue > 1e-3


def test_flipping_mirrors_the_unflipped_image():
    file = tf.constant(encoded(pattern(64, 64), quality=95, subsampling=0))
    # A box that is always the centre: training images are evaluation images but for the flip.
    whole = Preprocessing(image_size=32, crop_area=(1.0, 1.0))
    upright = images.eval_image(file, whole).numpy()
    seen = set()
    for seed in range(12):
        image = images.train_image(file, [seed, 0], whole).numpy()
        flipped = np.array_equal(image, upright[:, ::-1])
        assert flipped or np.array_equal(image, upright)
        seen.add(flipped)
    assert seen == {True, False}


@pytest.mark.parametrize(
    "augmentation", [None, RandAugment(translate_pixels=14, cutout_half_size=6)]
)
def test_the_seed_alone_decides(augmentation):
    file = tf.constant(encoded(pattern(64, 64)))
    preprocessing = Preprocessing(image_size=32, randaugment=augmentation)
    seeds = np.array([[5, 6], [7, 8], [6, 5], [0, 5]])
    seeds = np.concatenate([seeds, seeds[::-1]])
    drawn = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: images.train_image(file, seed, preprocessing), num_parallel_calls=2
    )
    result = next(iter(drawn.batch(8))).numpy()
    np.testing.assert_array_equal(result[:4], result[:3:-1])
    assert all((result[i] != result[j]).any() for i in range(4) for j in range(i))


def test_seeds_of_32_and_of_64_bits_are_the_same_seeds():
    file = tf.constant(encoded(pattern(64, 64)))
    short, long = (
        images.train_image(file, tf.constant([3, 4], dtype), Preprocessing(image_size=32))
        for dtype in (tf.int32, tf.int64)
    )
    np.testing.assert_array_equal(short, long)
