"""SentencePiece unigram models: text as ids of pieces and back, trained and read with checks.

Kudo, "Subword Regularization" (2018); Kudo and Richardson, "SentencePiece" (2018).
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.data.prepared_folder import UNFINISHED
from algoperf_jax.errors import DataError

UNKNOWN, BEGIN, END = 0, 1, 2
"""Ids of the pieces that stand for no text."""

_ALL_PROCESSORS = -1

# Relative, as the model's file holds both names: so its bytes do not depend on the place.
_TEXT, _PREFIX = "text", "vocabulary"

# The trainer adds up expected counts thread by thread, so their number is a part of the result.
_TRAINING_THREADS = 16  # SentencePiece's default

_TRAINING = (
    "import json, sys, sentencepiece;"
    "sentencepiece.SentencePieceTrainer.Train(**json.loads(sys.argv[1]))"
)


@dataclasses.dataclass(frozen=True)
class SentencePieceModel:
    """Pieces of text and their ids.

    Attributes:
      size: number of pieces.
      sha256: of the model's file, 64 hexadecimal digits.
      processor: SentencePiece's own object.
    """

    size: int
    sha256: str
    processor: Any = dataclasses.field(repr=False, compare=False)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of each text, with `END` behind them.

        Text is normalised by the model's rules first (NFKC, single spaces). What no piece covers
        becomes `UNKNOWN`. All processors take part; the result does not depend on their number.
        """
        return self.processor.Encode(
            list(texts), out_type=int, add_eos=True, num_threads=_ALL_PROCESSORS
        )

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Returns the text of each sequence of ids: lists, or integer arrays `[n]`.

        `BEGIN` and `END` print nothing, wherever they are; `UNKNOWN` prints a double question mark
        (U+2047) between spaces.

        Raises:
          IndexError: an id is negative or not below `size`.
        """
        lists = [[int(i) for i in sequence] for sequence in ids]
        return self.processor.Decode(lists, num_threads=_ALL_PROCESSORS) if lists else []


def load(path: Path, size: int, remedy: str) -> SentencePieceModel:
    """Reads a SentencePiece model.

    Args:
      path: its file.
      size: the number of pieces that it should have.
      remedy: what a person can do about a wrong file, the end of error messages.

    Raises:
      DataError: the file is missing, is not a SentencePiece model, or has other pieces than the
        benchmark's models; names it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {remedy}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
    import sentencepiece  # once there are data: a step on made-up ones needs no vocabulary

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(content)
        found = processor.GetPieceSize()
    except RuntimeError:
        raise DataError(f"{path} is not a SentencePiece model; {remedy}") from None
    if found != size:
        raise DataError(f"{path} has {found:,} pieces, there should be {size:,}; {remedy}")
    ids = (processor.unk_id(), processor.bos_id(), processor.eos_id())
    if ids != (UNKNOWN, BEGIN, END):
        raise DataError(
            f"{path} has the ids {ids} for unknown text, begin and end, they should be "
            f"{(UNKNOWN, BEGIN, END)}; {remedy}"
        )
    return SentencePieceModel(size, hashlib.sha256(content).hexdigest(), processor)


def train(lines: Iterable[bytes], size: int, destination: Path) -> None:
    """Trains a model on lines of text and writes it to `destination`, atomically.

    The same lines give the same file, on machines with whatever number of processors. The trainer
    runs in a process of its own: in one that has loaded TensorFlow it has been seen to crash.

    Args:
      lines: UTF-8, without line ends.
      size: number of pieces.
      destination: the model's file; its folder is made if it does not exist.

    Raises:
      DataError: the trainer refuses the text, most often as it is too small for so many pieces.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=destination.parent) as name:
        folder = Path(name)
        with open(folder / _TEXT, "wb") as file:
            written = sum(file.write(b"%b\n" % line) for line in lines)
        reason = _run_trainer(folder, size)
        if reason:
            raise DataError(
                f"SentencePiece makes no vocabulary of {size:,} pieces from {written:,} bytes of "
                f"text: {reason}"
            )
        os.replace(folder / f"{_PREFIX}.model", destination)


def _run_trainer(folder: Path, size: int) -> str | None:
    """Trains on the folder's text; returns None, or why that was impossible."""
    options: dict[str, Any] = {
        "input": _TEXT,
        "model_prefix": _PREFIX,
        "vocab_size": size,
        "model_type": "unigram",
        "character_coverage": 1.0,
        "num_threads": _TRAINING_THREADS,
        "minloglevel": 2,  # errors only
    }
    result = subprocess.run(
        [sys.executable, "-c", _TRAINING, json.dumps(options)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if result.returncode == 0:
        return None
    last_line = (result.stderr.strip() or f"it ended with status {result.returncode}").splitlines()
    # Its messages begin with a place in its source and the condition that did not hold.
    return last_line[-1].rpartition("] ")[-1].removeprefix("RuntimeError: ")


def given(path: Path, size: int) -> Path | None:
    """Returns a model's file that a user may have given, once it is known to be one; else None.

    Raises:
      DataError: it is no such model; see `load`.
    """
    if not path.exists():
        return None
    load(path, size, "replace or remove it")
    return path


def made(
    path: Path,
    given: Path | None,
    size: int,
    train: Callable[[], None],
    report: Callable[[str], None],
) -> SentencePieceModel:
    """Returns the model at `path`; copies or trains it where it is not there.

    Args:
      path: the model's file.
      given: the file that is to be taken; None: it is trained.
      size: number of pieces.
      train: writes a trained model to `path`.
      report: called with a line for the user.

    Raises:
      DataError: what is there is no such model, or another one than `given`.
    """
    remedy = f"remove {path} and run it again"
    if path.exists():
        found = load(path, size, remedy)
        if given and load(given, size, "").sha256 != found.sha256:
            raise DataError(f"{path} is there already and is another one than {given}; {remedy}")
        report(f"{path} is there already, SHA-256 {found.sha256}")
        return found
    if given:
        copy = path.with_name(f".{path.name}.part")
        shutil.copyfile(given, copy)
        copy.rename(path)
    else:
        train()
    loaded = load(path, size, remedy)
    report(f"{path} is ready, SHA-256 {loaded.sha256}")
    return loaded
