"""What a submission's source gives away: rules it breaks that can be read off the text.

A reader of the source finds more, so an empty list is not a certificate. What is looked for:

- names of workloads outside `batch_size`, the one place that may know them (a violation);
- ways to learn the workload's name elsewhere: arguments, environment, call stack, the workloads
  (a violation);
- settings of the compiler, which are not the algorithm's to change (a violation);
- threads and processes, which could work while the clock stands (a warning);
- files and the network, which may hold results of workloads: an algorithm may bring a table of its
  own, so a reader has to look at what is read (a warning);
- text run as code, and names that only the running program knows (a warning);
- comparisons with numbers that identify a workload, as its number of examples (a warning).

What is used is known by its full name, however the source gets hold of it: see `python_source`.
"""

import ast
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from algoperf_jax.python_source import COMPUTED, uses


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that a check has found.

    Attributes:
      kind: `"violation"` of a rule, or a `"warning"` to look into.
      text: what and where, in one line.
    """

    kind: Literal["violation", "warning"]
    text: str


_NUMPY_READERS = ("load", "fromfile", "loadtxt", "genfromtxt", "memmap", "fromregex", "DataSource")
_FRAMES = ("stack", "currentframe", "getouterframes", "getinnerframes", "getframeinfo", "trace")
_FORBIDDEN = {
    "the workloads themselves": ("workloads",),
    "the trial it is part of": ("algoperf_jax.suite", "algoperf_jax.trial"),
    "the command line": ("sys.argv", "sys.orig_argv"),
    "the call stack": (
        *(f"inspect.{name}" for name in _FRAMES),
        *("traceback", "sys._getframe", "sys._current_frames", "sys.exc_info", "sys.settrace"),
        *("sys.setprofile", "*.f_back", "*.f_globals", "*.f_locals", "*.tb_frame"),
    ),
    "other modules of the program": ("sys.modules", "__main__", "*.__globals__"),
    "objects of the program": ("gc", "*.__subclasses__"),
    "the environment": (
        *("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"),
        *("posix.environ", "psutil"),
    ),
    "settings of the compiler": (
        *("jax.config", "jax._src.config", "jax._src.compiler", "jax._src.xla_bridge"),
        *("jaxlib.xla_client", "*.compiler_options"),
    ),
    "native code": ("ctypes", "cffi"),
}
"""What an algorithm may not know or change, and the names that lead there."""

_SUSPICIOUS = {
    "threads and processes may not work while the clock stands": (
        *("threading", "_thread", "multiprocessing", "concurrent", "asyncio", "subprocess"),
        *("signal", "sched", "atexit", "os.fork", "os.forkpty", "os.system", "os.popen"),
        *("os.posix_spawn", "os.execv", "os.execve", "os.spawnv", "os.spawnl"),
    ),
    "trained parameters and results of workloads may not be read; look at what it reads": (
        *("builtins.open", "io.open", "io.FileIO", "io.open_code", "_io", "codecs.open", "os.open"),
        *("os.read", "os.fdopen", "os.listdir", "os.scandir", "os.walk", "pathlib", "glob"),
        *("*.read_bytes", "*.read_text", "fileinput", "linecache", "shutil", "tempfile", "mmap"),
        *("importlib.resources", "pkgutil", "sqlite3", "dbm", "shelve", "pickle", "_pickle"),
        *("dill", "cloudpickle", "joblib", "marshal", "csv", "gzip", "bz2", "lzma", "zipfile"),
        *(f"{module}.{name}" for module in ("numpy", "jax.numpy") for name in _NUMPY_READERS),
        *("numpy.lib.npyio", "numpy.lib.format", "scipy.io", "pandas", "polars", "pyarrow"),
        *("tarfile", "h5py", "safetensors", "torch", "tensorflow", "tensorflow_datasets"),
        *("tensorstore", "array_record", "orbax", "flax.training.checkpoints", "msgpack"),
    ),
    "nothing may come over the network": (
        *("socket", "ssl", "http", "urllib", "urllib3", "ftplib", "requests", "aiohttp", "httpx"),
        *("huggingface_hub", "xmlrpc"),
    ),
    "what is run as code is not checked; look at what it does": (
        *("builtins.exec", "builtins.eval", "builtins.compile", "code", "codeop", "runpy"),
        *("importlib.util", "importlib.machinery", "importlib.reload", "*.__getattribute__"),
        "*.__builtins__",
    ),
    "a name that is computed; write it out, or look at what it can become": (COMPUTED,),
}
"""What a reader has to look into, and the names that lead there."""


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
    found += _used(tree, file)
    for value, node in _compared(tree):
        if value in numbers:
            text = (
                f"{file}, line {node.lineno}: compares with {value:g}, {numbers[value]}; an "
                "algorithm may not recognise its workload"
            )
            found.append(Finding("warning", text))
    return list(dict.fromkeys(found))


def _used(tree: ast.Module, file: str) -> Iterator[Finding]:
    """What the rules say about the names that a source uses, each once for a line."""
    said: set[tuple[int, str]] = set()
    for use in uses(tree):
        name = use.path.removeprefix("builtins.").removeprefix("*.")
        for kind, says in _rules_on(use.path):
            if (use.line, says) not in said:
                said.add((use.line, says))
                yield Finding(kind, f"{file}, line {use.line}: uses {name}; {says}")


def _rules_on(path: str) -> Iterator[tuple[Literal["violation", "warning"], str]]:
    for what, names in _FORBIDDEN.items():
        if any(_leads_to(path, name) for name in names):
            yield "violation", f"an algorithm may not know or change {what}"
    for why, names in _SUSPICIOUS.items():
        if any(_leads_to(path, name) for name in names):
            yield "warning", why


def _leads_to(path: str, name: str) -> bool:
    """Whether a full name is a name of the rules or a part of it; `COMPUTED` may stand anywhere."""
    if name == COMPUTED:
        return COMPUTED in path.split(".")
    return path == name or path.startswith(f"{name}.")


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
