"""Downloads that can be interrupted, resumed and trusted."""

import dataclasses
import hashlib
import http.client
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from algoperf_jax.errors import DataError

Progress = Callable[[str, int, int], None]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60
_ATTEMPTS = 5


@dataclasses.dataclass(frozen=True)
class Download:
    """A file on the web and how to know it.

    Attributes:
      url: where it is.
      size: in bytes.
      sha256: 64 hexadecimal digits.
    """

    url: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The last part of the URL's path."""
        return Path(urllib.parse.urlparse(self.url).path).name


def show_progress(name: str, done: int, total: int) -> None:
    """Rewrites one line of standard error: name, megabytes done, megabytes in all, per cent."""
    end = "\n" if done >= total else ""
    line = f"\r{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB ({done / total:.0%})"
    print(line, end=end, file=sys.stderr, flush=True)


def require_disk(directory: Path, needed: int) -> None:
    """Raises a `DataError` unless the disk of `directory` has `needed` bytes free."""
    existing = next(p for p in (directory.absolute(), *directory.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"{directory} needs {needed / 1e9:.2f} GB of free disk space, {free / 1e9:.2f} GB are "
            "free; free some or choose another directory"
        )


def fetch(download: Download, directory: Path, *, progress: Progress = show_progress) -> Path:
    """Returns the path of the downloaded file in `directory`, downloading what is missing of it.

    Bytes arrive in `<filename>.part`; a later call goes on where an interrupted one stopped (by an
    HTTP range request). Only a file of the right checksum gets its final name.

    Args:
      download: what to fetch.
      directory: made if it does not exist.
      progress: called with the file's name, bytes done and bytes in all.

    Raises:
      DataError: the disk is too small, the server does not deliver, or the checksum is wrong.
    """
    path = directory / download.filename
    part = path.with_name(path.name + ".part")
    if path.exists():
        _check(path, download)
        return path
    directory.mkdir(parents=True, exist_ok=True)
    if _size(part) > download.size:
        part.unlink()
    require_disk(directory, download.size - _size(part))
    for attempt in range(1, _ATTEMPTS + 1):
        if _size(part) == download.size:
            break
        try:
            _receive(download, part, progress)
        except urllib.error.HTTPError as error:
            raise DataError(
                f"{download.url}: the server answers {error.code} {error.reason}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            if attempt == _ATTEMPTS:
                raise DataError(
                    f"{download.url}: {error}; {_size(part):,} of {download.size:,} bytes are in "
                    f"{part}; the same command goes on from there"
                ) from None
    _check(part, download)
    part.rename(path)
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(download: Download, part: Path, progress: Progress) -> None:
    """Appends to `part` what one connection delivers; raises OSError when it ends too early."""
    done = _size(part)
    headers = {"Range": f"bytes={done}-"} if done else {}
    request = urllib.request.Request(download.url, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        if done and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0  # a server without ranges sends the whole file again
        with open(part, "ab" if done else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(download.filename, done, download.size)
                if done > download.size:
                    break
    if done < download.size:
        raise ConnectionError("the connection ended early")


def _check(path: Path, download: Download) -> None:
    """Raises a `DataError` and removes the file when its size or checksum is not the stated one."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = _size(path)
    if (size, digest) != (download.size, download.sha256):
        path.unlink()
        raise DataError(
            f"{download.url} gave {size:,} bytes with SHA-256 {digest}, expected "
            f"{download.size:,} bytes with {download.sha256}; the file is removed, try again, and "
            "if it happens again the file on the server has changed"
        )
