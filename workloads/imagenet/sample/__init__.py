"""The embedded sample of the ImageNet workloads; `README.md` says what it is."""

import dataclasses
import lzma
from pathlib import Path
from typing import Any, NamedTuple

from algoperf_jax.data.sample import expanded_sample

ARCHIVE = "images.xz"
SIDE = 28
"""Height and width of the images."""

END_OF_IMAGE = b"\xff\xd9"


class Class(NamedTuple):
    """One of the ten classes.

    Attributes:
      synset: the WordNet id of one of ImageNet's classes.
      fashion: Fashion-MNIST's number for these photographs.
    """

    synset: str
    fashion: int


# In the order of the synsets, as ImageNet's labels are: the label is the position.
CLASSES = (
    Class("n02963159", 6),  # shirt as cardigan
    Class("n03124170", 9),  # ankle boot as cowboy boot
    Class("n03450230", 3),  # dress as gown
    Class("n03594734", 1),  # trouser as jean
    Class("n03595614", 0),  # T-shirt or top as jersey
    Class("n04026417", 8),  # bag as purse
    Class("n04120489", 7),  # sneaker as running shoe
    Class("n04133789", 5),  # sandal as sandal
    Class("n04370456", 2),  # pullover as sweatshirt
    Class("n04479046", 4),  # coat as trench coat
)

# In the order in which the archive holds the splits.
IMAGES_PER_CLASS = {"train": 400, "validation": 100, "test": 100}

SHARDS = {"train": 8, "validation": 2, "test": 2}
"""Number of files of each split."""

_VERSION = "1"  # of what `_expand` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample as ImageNet and ImageNet-v2, making it at first use.

    It holds `imagenet2012/5.1.0` (train, validation) and `imagenet_v2/matched-frequency/3.0.0`
    (test).
    """
    return expanded_sample(
        Path(__file__).parent,
        (ARCHIVE,),
        _expand,
        name="imagenet_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def read_images(archive: Path) -> dict[str, list[bytes]]:
    """Returns the JPEG files of each split, those of one label together, labels ascending."""
    header, *codes = lzma.decompress(archive.read_bytes()).split(END_OF_IMAGE)[:-1]
    files = [header + code + END_OF_IMAGE for code in codes]
    splits = {}
    for split, per_class in IMAGES_PER_CLASS.items():
        count = per_class * len(CLASSES)
        splits[split], files = files[:count], files[count:]
    return splits


def _expand(source_dir: Path, destination: Path) -> None:
    # Their libraries are needed at first use only.
    from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
    from workloads.imagenet.files import IMAGENET, IMAGENET_V2, INFO, features

    images = read_images(source_dir / ARCHIVE)
    encoder = features([c.synset for c in CLASSES])

    def split(name: str) -> NewSplit:
        files = [_file(name, i) for i in range(len(images[name]))]

        def example(i: int) -> dict[str, Any]:
            label = i // IMAGES_PER_CLASS[name]
            return {"image": images[name][i], "label": label, "file_name": files[i]}

        # ImageNet-v2's keys have no slash.
        return NewSplit([file.replace("/", "_") for file in files], example)

    for dataset in (IMAGENET, IMAGENET_V2):
        small = dataclasses.replace(dataset, shards={name: SHARDS[name] for name in dataset.shards})
        splits = {name: split(name) for name in small.shards}
        write_dataset(small, destination, splits, encoder, **INFO)


def _file(split: str, i: int) -> str:
    """Returns the name of a split's i-th image, in the form that upstream's names have."""
    label, number = divmod(i, IMAGES_PER_CLASS[split])
    return {
        "train": f"{CLASSES[label].synset}_{number}.JPEG",
        "validation": f"ILSVRC2012_val_{i + 1:08d}.JPEG",
        "test": f"{label}/{number:03d}.jpeg",
    }[split]
