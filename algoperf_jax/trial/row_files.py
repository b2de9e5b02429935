"""Files that grow by rows: CSV files, and scalars for TensorBoard."""

import csv
import io
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.files import Row, write_csv


class RowFile:
    """A CSV file of a list that only grows: new rows are appended.

    Only a row with a new column makes the whole file anew, and so does the first call, as a trial
    that is resumed may have fewer rows than its file. A kill may leave the last line unfinished.

    Args:
      path: the file.
      order: of the columns, from their names in order of first appearance.
    """

    def __init__(self, path: Path, order: Callable[[Iterable[str]], Sequence[str]] = tuple):
        self._path = path
        self._order = order
        self._header: Sequence[str] = ()
        self._written = 0

    def write(self, rows: Sequence[Row]) -> None:
        """Makes the file hold all rows, of which those of earlier calls are the first."""
        if not (rows or self._header):
            self._path.unlink(missing_ok=True)  # of an earlier start that left no checkpoint
        new = rows[self._written :]
        if not new:
            return
        if all(name in self._header for row in new for name in row):
            text = io.StringIO()
            csv.DictWriter(text, self._header, restval="", lineterminator="\n").writerows(new)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(text.getvalue())
                file.flush()
                os.fsync(file.fileno())
        else:
            names = dict.fromkeys(name for row in rows for name in row)
            self._header = self._order(names)
            write_csv(self._path, self._header, rows)
        self._written = len(rows)


class EventFile:
    """A file of scalars that TensorBoard reads, written without TensorFlow.

    Args:
      folder: where a new file is made, beside those of earlier processes.
    """

    def __init__(self, folder: Path):
        # Imported by trials with a folder alone.
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._writer = RecordWriter(open(folder / name, "wb"))  # noqa: SIM115
        self._add(file_version="brain.Event:2")

    def write(self, step: int, scalars: Row) -> None:
        """Adds scalars, by name, at a step."""
        values = [
            self._summary.Value(tag=name, simple_value=float(value))
            for name, value in scalars.items()
        ]
        self._add(step=step, summary=self._summary(value=values))

    def flush(self) -> None:
        """Hands what was written to the system."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _add(self, **fields: Any) -> None:
        event = self._event(wall_time=time.time(), **fields)
        self._writer.write(event.SerializeToString())
