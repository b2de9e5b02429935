"""The embedded sample of the LibriSpeech workloads; `README.md` says what it is."""

import functools
import io
import lzma
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.sample import expanded_sample, prepared_in
from workloads.librispeech.files import TOKENIZER_FILE, Corpus

TRANSCRIPTS = "transcripts.xz"
TOKENIZER = "tokenizer.xz"

EXAMPLES = {"train": 1_100, "validation": 200, "test": 200}
LONGEST_AUDIO = 24_000
"""Most samples of an utterance, a second and a half."""
LONGEST_LABELS = 24
"""Most labels of an utterance, the end included."""
PIECES = 64
"""Of the tokenizer."""

SUBSETS = {"train": "train-clean-100", "validation": "dev-clean", "test": "test-clean"}
"""What stands for the subsets of each split."""

CORPUS = Corpus(
    utterances={SUBSETS[split]: n for split, n in EXAMPLES.items()},
    splits={split: (subset,) for split, subset in SUBSETS.items()},
    examples=EXAMPLES,
    longest_audio=LONGEST_AUDIO,
    longest_transcript=256,
    longest_labels=LONGEST_LABELS,
    pieces=PIECES,
)

FILES = (*(f"{subset}.opus" for subset in SUBSETS.values()), TRANSCRIPTS, TOKENIZER)

_VERSION = "2"  # of what `_expand` writes


class Utterance(NamedTuple):
    """An utterance: which it is, how many samples it has, what is said."""

    id: str
    samples: int
    transcript: str


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample in the form that `prepare` makes, at first use made so.

    It holds the subsets of `SUBSETS`, the tokenizer, and lengths and labels.
    """
    return expanded_sample(
        Path(__file__).parent,
        FILES,
        _expand,
        name="librispeech_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def packed(transcripts: dict[str, list[Utterance]]) -> bytes:
    """Returns the content of `TRANSCRIPTS`: a line for each utterance, subset after subset."""
    lines = [" ".join(map(str, one)) for of_subset in transcripts.values() for one in of_subset]
    return lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)


def read_transcripts(source_dir: Path) -> dict[str, list[Utterance]]:
    """Returns the utterances of each subset in the order of its audio."""
    content = lzma.decompress((source_dir / TRANSCRIPTS).read_bytes()).decode()
    rows = (line.split(" ", 2) for line in content.split("\n"))
    found = (Utterance(name, int(samples), text) for name, samples, text in rows)
    return {name: [next(found) for _ in range(n)] for name, n in CORPUS.utterances.items()}


def read_audio(source_dir: Path, subset: str, utterances: list[Utterance]) -> Iterator[np.ndarray]:
    """Yields the samples of a subset's utterances, int16."""
    import soundfile

    content = io.BytesIO((source_dir / f"{subset}.opus").read_bytes())
    flat, _ = soundfile.read(content, dtype="int16")
    ends = np.cumsum([one.samples for one in utterances])
    yield from np.split(flat, ends[:-1])


def write_tree(source_dir: Path, folder: Path) -> None:
    """Writes the sample as upstream publishes LibriSpeech, below `folder / "LibriSpeech"`."""
    with ThreadPoolExecutor() as threads:
        for subset, utterances in read_transcripts(source_dir).items():
            lines: dict[Path, list[str]] = {}
            places = []
            for one in utterances:
                speaker, chapter, _ = one.id.split("-")
                place = folder / "LibriSpeech" / subset / speaker / chapter
                text = place / f"{speaker}-{chapter}.trans.txt"
                lines.setdefault(text, []).append(f"{one.id} {one.transcript}\n")
                places.append(place / f"{one.id}.flac")
            for path, of_chapter in lines.items():
                path.parent.mkdir(parents=True)
                path.write_text("".join(of_chapter))
            list(threads.map(_write_flac, places, read_audio(source_dir, subset, utterances)))


def _write_flac(path: Path, samples: np.ndarray) -> None:
    import soundfile

    soundfile.write(path, samples, 16_000, subtype="PCM_16", compression_level=0.0)


def _expand(source_dir: Path, destination: Path) -> None:
    # It opens what it has made, and whoever opens data knows the sample.
    from workloads.librispeech.prepare import prepare

    def write_raw(raw: Path) -> None:
        write_tree(source_dir, raw)
        model = lzma.decompress((source_dir / TOKENIZER).read_bytes())
        (raw / TOKENIZER_FILE).write_bytes(model)

    quietly = functools.partial(prepare, report=lambda line: None, corpus=CORPUS)
    prepared_in(destination, write_raw, quietly)
