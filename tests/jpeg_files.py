"""JPEG files for tests, encoded by Pillow; decoders under test are TensorFlow's."""

import io

import numpy as np
from PIL import Image


def pattern(height: int, width: int) -> np.ndarray:
    """uint8 `[height, width, 3]`: the image of the benchmark's check values (ResNet, 2.8)."""
    h, w, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    wave = (90 - 20 * c) * np.sin(h / (17 + 3 * c) + 0.5 * c) * np.cos(w / (23 - 2 * c))
    values = 127.5 + wave + 10 * np.sin(0.9 * h + 1.7 * w)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def encoded(image, file_format: str = "JPEG", **options) -> bytes:
    """The bytes of a file that shows `image`, an array or a Pillow image."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
