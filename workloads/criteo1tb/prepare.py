"""Preparation of Criteo's click logs: text is parsed once, into arrays."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from algoperf_jax.data import preparation
from algoperf_jax.data.array_folder import ArrayFolder, signatures
from algoperf_jax.data.batches import built_ahead
from algoperf_jax.errors import DataError
from workloads.criteo1tb.day import BYTES_OF_A_LINE, write_day
from workloads.criteo1tb.files import CRITEO, ClickLogs
from workloads.criteo1tb.raw import Block, blocks, text_files
from workloads.criteo1tb.text import Lines, parse

SOURCE = "https://ailab.criteo.com/download-criteo-1tb-click-logs-dataset"
"""Where upstream gives the 24 files away, on its own terms."""

_FACTS_BYTES = 10_000


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    logs: ClickLogs = CRITEO,
) -> Path:
    """Makes a folder of arrays for each day in `data_dir/criteo1tb`.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with upstream's text, see `raw.text_files`; needed while a day is missing. It
        may be `data_dir/criteo1tb` itself.
      keep_download: has no bearing, as nothing is downloaded.
      report: called with lines for the user.
      logs: what is to be made.

    Returns:
      The folder that holds the days.

    Raises:
      DataError: a text file is missing or is not what it should be, the disk is too small, or
        another process is at it.
    """
    return preparation.prepare(
        logs.stored,
        [_step(day, folder, logs) for day, folder in enumerate(logs.folders)],
        data_dir,
        raw,
        keep_download=keep_download,
        report=report,
        examples=logs.stored.examples,
    )


def _step(day: int, folder: ArrayFolder, logs: ClickLogs) -> preparation.Step:
    """Returns how a day is made."""
    return preparation.Step(
        dataset=folder,
        given=functools.partial(_given, day, logs),
        disk_bytes=lambda given: logs.lines[day] * BYTES_OF_A_LINE + _FACTS_BYTES,
        write=functools.partial(_write, day, folder, logs),
        note=f"day {day} of {len(logs.lines)}, {logs.lines[day]:,} lines",
    )


def _given(day: int, logs: ClickLogs, raw: Path | None) -> Path:
    if raw is None:
        raise DataError(
            "criteo1tb is given away on its owner's terms, so it is not downloaded: get day_0.gz "
            f"to day_23.gz from {SOURCE} and name the folder with --raw"
        )
    paths, are_shards = text_files(raw, day)
    expected = -(-logs.lines[day] // logs.shard_lines)
    if are_shards and len(paths) != expected:
        raise DataError(
            f"{raw} has {len(paths)} shards of day {day}, {paths[-1].name} is the last; its "
            f"{logs.lines[day]:,} lines make {expected} of {logs.shard_lines:,}"
        )
    return raw


def _write(day: int, folder: ArrayFolder, logs: ClickLogs, raw: Path, unfinished: Path) -> None:
    """Writes a day's folder below `unfinished`."""
    paths, are_shards = text_files(raw, day)
    if are_shards:
        lines = _of_shards(paths, logs.shard_lines)
    else:
        lines = _parsed(paths[0])
    write_day(unfinished / folder.folder, lines, signatures(paths))


def _of_shards(paths: list[Path], shard_lines: int) -> Iterator[Lines]:
    """Yields the lines of shards, each of which has as many as it should, the last one fewer."""
    for path in paths:
        count = 0
        for lines in _parsed(path):
            count += len(lines.labels)
            yield lines
        fits = 0 < count <= shard_lines if path is paths[-1] else count == shard_lines
        if not fits:
            raise DataError(
                f"{path} has {count:,} lines, shards of a day have {shard_lines:,}, the last one "
                "as many or fewer; split the day again"
            )


def _parsed(path: Path) -> Iterator[Lines]:
    """Yields a file's lines, which as many threads parse as there are processors."""
    return built_ahead(_parse, blocks(path), ahead=os.cpu_count() or 1)


def _parse(block: Block) -> Lines:
    return parse(block.text, str(block.path), block.first_line)
