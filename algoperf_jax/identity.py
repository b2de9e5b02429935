"""The identity of a submission: a checksum of its own file and all of the user's that it imports.

Two algorithms under one name must not continue each other's trials, so a trial records the identity
and resumes only where it is the same. What comes from the kit, the standard library and installed
packages is not the submission's: their versions stand in the record beside it.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib.util
import inspect
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from importlib import machinery
from pathlib import Path
from typing import Any

from algoperf_jax.python_source import uses
from algoperf_jax.submission import Submission

_PACKAGE = Path(__file__).absolute().parent
_NOT_THE_SUBMISSIONS = (
    Path(sysconfig.get_path("stdlib")),
    _PACKAGE,
    _PACKAGE.parent / "workloads",
)
CATALOGUE = _PACKAGE.parent / "reference_algorithms" / "__init__.py"
"""Imported with each reference algorithm; another entry in it leaves them as they are."""
_INSTALLED = {"site-packages", "dist-packages"}
_LOADERS = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
)


def source_identity(submission: Submission) -> str | None:
    """The checksum of what a submission consists of; None where it was made outside of files.

    It depends on the files' names within their packages and on their bytes: neither on where the
    folder lies nor on the order of imports.

    Returns:
      SHA-256 in hexadecimal digits.
    """
    files = source_files(submission)
    if not files:
        return None
    digest = hashlib.sha256()
    for name, content in sorted({(_name(file), _checksum(file)) for file in files}):
        digest.update(f"{content} {name}\n".encode())
    return digest.hexdigest()


def source_files(submission: Submission) -> list[Path]:
    """The user's files that a submission consists of, each once.

    These are the file it was loaded from, the files that define its functions, and all that they
    import, inside functions too: modules beside the file or on the import path. An import counts
    where its name is written out.
    """
    functions = [file for file in map(_defining_file, _functions(submission)) if file]
    waiting = [file for file in functions if file.is_file() and _is_the_users(file)]
    folders = []
    if submission.file is not None:
        file = submission.file.absolute()
        waiting.insert(0, file)
        folders = [file.parent]  # where its imports are looked for while it is loaded
    folders = list(dict.fromkeys([*folders, *(_top(file) for file in waiting)]))
    found: list[Path] = []
    while waiting:
        file = waiting.pop(0)
        if file not in found and file != CATALOGUE:
            found.append(file)
            waiting += _imported(file, folders)
    return found


def _functions(value: Any) -> Iterator[Callable]:
    """The functions, methods and classes that a submission's fields come down to."""
    if isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield from _functions(part)
    elif inspect.ismethod(value):
        yield value.__func__
        yield from _functions(value.__self__)
    elif inspect.isfunction(unwrapped := inspect.unwrap(value)) or inspect.isclass(unwrapped):
        yield unwrapped
    elif dataclasses.is_dataclass(value):
        yield type(value)
        for field in dataclasses.fields(value):
            yield from _functions(getattr(value, field.name))
    elif callable(value):
        yield type(value)


def _defining_file(function: Callable) -> Path | None:
    try:
        file = inspect.getsourcefile(function)
    except (TypeError, OSError):  # built in, or typed in
        return None
    return Path(file).absolute() if file else None


def _is_the_users(file: Path) -> bool:
    installed = _INSTALLED & set(file.parts)
    return not installed and not any(file.is_relative_to(part) for part in _NOT_THE_SUBMISSIONS)


def _top(file: Path) -> Path:
    """The folder whose modules are imported by their bare names: outside of all packages."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _name(file: Path) -> str:
    return file.relative_to(_top(file)).as_posix()


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _imported(file: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """The user's files that a file imports itself, packages on the way included."""
    for path in _used_names(file.read_bytes()):
        name = path.lstrip(".")
        first, *rest = name.split(".")
        if level := len(path) - len(name):
            package = file.parents[level - 1]
            yield from filter(_is_the_users, _initials(package))
            yield from _along(_inside([package], first), rest)
        else:
            yield from _along(_top_level(first, folders), rest)


@functools.lru_cache(maxsize=256)
def _used_names(content: bytes) -> tuple[str, ...]:
    """The dotted names that a file uses, each once; the same file is looked at for every trial."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # compiled, or a module that would not load
        return ()
    return tuple(dict.fromkeys(use.path for use in uses(tree)))


def _along(spec: machinery.ModuleSpec | None, rest: Sequence[str]) -> Iterator[Path]:
    """The files of a module and of those inside it that the rest of a full name leads through."""
    while spec is not None:
        locations = [Path(folder) for folder in spec.submodule_search_locations or ()]
        if spec.has_location and spec.origin:
            file = Path(spec.origin).absolute()
            if not _is_the_users(file):
                return
            yield file
        if not rest:
            return
        spec, rest = _inside(locations, rest[0]), rest[1:]


def _initials(package: Path) -> Iterator[Path]:
    """What is run before anything in a package is."""
    while (package / "__init__.py").is_file():
        yield package / "__init__.py"
        package = package.parent


def _top_level(name: str, folders: Sequence[Path]) -> machinery.ModuleSpec | None:
    """Where a full name's first part leads; a mere folder gives way to everything else."""
    return _module(folders, name) or _on_import_path(name) or _mere_folder(folders, name)


def _inside(folders: Sequence[Path], name: str) -> machinery.ModuleSpec | None:
    return _module(folders, name) or _mere_folder(folders, name)


def _on_import_path(name: str) -> machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: what runs as __main__ has no specification
        return None


def _module(folders: Sequence[Path], name: str) -> machinery.ModuleSpec | None:
    """The module or package of that name in the first of the folders that has one."""
    return next((spec for spec in _found(folders, name) if spec.loader is not None), None)


def _mere_folder(folders: Sequence[Path], name: str) -> machinery.ModuleSpec | None:
    """The same for a folder without an `__init__.py`, which modules are imported from too."""
    return next((spec for spec in _found(folders, name) if spec.loader is None), None)


def _found(folders: Sequence[Path], name: str) -> Iterator[machinery.ModuleSpec]:
    # Finders of their own: those of the import system do not see what was written just now.
    specs = (machinery.FileFinder(str(folder), *_LOADERS).find_spec(name) for folder in folders)
    yield from filter(None, specs)
