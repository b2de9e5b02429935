"""Builds the embedded image sample: Fashion-MNIST photographs as small JPEG files.

    python -m workloads.imagenet.sample.build [--photographs DIR] [--output DIR]

Needs Pillow (the version named in README.md gives the same bytes) and the files of the Debian
package `dataset-fashion-mnist`. Users never run this.
"""

import argparse
import gzip
import hashlib
import io
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from workloads.imagenet.sample import ARCHIVE, CLASSES, END_OF_IMAGE, IMAGES_PER_CLASS, SIDE

PHOTOGRAPHS = Path("/usr/share/datasets/fashion-mnist")

# File, and what is drawn from it. Test and validation choose first: their images are the ones that
# others must keep away from.
SOURCES = (("t10k", ("test",)), ("train", ("validation", "train")))

SMALLEST_DISTANCE = 20.0
"""Root mean square difference, in grey levels, that any two images of the sample exceed."""

QUALITY = 80
_BLOCK = 16  # side of a JPEG coding unit with colour at half resolution
_PADDED = 2 * _BLOCK
_UNITS_PER_IMAGE = (_PADDED // _BLOCK) ** 2
_IMAGES_PER_ROW = 1000  # a JPEG image is at most 65,535 wide

_SIZE_SEGMENT, _RESTART_SEGMENT, _SCAN_SEGMENT = 0xC0, 0xDD, 0xDA


def read_photographs(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns grey images, uint8 `[n, 28, 28]`, and Fashion-MNIST's class numbers, `[n]`."""
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, SIDE, SIDE)
    return pixels, np.frombuffer(labels, np.uint8, offset=8)


def candidates(name: str, numbers: np.ndarray) -> list[int]:
    """Returns image numbers in an order as good as random: by the MD5 hash of file and number."""
    return sorted(
        numbers.tolist(), key=lambda number: hashlib.md5(f"{name}{number}".encode()).digest()
    )


class Chosen:
    """The images chosen so far, of all splits."""

    def __init__(self, capacity: int):
        self._pixels = np.zeros((capacity, SIDE * SIDE))
        self._squares = np.zeros(capacity)
        self._count = 0

    def add_if_different(self, image: np.ndarray) -> bool:
        """Adds an image unless it is too close to one that is there; whether it did.

        Squared distances are sums of whole numbers, exact in float64, so the outcome does not
        depend on the order of additions.
        """
        pixels = image.ravel().astype(np.float64)
        square = pixels @ pixels
        chosen = slice(0, self._count)
        distances = self._squares[chosen] + square - 2 * (self._pixels[chosen] @ pixels)
        if self._count and distances.min() <= pixels.size * SMALLEST_DISTANCE**2:
            return False
        self._pixels[self._count], self._squares[self._count] = pixels, square
        self._count += 1
        return True


def choose(folder: Path) -> dict[str, np.ndarray]:
    """Returns the images of each split, uint8 `[n, 28, 28]`, those of one label together."""
    chosen = Chosen(len(CLASSES) * sum(IMAGES_PER_CLASS.values()))
    splits = {}
    for name, wanted in SOURCES:
        images, classes = read_photographs(folder, name)
        pools = [iter(candidates(name, np.flatnonzero(classes == c.fashion))) for c in CLASSES]
        for split in wanted:
            rows = []
            for pool in pools:
                different = (i for i in pool if chosen.add_if_different(images[i]))
                rows += [next(different) for _ in range(IMAGES_PER_CLASS[split])]
            splits[split] = images[rows]
    return splits


def encode(images: np.ndarray) -> bytes:
    """Returns the images as JPEG files without what they have in common, and that before them.

    All images are encoded as one large image with a restart marker after each, which makes their
    codes independent of each other and gives all of them the same, optimal Huffman tables. The
    result is the header of a JPEG file of one image, then the codes of each; an end-of-image marker
    follows each part.
    """
    stream = io.BytesIO()
    Image.fromarray(_mosaic(images)).convert("RGB").save(
        stream,
        "JPEG",
        quality=QUALITY,
        subsampling="4:2:0",
        optimize=True,
        restart_marker_blocks=_UNITS_PER_IMAGE,
    )
    content = stream.getvalue()
    header, length = bytearray(content[:2]), 2
    for marker, segment in _segments(content):
        length += len(segment)
        if marker == _SIZE_SEGMENT:
            sides = SIDE.to_bytes(2, "big") * 2
            segment = segment[:5] + sides + segment[9:]
        if marker != _RESTART_SEGMENT:
            header += segment
    if END_OF_IMAGE in header or not content.endswith(END_OF_IMAGE):
        raise ValueError("the header holds bytes that look like an end-of-image marker")
    codes = _at_restart_markers(content[length : -len(END_OF_IMAGE)])
    used = codes[: len(images)]  # the last row is filled up
    return b"".join(part + END_OF_IMAGE for part in (bytes(header), *used))


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Places the four coding units of each image, and then the images, one after the other."""
    filled = np.pad(images, ((0, -len(images) % _IMAGES_PER_ROW), (0, 0), (0, 0)))
    margin = (0, _PADDED - SIDE)
    padded = np.pad(filled, ((0, 0), margin, margin), mode="edge")
    halves = padded.reshape(-1, _IMAGES_PER_ROW, 2, _BLOCK, _PADDED)
    rows = halves.transpose(0, 3, 1, 2, 4)  # [row, y, image, half, x]
    return rows.reshape(-1, _IMAGES_PER_ROW * 2 * _PADDED)


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and bytes of each segment of a JPEG header, up to the one before the codes."""
    at, marker = 2, 0
    while marker != _SCAN_SEGMENT:
        marker = content[at + 1]
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, content[at:end]
        at = end


def _at_restart_markers(codes: bytes) -> list[bytes]:
    """Splits at the markers FFD0 to FFD7; in codes, FF is always followed by 00."""
    for digit in range(8):
        codes = codes.replace(bytes((0xFF, 0xD0 + digit)), b"\xff\xd0")
    return codes.split(b"\xff\xd0")


def build(photographs: Path, output: Path) -> None:
    """Writes the archive to `output`."""
    splits = choose(photographs)
    content = encode(np.concatenate([splits[split] for split in IMAGES_PER_CLASS]))
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    (output / ARCHIVE).write_bytes(packed)
    print({split: len(images) for split, images in splits.items()})
    print(f"{len(packed):,} bytes, SHA-256 {hashlib.sha256(packed).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the embedded image sample.")
    parser.add_argument("--photographs", type=Path, default=PHOTOGRAPHS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    flags = parser.parse_args()
    build(flags.photographs, flags.output)


if __name__ == "__main__":
    main()
