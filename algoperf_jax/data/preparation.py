"""From upstream's files to prepared data: what is missing is fetched, converted and put in place.

A workload says for each of its data sets what it is made from and how (`Step`); the rest is the
same for all of them: what is there already stays, the disk has to have room, one process works at
a time, a data set appears complete or not at all, and what was downloaded goes when it has served.
"""

import contextlib
import dataclasses
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from algoperf_jax.data.download import Download, fetch, require_disk
from algoperf_jax.data.prepared_folder import UNFINISHED, PreparedFolder, write_atomically
from algoperf_jax.data.stored import StoredData
from algoperf_jax.errors import DataError

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Step:
    """How one data set is made.

    Attributes:
      dataset: what comes out.
      given: `raw -> path or None`, what of the user's raw files, if any, it is made from; raises a
        `DataError` where they are not what they should be, or cannot be done without.
      disk_bytes: `path or None -> bytes`, the room that the result takes, with what is downloaded
        and unpacked on the way, unless that is counted by `passing_bytes`.
      write: `(path, unfinished root) -> None`, writes the data set below an empty folder; what else
        it leaves there is removed.
      download: fetched where nothing is given; of a tuple of files `write` gets the folder that
        holds them under their own names. None: something always is given.
      note: what the user should know while it is being converted.
      passing_bytes: `path or None -> bytes`, the room that is free again when the next data set is
        made.
    """

    dataset: PreparedFolder
    given: Callable[[Path | None], Path | None]
    disk_bytes: Callable[[Path | None], int]
    write: Callable[[Path, Path], None]
    download: Download | tuple[Download, ...] | None = None
    note: str = ""
    passing_bytes: Callable[[Path | None], int] = lambda given: 0

    @property
    def downloads(self) -> tuple[Download, ...]:
        """Every file of `download`."""
        if self.download is None:
            return ()
        return (self.download,) if isinstance(self.download, Download) else self.download


def prepare(
    stored: StoredData,
    steps: Sequence[Step],
    data_dir: Path,
    raw: Path | None,
    *,
    keep_download: bool,
    report: Report,
    examples: Mapping[str, int],
) -> Path:
    """Makes what is missing of a workload's data and returns the folder that holds them.

    A data set that is there already is left as it is, so the command goes on where an interrupted
    one stopped, data set by data set.

    Args:
      stored: what the data are.
      steps: one for each data set, the shortest first.
      data_dir: where the data of all workloads are kept.
      raw: the user's own raw files; nothing in them is changed.
      keep_download: whether what was downloaded stays.
      report: called with lines for the user.
      examples: of each split.

    Raises:
      DataError: raw files or a download are not what they should be, the result has another number
        of examples, the disk is too small, or another process is at it.
    """
    root = stored.root(data_dir)
    missing = []
    for step in steps:
        folder = root / step.dataset.folder
        if step.dataset.is_there(root):
            step.dataset.check_examples(root, examples, f"remove {folder} and run it again")
            report(f"{folder} is there already")
        else:
            missing.append((step, step.given(raw)))
    if not missing:
        return root
    with alone_in(root):
        needed = sum(step.disk_bytes(given) for step, given in missing)
        passing = [step.passing_bytes(given) for step, given in missing]
        needed += sum(passing) if keep_download else max(passing)
        report(f"{stored.name} needs {needed / 1e9:.2f} GB of disk space in {root}")
        require_disk(root, needed)
        for step, given in missing:
            _make(step, given, root, keep_download, report, examples)
    return root


def _make(
    step: Step,
    given: Path | None,
    root: Path,
    keep_download: bool,
    report: Report,
    examples: Mapping[str, int],
) -> None:
    downloaded: list[Path] = []
    if given is None:
        assert step.downloads, "a step without a download is always given its files"
        downloaded = [fetch(download, root) for download in step.downloads]
        made_from = root if isinstance(step.download, tuple) else downloaded[0]
    else:
        made_from = given
    sources = " and ".join(map(str, downloaded or [made_from]))
    report(f"converting {sources}{'; ' if step.note else ''}{step.note}")

    def write(unfinished: Path) -> None:
        step.write(made_from, unfinished)
        try:
            step.dataset.check_examples(unfinished, examples, f"replace {sources} and run it again")
        except DataError as error:  # its folder will be gone
            raise DataError(str(error).replace(str(unfinished), str(root))) from None

    write_atomically(step.dataset, root, write)
    if not keep_download:
        for path in downloaded:
            path.unlink()
    report(f"{root / step.dataset.folder} is ready")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of `folder`, and removes what a killed one left there.

    Raises:
      DataError: another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process is preparing {folder}; wait until it ends") from None
        except OSError:
            pass  # a file system without locks: what others do there is unknown
        else:
            for left in folder.rglob(f"{UNFINISHED}*"):
                shutil.rmtree(left)
        yield
    finally:
        os.close(descriptor)
