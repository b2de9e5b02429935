"""The files of ImageNet and ImageNet-v2 as TensorFlow Datasets keeps them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.data.tfds_folder import INFO_FILE, Dataset

_METADATA = (INFO_FILE, "features.json", "label.labels.txt")

# The numbers of files are those of the full data sets.
IMAGENET = Dataset(Path("imagenet2012", "5.1.0"), {"train": 1024, "validation": 64}, _METADATA)
IMAGENET_V2 = Dataset(Path("imagenet_v2", "matched-frequency", "3.0.0"), {"test": 16}, _METADATA)

EXAMPLES = {"train": 1_281_167, "validation": 50_000, "test": 10_000}
"""Examples of each split of the full data sets."""

INFO = {"supervised_keys": ("image", "label")}
"""What the metadata of both say beside names and numbers."""


def home(data_dir: Path) -> Path:
    """Returns the folder that holds both data sets, for the folder of all workloads' data sets.

    That is `data_dir`, `data_dir/imagenet` or `data_dir/imagenet/jax`: the first that has ImageNet,
    else the last.
    """
    places = (data_dir, data_dir / "imagenet", data_dir / "imagenet" / "jax")
    return next((place for place in places if (place / IMAGENET.folder).exists()), places[-1])


def features(synsets: Sequence[str]) -> Any:
    """Returns the feature dictionary of both data sets: image, label and file name.

    Args:
      synsets: the WordNet id of each label.
    """
    import tensorflow_datasets as tfds

    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=list(synsets)),
            "file_name": tfds.features.Text(),
        }
    )
