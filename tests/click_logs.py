"""Small click logs in the form of Criteo's, and what they mean by a way of its own."""

import gzip
import math
from pathlib import Path

import numpy as np

from workloads.criteo1tb.files import ClickLogs

LOGS = ClickLogs(lines=(23, 30, 7, 44), shard_lines=10, test_shards=3, eval_train_examples=32)


def lines_of_day(day: int) -> list[str]:
    """The day's lines of text, without line feeds; the same whenever it is called."""
    random = np.random.default_rng(day)
    return [_line(random) for _ in range(LOGS.lines[day])]


def _line(random: np.random.Generator) -> str:
    label = str(int(random.random() < 0.3))
    numbers = [str(int(x)) for x in random.geometric(0.01, 13) - 3]
    categories = [f"{x:08x}" for x in random.integers(0, 2**32, 26)]
    fields = [label, *numbers, *categories]
    for i in random.choice(np.arange(1, 40), 6, replace=False):
        fields[i] = str(random.choice(["", "-1"]))
    return "\t".join(fields)


def numbers_of(line: str) -> np.ndarray:
    """The 13 numbers of a line, field by field; float64."""
    values = [0.0 if field == "" else max(float(field), 0.0) for field in line.split("\t")[1:14]]
    return np.array([math.log(value + 1) for value in values])


def label_of(line: str) -> int:
    """The line's label."""
    return int(line[0])


def write_shards(folder: Path, *, packed: bool = False) -> Path:
    """Writes all days as the reference's set-up lays them out; returns the folder."""
    folder.mkdir(parents=True)
    for day in range(len(LOGS.lines)):
        lines = lines_of_day(day)
        for shard, start in enumerate(range(0, len(lines), LOGS.shard_lines)):
            text = "".join(f"{line}\n" for line in lines[start : start + LOGS.shard_lines])
            name = f"day_{day}_{shard:02}"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
            else:
                (folder / name).write_text(text)
    return folder


def write_days(folder: Path) -> Path:
    """Writes all days as upstream publishes them; returns the folder."""
    folder.mkdir(parents=True)
    for day in range(len(LOGS.lines)):
        text = "\n".join(lines_of_day(day))  # no line feed at the end
        (folder / f"day_{day}.gz").write_bytes(gzip.compress(text.encode()))
    return folder
