"""A subset of the corpus in one folder: all audio in one file that is mapped into memory."""

import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

from algoperf_jax.data.sentencepiece_model import SentencePieceModel
from algoperf_jax.errors import DataError

FACTS = "facts.json"

_AUDIO = "audio"  # int16, utterance after utterance
_LENGTHS = "lengths"  # int32, samples of each
_CHECKSUMS = "checksums"  # uint32, CRC-32C of each one's samples
_KEPT = "utterances"  # a line for each: the id, a space, the transcript
_LEFT_OUT = "left_out"  # a line for each: the reason, a tab, what `_KEPT` would have
_FILES = (_AUDIO, _LENGTHS, _CHECKSUMS, _KEPT, _LEFT_OUT)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was written.

    Attributes:
      kept: utterances.
      left_out: how many others there were, by the reason.
      sizes: bytes of each file.
      sha256: of all files but that of the audio, in which each utterance has a checksum.
    """

    kept: int
    left_out: Mapping[str, int]
    sizes: Mapping[str, int]
    sha256: str

    @property
    def met(self) -> int:
        """Utterances in all."""
        return self.kept + sum(self.left_out.values())


def read_facts(folder: Path, remedy: str) -> Facts:
    """Returns what is in a subset's folder.

    Raises:
      DataError: a file is missing or has another size than it was written with.
    """
    path = folder / FACTS
    try:
        facts = Facts(**json.loads(path.read_text()))
        expected = {name: int(facts.sizes[name]) for name in _FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is missing or damaged ({error!r}); {remedy}") from None
    for name, size in expected.items():
        file = folder / name
        if not file.exists():
            raise DataError(f"{file} is missing; {remedy}")
        if file.stat().st_size != size:
            raise DataError(
                f"{file} has {file.stat().st_size:,} bytes, there should be {size:,}; {remedy}"
            )
    return facts


class Writer:
    """Writes a subset's folder, utterance by utterance, in bounded memory."""

    def __init__(self, folder: Path):
        """Makes the folder, which must not exist; `complete` has to be called at the end."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._kept = 0
        self._left_out: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            self._files = {name: stack.enter_context(open(folder / name, "wb")) for name in _FILES}
            self._stack = stack.pop_all()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def keep(self, utterance: str, transcript: str, audio: np.ndarray) -> None:
        """Appends an utterance; `audio` is int16 `[samples]`."""
        samples = audio.astype("<i2").tobytes()
        self._files[_AUDIO].write(samples)
        self._files[_LENGTHS].write(np.array([len(audio)], "<i4").tobytes())
        checksum = google_crc32c.value(samples)
        self._files[_CHECKSUMS].write(np.array([checksum], "<u4").tobytes())
        self._files[_KEPT].write(f"{utterance} {transcript}\n".encode())
        self._kept += 1

    def leave_out(self, reason: str, utterance: str, transcript: str) -> None:
        """Notes what is not kept, and why; the tokenizer is trained on its transcript too."""
        self._files[_LEFT_OUT].write(f"{reason}\t{utterance} {transcript}\n".encode())
        self._left_out[reason] = self._left_out.get(reason, 0) + 1

    def complete(self) -> Facts:
        """Writes the facts, which make the folder complete."""
        self._stack.close()
        sizes = {name: (self._folder / name).stat().st_size for name in _FILES}
        facts = Facts(self._kept, self._left_out, sizes, _sha256(self._folder))
        content = json.dumps(dataclasses.asdict(facts), indent=2)
        (self._folder / FACTS).write_text(content + "\n")
        return facts


class Subset:
    """The utterances of a subset's folder, in the order in which they were written.

    Attributes:
      folder: where they are.
      ids: of the utterances.
      transcripts: what is said, in upper case.
      signature: a checksum of everything.
    """

    def __init__(self, folder: Path, remedy: str):
        """Opens the folder.

        Raises:
          DataError: it is incomplete or damaged, its audio not looked at.
        """
        facts = read_facts(folder, remedy)
        if _sha256(folder) != facts.sha256:
            raise DataError(f"a file in {folder} is damaged: their checksum is wrong; {remedy}")
        self.folder = folder
        self.signature = facts.sha256
        self._remedy = remedy
        lines = _lines(folder / _KEPT)
        self.ids = [line.partition(" ")[0] for line in lines]
        self.transcripts = [line.partition(" ")[2] for line in lines]
        self._lengths = np.fromfile(folder / _LENGTHS, "<i4").astype(np.int64)
        self._checksums = np.fromfile(folder / _CHECKSUMS, "<u4")
        self._ends = np.cumsum(self._lengths)

    def __len__(self) -> int:
        return len(self.ids)

    def lengths(self) -> np.ndarray:
        """Samples of each utterance, int64 `[n]`."""
        return self._lengths

    def labels(self, tokenizer: SentencePieceModel) -> Iterator[np.ndarray]:
        """Yields the labels of each utterance, int32, the end behind them."""
        return (np.array(ids, np.int32) for ids in tokenizer.encode(self.transcripts))

    def audio(self, i: int) -> np.ndarray:
        """The samples of utterance i, int16; not to be written to.

        Raises:
          DataError: they have changed on the disk; names the utterance.
        """
        end = int(self._ends[i])
        samples = self._flat[end - int(self._lengths[i]) : end]
        if google_crc32c.value(samples.tobytes()) != self._checksums[i]:
            raise DataError(
                f"{self.folder / _AUDIO}: the samples of {self.ids[i]} are damaged; {self._remedy}"
            )
        return samples

    @functools.cached_property
    def _flat(self) -> np.ndarray:
        if not len(self._ends):
            return np.zeros(0, np.int16)
        return np.memmap(self.folder / _AUDIO, "<i2", "r").view(np.ndarray)


def transcripts(folder: Path) -> Iterable[str]:
    """Yields all transcripts of a subset in order of their ids, of what was left out too."""
    kept = _lines(folder / _KEPT)
    left_out = [line.partition("\t")[2] for line in _lines(folder / _LEFT_OUT)]
    for line in sorted([*kept, *left_out], key=lambda line: id_order(line.partition(" ")[0])):
        if transcript := line.partition(" ")[2]:
            yield transcript


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        if name != _AUDIO:
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1]  # line feeds alone end lines


def id_order(utterance: str) -> list[tuple[int, str]]:
    """What utterances are sorted by: speaker, chapter and number, as numbers."""
    return [(int(part) if part.isdecimal() else 0, part) for part in utterance.split("-")]
