"""The files of ogbg-molpcba as TensorFlow Datasets keeps them."""

from pathlib import Path

from algoperf_jax.data.stored import StoredData
from algoperf_jax.data.tfds_folder import INFO_FILE, TfdsFolder

MOLPCBA = TfdsFolder(
    Path("ogbg_molpcba", "0.1.3"),
    shards={"train": 8, "validation": 1, "test": 1},
    examples={"train": 350_343, "validation": 43_793, "test": 43_793},
    metadata_files=(INFO_FILE, "features.json", "metadata.json"),
)

STORED = StoredData("ogbg", (MOLPCBA,), ("", "ogbg"))
