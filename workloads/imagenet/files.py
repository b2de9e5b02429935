"""The files of ImageNet and ImageNet-v2 as TensorFlow Datasets keeps them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.data.stored import StoredData
from algoperf_jax.data.tfds_folder import INFO_FILE, TfdsFolder

_METADATA = (INFO_FILE, "features.json", "label.labels.txt")

IMAGENET = TfdsFolder(
    Path("imagenet2012", "5.1.0"),
    shards={"train": 1024, "validation": 64},
    examples={"train": 1_281_167, "validation": 50_000},
    metadata_files=_METADATA,
)
IMAGENET_V2 = TfdsFolder(
    Path("imagenet_v2", "matched-frequency", "3.0.0"),
    shards={"test": 16},
    examples={"test": 10_000},
    metadata_files=_METADATA,
)

STORED = StoredData("imagenet", (IMAGENET, IMAGENET_V2), ("", "imagenet", "imagenet/jax"))

INFO = {"supervised_keys": ("image", "label")}
"""What the metadata of both say beside names and numbers."""


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
