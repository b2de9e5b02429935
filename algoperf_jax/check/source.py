"""What a submission's source gives away: rules it breaks that can be read off the text.

A reader of the source finds more, so an empty list is not a certificate. What is looked for:

- names of workloads outside `batch_size`, the one place that may know them;
- ways to learn the workload's name elsewhere: arguments, environment, call stack, the workloads;
- settings of the compiler, which are not the algorithm's to change;
- threads and processes, which could work while the clock stands (a warning);
- comparisons with numbers that identify a workload, as its number of examples (a warning).
"""

import ast
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that a check has found.

    Attributes:
      kind: `"violation"` of a rule, or a `"warning"` to look into.
      text: what and where, in one line.
    """

    kind: Literal["violation", "warning"]
    text: str


_FORBIDDEN = {
    "workloads": "the workloads themselves",
    "sys.argv": "the command line",
    "sys._getframe": "the call stack",
    "sys.modules": "other modules of the program",
    "inspect": "the call stack",
    "traceback": "the call stack",
    "gc": "objects of the program",
    "os.environ": "the environment",
    "os.environb": "the environment",
    "os.getenv": "the environment",
    "os.putenv": "the environment",
    "jax.config": "settings of the compiler",
    "ctypes": "native code",
}
_SUSPICIOUS = {
    "threading": "threads may not work while the clock stands",
    "multiprocessing": "processes may not work while the clock stands",
    "concurrent": "threads and processes may not work while the clock stands",
    "asyncio": "nothing may work while the clock stands",
    "subprocess": "processes may not work while the clock stands",
    "pickle": "trained parameters may not be loaded",
    "open": "trained parameters and results of workloads may not be read",
}


def findings(
    source: str, file: str, names: Collection[str], numbers: Mapping[float, str]
) -> list[Finding]:
    """What can be read off a submission's source.

    Args:
      source: the text of the file.
      file: its name, for what is reported.
      names: of all workloads.
      numbers: what identifies a workload, with the words to report it in.

    Raises:
      SyntaxError: the source is not Python.
    """
    tree = ast.parse(source, file)
    found = [
        Finding(
            "violation",
            f"{file}, line {node.lineno}: names the workload {name!r} outside batch_size; only "
            "the batch size may depend on the workload's name",
        )
        for name, node in _named(tree, names)
    ]
    for path, node in _used(tree):
        for forbidden, what in _FORBIDDEN.items():
            if path == forbidden or path.startswith(f"{forbidden}."):
                text = f"{file}, line {node.lineno}: uses {path}; an algorithm may not know {what}"
                found.append(Finding("violation", text))
        for suspicious, why in _SUSPICIOUS.items():
            if path == suspicious or path.startswith(f"{suspicious}."):
                text = f"{file}, line {node.lineno}: uses {path}; {why}"
                found.append(Finding("warning", text))
    for value, node in _compared(tree):
        if value in numbers:
            text = (
                f"{file}, line {node.lineno}: compares with {value:g}, {numbers[value]}; an "
                "algorithm may not recognise its workload"
            )
            found.append(Finding("warning", text))
    return list(dict.fromkeys(found))


def _named(tree: ast.Module, names: Collection[str]) -> list[tuple[str, ast.expr]]:
    """Workload names in the parts of the source that do not belong to the batch size alone."""
    known = {*names, *(f"{name}_mini" for name in names)}
    found: list[tuple[str, ast.expr]] = []
    for statement in _outside_batch_size(tree):
        docstrings = _docstrings(statement)
        for node in _walk(statement):
            if isinstance(node, ast.Constant) and node.value in known and node not in docstrings:
                found.append((str(node.value), node))
            if isinstance(node, ast.Call):
                found += [(k.arg, k.value) for k in node.keywords if k.arg in known and k.arg]
    return found


def _outside_batch_size(tree: ast.Module) -> list[ast.stmt]:
    """The top-level statements that something else than the batch size uses.

    A function called `batch_size`, what a call is given as `batch_size=`, and the definitions that
    only these refer to are the batch size's own.
    """
    own: set[ast.stmt] = {
        s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "batch_size"
    }
    passed = [k.value for n in ast.walk(tree) if isinstance(n, ast.Call) for k in _batch_sizes(n)]
    while True:
        outside = [s for s in tree.body if s not in own]
        inside = set().union(*(_loaded(part) for part in [*own, *passed]))
        more = {
            statement
            for statement in outside
            if (defined := _defined(statement))
            and defined & inside
            and not any(defined & _loaded(s, whole=False) for s in outside if s is not statement)
        }
        if not more:
            return outside
        own |= more


def _batch_sizes(call: ast.Call) -> list[ast.keyword]:
    return [keyword for keyword in call.keywords if keyword.arg == "batch_size"]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, leaving out what a call is given as `batch_size=`."""
    yield node
    left_out = _batch_sizes(node) if isinstance(node, ast.Call) else []
    for child in ast.iter_child_nodes(node):
        if child in left_out:
            continue
        if isinstance(child, ast.FunctionDef) and child.name == "batch_size":
            continue
        yield from _walk(child)


def _loaded(node: ast.AST, whole: bool = True) -> set[str]:
    nodes = ast.walk(node) if whole else _walk(node)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return {
            n.id
            for n in ast.walk(statement)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
    return set()


def _docstrings(statement: ast.stmt) -> set[ast.AST]:
    """Strings that stand alone as statements."""
    nodes = ast.walk(statement)
    return {n.value for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


def _used(tree: ast.Module) -> list[tuple[str, ast.expr | ast.stmt]]:
    """Modules and their parts that the source uses, by their full names: `"os.environ"`."""
    found: list[tuple[str, ast.expr | ast.stmt]] = []
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                found.append((alias.name, node))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [(f"{node.module}.{alias.name}", node) for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module:
                found.append((f"{module}.{node.attr}", node))
        elif isinstance(node, ast.Name) and node.id == "open":
            found.append(("open", node))
    return found


def _compared(tree: ast.Module) -> Iterator[tuple[float, ast.expr]]:
    """Numbers that something is compared with, or looked up by."""
    for node in ast.walk(tree):
        parts: Sequence[ast.expr | None] = ()
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            parts = node.keys
        for part in parts:
            for inner in ast.walk(part) if part is not None else ():
                value = inner.value if isinstance(inner, ast.Constant) else None
                if isinstance(inner, ast.Constant) and isinstance(value, int | float):
                    yield float(value), inner
