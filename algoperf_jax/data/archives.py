"""Archives, unpacked without writing outside of their destination."""

import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from algoperf_jax.errors import DataError


def unpack_zip(archive: Path, destination: Path, members: Iterable[str], within: str = "") -> None:
    """Writes some files of a zip archive below `destination`, under their own names.

    Args:
      archive: the zip file.
      destination: made if it does not exist.
      members: names of the files, relative to `within`; nothing else is unpacked.
      within: the archive's folder that holds them, with a slash behind it.

    Raises:
      DataError: the archive does not exist, is damaged, or lacks one of the files.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            for name in members:
                path = destination / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with content.open(within + name) as packed, open(path, "wb") as file:
                    shutil.copyfileobj(packed, file)
    except FileNotFoundError:
        raise DataError(f"{archive} does not exist") from None
    except KeyError as error:
        raise DataError(f"{archive} is another archive than expected: {error.args[0]}") from None
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} is damaged or not a zip file ({error}); replace it") from None


def unpack_tar(archive: Path, destination: Path) -> None:
    """Unpacks a tar archive, compressed or not; members that would land elsewhere are refused.

    Raises:
      DataError: the archive cannot be read, is incomplete, or holds such a member.
    """
    try:
        with tarfile.open(archive, "r:*") as members:
            members.extractall(destination, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"{archive} is not a tar file or is incomplete ({reason}); replace it"
        ) from None


def unpack_tar_members(archive: Path, destination: Path, members: Iterable[str]) -> None:
    """Writes some files of a tar archive below `destination`, under their own names.

    Args:
      archive: the tar file, compressed or not; read up to the last of the members.
      destination: made if it does not exist.
      members: names of the files; nothing else is unpacked.

    Raises:
      DataError: the archive cannot be read, is incomplete, or lacks one of the files.
    """
    missing = set(members)
    try:
        with tarfile.open(archive, "r:*") as content:
            for member in content:
                name = member.name.removeprefix("./")
                if name not in missing or not member.isfile():
                    continue
                (destination / name).parent.mkdir(parents=True, exist_ok=True)
                packed = content.extractfile(member)
                assert packed is not None, "members that are files have content"
                with packed, open(destination / name, "wb") as file:
                    shutil.copyfileobj(packed, file)
                missing.remove(name)
                if not missing:
                    return  # the rest may be gigabytes of other languages
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"{archive} is not a tar file or is incomplete ({reason}); replace it"
        ) from None
    raise DataError(f"{archive} is another archive than expected: it has no {min(missing)}")


def tar_members(archive: Path) -> list[str]:
    """The names in an uncompressed tar archive's table of contents.

    Raises:
      DataError: it is not a tar file or is incomplete.
    """
    try:
        with tarfile.open(archive, "r:") as members:
            return members.getnames()
    except tarfile.TarError as error:
        raise DataError(
            f"{archive} is not a tar file or is incomplete ({error}); replace it"
        ) from None
