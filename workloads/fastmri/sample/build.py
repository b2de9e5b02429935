"""Builds the embedded sample: axial slices of a head.

    python -m workloads.fastmri.sample.build ch2.nii.gz [--output DIR]

Needs the volume that README.md names. Users never run this.
"""

import argparse
import gzip
import hashlib
import lzma
import struct
from pathlib import Path

import numpy as np

from workloads.fastmri import sample


def read_head(path: Path) -> np.ndarray:
    """Returns the head, uint8 `[181, 217, 181]`: from below, from behind, and from the left.

    Raises:
      ValueError: the file is another one, or in another form.
    """
    content = gzip.decompress(path.read_bytes())
    dimensions = struct.unpack("<8h", content[40:56])
    code, bits = struct.unpack("<2h", content[70:74])
    if dimensions[:4] != (3, 181, 217, 181) or (code, bits) != (2, 8):
        raise ValueError(
            f"{path}: expected bytes [181, 217, 181], found {dimensions} of {bits} bits"
        )
    (offset,) = struct.unpack("<f", content[108:112])
    return np.frombuffer(content, np.uint8, offset=int(offset)).reshape(181, 217, 181)


def slices_of(head: np.ndarray) -> np.ndarray:
    """Returns the slices of all slabs, two by two pixels averaged; uint8 `[slices, *SHAPE]`."""
    rows, columns = sample.SHAPE
    pixels = head[:, ::-1][:, : 2 * rows, : 2 * columns]  # the face is above
    means = pixels.reshape(len(head), rows, 2, columns, 2).mean(axis=(2, 4))
    heights = [z for slab in sample.SLABS for z in slab.slices]
    return np.round(means[heights]).astype(np.uint8)


def main() -> None:
    """Writes the sample's file and says what is in it."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("head", type=Path)
    p.add_argument("--output", type=Path, default=Path(sample.__file__).parent)
    flags = p.parse_args()
    slices = slices_of(read_head(flags.head))
    content = lzma.compress(slices.tobytes(), preset=9 | lzma.PRESET_EXTREME)
    (flags.output / sample.SLICES).write_bytes(content)
    print(f"{sample.SLICES}: {len(content):,} bytes, {hashlib.sha256(content).hexdigest()}")
    print(f"{len(slices)} slices in {len(sample.SLABS)} slabs")


if __name__ == "__main__":
    main()
