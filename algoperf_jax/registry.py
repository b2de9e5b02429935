"""Workloads and submissions by name, by import path, or from a user's own file."""

import dataclasses
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from algoperf_jax.errors import UserError
from algoperf_jax.own_code import explained

MOST_NAMED = 12
"""Names that an error lists; more of them hide what it says."""


class Entry(NamedTuple):
    """Where a name leads.

    Attributes:
      path: `"package.module:attribute"`.
      summary: one line for a listing.
      scales: of a workload, the scales at which it exists.
    """

    path: str
    summary: str
    scales: tuple[str, ...] = ()


class Found(NamedTuple):
    """What a name has led to.

    Attributes:
      value: the thing itself.
      file: the Python file of the module it was taken from; None for a module without one.
    """

    value: Any
    file: Path | None


@dataclasses.dataclass(frozen=True)
class Registry:
    """The names of one kind of thing; loading happens on request only.

    Attributes:
      kind: what the things are called, `"workload"` or `"submission"`.
      entries: the known names.
      attribute: what a user's file or module is expected to define, unless it is named.
    """

    kind: str
    entries: Mapping[str, Entry]
    attribute: str

    def load(self, name: str) -> Any:
        """What a name or path leads to; see `find`."""
        return self.find(name).value

    def find(self, name: str) -> Found:
        """What a name or path leads to, with the file that defines it.

        Args:
          name: a known name, `package.module[:attribute]`, or `path/to/file.py[:attribute]`.

        Raises:
          UserError: nothing is found there, with the nearest known names.
        """
        if name in self.entries:
            name = self.entries[name].path
        module_name, _, attribute = name.partition(":")
        if module_name.endswith(".py"):
            module = self._from_file(Path(module_name))
        elif module_name.strip(".") and ("." in module_name or ":" in name):
            module = self._from_package(module_name)
        else:
            raise UserError(self._unknown(name))
        attribute = attribute or self.attribute
        if not hasattr(module, attribute):
            raise UserError(
                f"{self.kind} {name!r}: {module_name} does not define {attribute!r}; define it, "
                f"or name what to take: {module_name}:NAME"
            )
        file = getattr(module, "__file__", None)
        return Found(getattr(module, attribute), Path(file).absolute() if file else None)

    def listing(self) -> str:
        """All names with their summaries, one a line."""
        width = max(map(len, self.entries), default=0)
        return "\n".join(f"  {n:<{width}}  {e.summary}" for n, e in self.entries.items())

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name.lower(), self.entries, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        return (
            f"unknown {self.kind} {name!r}; {hint}{self._known()}; your own is given as "
            "path/to/file.py or package.module:NAME"
        )

    def _known(self) -> str:
        """All names where they are few; where they are many, where to read them."""
        if len(self.entries) > MOST_NAMED:
            return f"--list shows the {len(self.entries)} names there are"
        return f"known are {', '.join(self.entries)}"

    def _from_package(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(
                f"{self.kind} {name!r}: there is no module {error.name!r} on the import path; "
                f"{self._known()}"
            ) from None
        except (Exception, SystemExit) as error:
            raise UserError(self._raised(name, error)) from error

    def _from_file(self, path: Path) -> ModuleType:
        if not path.is_file():
            raise UserError(f"{self.kind} {str(path)!r}: there is no such file")
        name = f"_algoperf_jax_{self.kind}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickling look their module up there
        # A file may import what lies beside it, as a script does.
        sys.path.insert(0, str(path.parent.absolute()))
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise UserError(self._raised(str(path), error)) from error
        finally:
            sys.path.pop(0)
        return module

    def _raised(self, where: str, error: BaseException) -> str:
        return f"{self.kind} {where!r}: importing it raised {explained(error)}"
