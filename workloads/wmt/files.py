"""The files of WMT17 and WMT14 German to English as TensorFlow Datasets keeps them."""

from pathlib import Path
from typing import Any

from algoperf_jax.data.stored import StoredData
from algoperf_jax.data.tfds_folder import TfdsFolder

WMT17 = TfdsFolder(
    Path("wmt17_translate", "de-en", "1.0.0"),
    shards={"train": 16},
    examples={"train": 5_906_184},
)
WMT14 = TfdsFolder(
    Path("wmt14_translate", "de-en", "1.0.0"),
    shards={"validation": 1, "test": 1},
    examples={"validation": 3_000, "test": 3_003},
)

STORED = StoredData("wmt", (WMT17, WMT14), ("", "wmt"))

VOCABULARY_FILE = "wmt_sentencepiece_model"
"""The SentencePiece model; it lies beside the folders of the two data sets."""

VOCABULARY_SIZE = 32_000
"""Number of its pieces."""

LONGEST = 256
"""Most tokens of a sentence, the end included; longer pairs are left out."""

TOKENS_FOLDER = "tokens"
"""Where the preparation keeps tokenised splits, beside the folders of the two data sets."""

LANGUAGES = ("de", "en")
"""Source and target; each is a feature of the records."""

INFO = {"homepage": "http://www.statmt.org", "supervised_keys": LANGUAGES}
"""What the metadata of both say beside names and numbers."""


def features() -> Any:
    """Returns the feature dictionary of both data sets: one text for each language."""
    import tensorflow_datasets as tfds

    return tfds.features.Translation(languages=LANGUAGES)
