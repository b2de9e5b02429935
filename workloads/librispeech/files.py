"""The files of prepared LibriSpeech: what they are called and how much is in them.

A subset of the corpus lies in one of two layouts: in a folder of ours (`subset`), or in the many
small files that the reference's own set-up makes (`npy_subset`). The tokenizer lies beside the
subsets' folders.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from algoperf_jax.data.stored import StoredData
from algoperf_jax.errors import DataError
from workloads.librispeech import npy_subset, subset

TOKENIZER_FILE = "spm_model.vocab"
"""The SentencePiece model; not the list of its pieces, whatever the name says."""

INDEX_FOLDER = "index"
"""Where the preparation keeps lengths and labels, beside the subsets' folders."""


@dataclasses.dataclass(frozen=True)
class SubsetFolder:
    """A subset's folder in either layout; a `prepared_folder.PreparedFolder`.

    Attributes:
      name: upstream's name for it, which is also the folder's.
      utterances: of the complete subset as upstream publishes it, long ones included.
    """

    name: str
    utterances: int

    @property
    def folder(self) -> Path:
        """Relative to what holds the subsets' folders."""
        return Path(self.name)

    @property
    def examples(self) -> Mapping[str, int]:
        """Upstream's utterances, by the subset's name."""
        return {self.name: self.utterances}

    def is_there(self, root: Path, remedy: str | None = None) -> bool:
        """Whether `root` has the subset; a part of one, or two layouts, are a `DataError`."""
        folder = root / self.name
        remedy = remedy or f"remove {folder} and run the command again"
        facts, ids = folder / subset.FACTS, npy_subset.list_path(root, self.name)
        if facts.exists() and ids.exists():
            raise DataError(
                f"{root} has two layouts of {self.name} mixed: {facts} is one, {ids} the other; "
                "move one of them away"
            )
        if ids.exists():
            if not folder.exists():
                raise DataError(f"{ids} lists utterances, but {folder} is missing; {remedy}")
            return True
        if not folder.exists():
            return False
        if not facts.exists():
            raise DataError(f"{folder} has no {subset.FACTS}, and there is no {ids}; {remedy}")
        return True

    def is_npy(self, root: Path) -> bool:
        """Whether the subset, which is there, is in the reference's layout."""
        return npy_subset.list_path(root, self.name).exists()

    def check_examples(self, root: Path, expected: Mapping[str, int], remedy: str) -> None:
        """Raises a `DataError` unless all of upstream's utterances were met, kept or left out.

        The reference's layout does not say what was left out, so it may have fewer.
        """
        if self.name not in expected:
            return
        wanted = expected[self.name]
        if self.is_npy(root):
            found = len(npy_subset.read_ids(root, self.name, remedy))
            fits = found <= wanted
        else:
            found = subset.read_facts(root / self.name, remedy).met
            fits = found == wanted
        if not fits:
            raise DataError(
                f"{root / self.name} is made of {found:,} utterances, there should be {wanted:,}; "
                f"{remedy}"
            )


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus in the form of LibriSpeech.

    Attributes:
      utterances: of each subset as upstream publishes it, long ones included.
      splits: the subsets that make each split, in reading order.
      examples: utterances of each split that are short enough.
      longest_audio: most samples of an utterance.
      longest_transcript: most characters of a transcript.
      longest_labels: most labels of an utterance, the end included.
      pieces: of the tokenizer.
      tokenizer_subset: whose transcripts the tokenizer is trained on.
    """

    utterances: Mapping[str, int]
    splits: Mapping[str, Sequence[str]]
    examples: Mapping[str, int]
    longest_audio: int
    longest_transcript: int
    longest_labels: int
    pieces: int
    tokenizer_subset: str = "train-clean-100"

    @property
    def stored(self) -> StoredData:
        """Where its prepared data lie."""
        folders = tuple(SubsetFolder(name, n) for name, n in self.utterances.items())
        return StoredData("librispeech", folders, ("", "librispeech"))


LIBRISPEECH = Corpus(
    utterances={
        "dev-clean": 2_703,
        "dev-other": 2_864,
        "test-clean": 2_620,
        "train-clean-100": 28_539,
        "train-clean-360": 104_014,
        "train-other-500": 148_688,
    },
    splits={
        "train": ("train-clean-100", "train-clean-360", "train-other-500"),
        "validation": ("dev-clean", "dev-other"),
        "test": ("test-clean",),
    },
    examples={"train": 263_840, "validation": 5_348, "test": 2_472},
    longest_audio=320_000,
    longest_transcript=256,
    longest_labels=256,
    pieces=1_024,
)
"""The benchmark's: 20 seconds at most."""
