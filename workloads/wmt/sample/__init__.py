"""The embedded sample of the WMT workload; `README.md` says what it is."""

import dataclasses
import lzma
from pathlib import Path

from algoperf_jax.data.sample import expanded_sample

PAIRS = "pairs.xz"
VOCABULARY = "vocabulary.xz"

VOCABULARY_SIZE = 1_000
LONGEST = 48
"""No sentence has more tokens, the end included."""

# In the order in which the archive holds the splits.
EXAMPLES = {"train": 10_293, "validation": 250, "test": 250}

SHARDS = {"train": 4, "validation": 1, "test": 1}
"""Number of files of each split."""

_VERSION = "2"  # of what `_expand` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample as WMT17 and WMT14, making it at first use.

    It holds `wmt17_translate/de-en/1.0.0` (train), `wmt14_translate/de-en/1.0.0` (validation,
    test), and the vocabulary.
    """
    return expanded_sample(
        Path(__file__).parent,
        (PAIRS, VOCABULARY),
        _expand,
        name="wmt_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def packed(splits: dict[str, list[tuple[str, str]]]) -> bytes:
    """Returns the content of `PAIRS`: a line for each pair, a tab between the languages."""
    lines = ["\t".join(pair) for pairs in splits.values() for pair in pairs]
    return lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)


def read_pairs(archive: Path) -> dict[str, list[tuple[str, str]]]:
    """Returns the German and English sentences of each split."""
    lines = iter(lzma.decompress(archive.read_bytes()).decode().split("\n"))
    pairs = ((german, english) for german, english in (line.split("\t") for line in lines))
    return {split: [next(pairs) for _ in range(n)] for split, n in EXAMPLES.items()}


def _expand(source_dir: Path, destination: Path) -> None:
    # Their libraries are needed at first use only.
    from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
    from workloads.wmt.files import INFO, VOCABULARY_FILE, WMT14, WMT17, features

    pairs = read_pairs(source_dir / PAIRS)

    def split(name: str) -> NewSplit:
        # Keys in the form that upstream's have.
        keys = [f"homeassistant/0/{line}" for line in range(len(pairs[name]))]
        return NewSplit(keys, lambda i: dict(zip(("de", "en"), pairs[name][i], strict=True)))

    for dataset in (WMT17, WMT14):
        small = dataclasses.replace(dataset, shards={name: SHARDS[name] for name in dataset.shards})
        splits = {name: split(name) for name in small.shards}
        write_dataset(small, destination, splits, features(), **INFO)
    model = lzma.decompress((source_dir / VOCABULARY).read_bytes())
    (destination / VOCABULARY_FILE).write_bytes(model)
