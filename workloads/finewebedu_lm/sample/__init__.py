"""The embedded sample of the language model; `README.md` says what it is."""

import json
import lzma
from pathlib import Path

import numpy as np

from algoperf_jax.data.array_folder import write_arrays
from algoperf_jax.data.order import permutation
from algoperf_jax.data.sample import expanded_sample
from workloads.finewebedu_lm.files import FOLDER, FORMS, TRAIN, VALIDATION, Corpus, Ends
from workloads.finewebedu_lm.tokenizer import MERGES, VOCABULARY, read_tokenizer

DOCUMENTS = "documents.xz"

CORPUS = Corpus(
    length=128,
    vocabulary_size=1_024,
    training_sequences=8_216,
    eval_train_sequences=256,
    validation_sequences=512,
)

_SEED = 0
_VERSION = "1"  # of what `_expand` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample in the form that `prepare` makes, at first use made so."""
    return expanded_sample(
        Path(__file__).parent,
        (DOCUMENTS, VOCABULARY, MERGES),
        _expand,
        name="finewebedu_lm_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def read_documents(source_dir: Path) -> dict[str, list[str]]:
    """The texts of both parts: chapters of four novels, and those of a fifth."""
    return json.loads(lzma.decompress((source_dir / DOCUMENTS).read_bytes()))


def _expand(source_dir: Path, destination: Path) -> None:
    tokenizer = read_tokenizer(source_dir, CORPUS.vocabulary_size)
    documents = {
        part: tokenizer.encode(texts) for part, texts in read_documents(source_dir).items()
    }
    order = permutation([_SEED], len(documents[TRAIN])).tolist()
    documents[TRAIN] = [documents[TRAIN][i] for i in order]
    ends = Ends()
    parts: list[dict[str, np.ndarray]] = [
        ends.arrays(part, documents[part]) for part in (TRAIN, VALIDATION)
    ]
    more = {"vocabulary_size": tokenizer.vocabulary_size, "tokenizer": tokenizer.sha256}
    write_arrays(destination / FOLDER.folder, FORMS, parts, {}, more)
