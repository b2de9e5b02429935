"""The click logs of Criteo: how many lines each day has, and which of them make a split."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from algoperf_jax.data.array_folder import ArrayFolder
from algoperf_jax.data.stored import StoredData
from workloads.criteo1tb.day import FORMS


def day_folder(day: int, lines: int) -> ArrayFolder:
    """A day's prepared lines; the folder may lie beside upstream's text files."""
    name = f"day_{day}"
    return ArrayFolder(Path(f"{name}.arrays"), FORMS, "labels", {name: lines})


class Shard(NamedTuple):
    """Consecutive lines of a day, from `start` to `stop - 1`."""

    day: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class ClickLogs:
    """Click logs in the form of Criteo's.

    Each day is split into shards of as many lines as fit into one, the last one shorter. The last
    day's first shards are for testing, the others for validation; all other days are for training.

    Attributes:
      lines: of each day.
      shard_lines: of each shard but the last of its day.
      test_shards: of the last day.
      eval_train_examples: of the `eval_train` split.
    """

    lines: Sequence[int]
    shard_lines: int
    test_shards: int
    eval_train_examples: int

    @functools.cached_property
    def folders(self) -> tuple[ArrayFolder, ...]:
        """The days' folders."""
        return tuple(day_folder(day, lines) for day, lines in enumerate(self.lines))

    @property
    def stored(self) -> StoredData:
        """Where the prepared data lie."""
        return StoredData("criteo1tb", self.folders, ("", "criteo1tb"))

    def shards(self, split: str) -> list[Shard]:
        """The shards of `"train"`, `"validation"` or `"test"`, in the order of their names."""
        last = len(self.lines) - 1
        if split == "train":
            return list(itertools.chain(*(self._shards_of(day) for day in range(last))))
        of_last = self._shards_of(last)
        parts = {"test": of_last[: self.test_shards], "validation": of_last[self.test_shards :]}
        return parts[split]

    @functools.cached_property
    def examples(self) -> dict[str, int]:
        """Examples of each split."""
        counts = {
            split: sum(shard.stop - shard.start for shard in self.shards(split))
            for split in ("train", "validation", "test")
        }
        return {**counts, "eval_train": self.eval_train_examples}

    def _shards_of(self, day: int) -> list[Shard]:
        starts = range(0, self.lines[day], self.shard_lines)
        return [Shard(day, i, min(i + self.shard_lines, self.lines[day])) for i in starts]


CRITEO = ClickLogs(
    lines=(
        *(195_841_983, 199_563_535, 196_792_019, 181_115_208, 152_115_810, 172_548_507),
        *(204_846_845, 200_801_003, 193_772_492, 198_424_372, 185_778_055, 153_588_700),
        *(169_003_364, 194_216_520, 194_081_279, 187_154_596, 177_984_934, 163_382_602),
        *(142_061_091, 156_534_237, 193_627_464, 192_215_183, 189_747_893, 178_274_637),
    ),
    shard_lines=5_000_000,
    test_shards=19,
    eval_train_examples=83_361_792,
)
"""Criteo's terabyte, 24 days of it."""
