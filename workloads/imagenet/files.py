"""The files of ImageNet and ImageNet-v2 as TensorFlow Datasets keeps them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.data.tfds_folder import Dataset

_METADATA = ("dataset_info.json", "features.json", "label.labels.txt")

IMAGENET = Dataset(
    Path("imagenet2012", "5.1.0"), {"train": 1024, "validation": 64}, metadata_files=_METADATA
)
IMAGENET_V2 = Dataset(
    Path("imagenet_v2", "matched-frequency", "3.0.0"), {"test": 16}, metadata_files=_METADATA
)


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
