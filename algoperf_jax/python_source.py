"""What a Python source uses, by full names, read off its text.

`from numpy import load as l` and `l(...)`, `getattr(numpy, "load")`, `vars(numpy)["load"]`,
`importlib.import_module("numpy").load` and `f = numpy.load` are all uses of `numpy.load`. Scopes
are not told apart: a name may mean whatever any part of the source has it mean.
"""

import ast
import builtins
from collections.abc import Iterator
from typing import NamedTuple

COMPUTED = "?"
"""In place of a name that only the running program knows: `"jax.?"`."""

_ATTRIBUTE_FUNCTIONS = {"builtins.getattr", "builtins.setattr", "builtins.delattr"}
_IMPORT_FUNCTIONS = {"importlib.import_module", "importlib.__import__", "builtins.__import__"}
_CHAINS = 3
"""Passes over the assignments: `a = jax; b = a.config; c = b` in any order takes three."""


class Use(NamedTuple):
    """A name that a source uses.

    Attributes:
      path: `"os.environ"`, `"builtins.open"`; `".beside.f"` for `from .beside import f`;
        `"*.f_back"` for an attribute or keyword of that name, whatever it belongs to.
      line: where.
    """

    path: str
    line: int


def uses(tree: ast.Module) -> list[Use]:
    """Everything that a source imports or uses of what it has imported, and builtins.

    Of `os.environ.get` the whole path is named, not its beginnings.

    Args:
      tree: the source, parsed.
    """
    names = _Names(tree)
    return [*_import_uses(tree), *_expression_uses(tree, names), *_attribute_uses(tree, names)]


def _import_uses(tree: ast.Module) -> Iterator[Use]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Use(_origin(node, alias), node.lineno)


def _expression_uses(node: ast.AST, names: "_Names") -> Iterator[Use]:
    if isinstance(node, ast.expr):
        paths = names.paths(node)
        for path in sorted(paths):
            yield Use(path, node.lineno)
        while paths and isinstance(node, ast.Attribute):
            node = node.value  # a part of what has just been named
    for child in ast.iter_child_nodes(node):
        yield from _expression_uses(child, names)


def _attribute_uses(tree: ast.Module, names: "_Names") -> Iterator[Use]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield Use(f"*.{node.attr}", node.lineno)
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg:
                    yield Use(f"*.{keyword.arg}", node.lineno)
            if (accessed := names.accessed(node)) and (text := _text(accessed[1])):
                yield Use(f"*.{text}", node.lineno)


class _Names:
    """What the names of a source stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self._meanings: dict[str, set[str]] = {"__builtins__": {"builtins"}}
        self._stars: set[str] = set()
        self._own = _bound(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    self._mean(alias.asname or top, {alias.name if alias.asname else top})
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if alias.name == "*":
                        self._stars.add(_origin(node, alias).removesuffix("*"))
                    else:
                        self._mean(alias.asname or alias.name, {_origin(node, alias)})
        assignments = [pair for node in ast.walk(tree) for pair in _assigned(node)]
        self._known: dict[ast.expr, set[str]] = {}
        for _ in range(_CHAINS):
            for name, value in assignments:
                self._mean(name, self.paths(value))
            self._known = {}  # the next pass may find more

    def _mean(self, name: str, paths: set[str]) -> None:
        self._meanings.setdefault(name, set()).update(paths)

    def paths(self, node: ast.expr) -> set[str]:
        """The full names that an expression may be; empty where it is none of an import."""
        if node not in self._known:
            self._known[node] = self._read(node)
        return self._known[node]

    def _read(self, node: ast.expr) -> set[str]:
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            return {f"{path}.{node.attr}" for path in self.paths(node.value)}
        if isinstance(node, ast.NamedExpr):
            return self.paths(node.value)
        if isinstance(node, ast.IfExp):
            return self.paths(node.body) | self.paths(node.orelse)
        if isinstance(node, ast.Subscript):
            return self._items(node.value, node.slice)
        if isinstance(node, ast.Call):
            return self._called(node)
        return set()

    def _named(self, name: str) -> set[str]:
        if name in self._own and name not in self._meanings:
            return set()
        found = {*self._meanings.get(name, ())}
        if hasattr(builtins, name) and name not in self._own:
            found.add(f"builtins.{name}")
        return found or {f"{module}{name}" for module in self._stars}

    def _called(self, call: ast.Call) -> set[str]:
        """What a call gives, where it looks something up."""
        if accessed := self.accessed(call):
            owner, name = accessed
            return {f"{path}.{_text(name) or COMPUTED}" for path in self.paths(owner)}
        functions = self.paths(call.func)
        if functions & _IMPORT_FUNCTIONS:
            module = (
                _text(call.args[0] if call.args else _keyword(call, "name"))
                or f"importlib.import_module.{COMPUTED}"
            )
            by_builtin = "importlib.import_module" not in functions
            return {module, module.split(".")[0]} if by_builtin else {module}
        if "builtins.vars" in functions and call.args:
            return {f"{path}.__dict__" for path in self.paths(call.args[0])}
        if functions & {"builtins.globals", "builtins.locals", "builtins.vars"}:
            return {"builtins.globals"}
        if isinstance(call.func, ast.Attribute) and call.func.attr == "get" and call.args:
            return self._items(call.func.value, call.args[0])
        return set()

    def accessed(self, call: ast.Call) -> tuple[ast.expr, ast.expr] | None:
        """Owner and name of the attribute that a call reads, sets or deletes."""
        if len(call.args) >= 2 and self.paths(call.func) & _ATTRIBUTE_FUNCTIONS:
            return call.args[0], call.args[1]
        getter = call.func
        if isinstance(getter, ast.Call) and "operator.attrgetter" in self.paths(getter.func):
            return (call.args[0], getter.args[0]) if call.args and getter.args else None
        return None

    def _items(self, owner: ast.expr, key: ast.expr) -> set[str]:
        """What a table of names or modules holds: `sys.modules["os"]`, `vars(jax)["config"]`."""
        name = _text(key) or COMPUTED
        found: set[str] = set()
        for path in self.paths(owner):
            if path == "sys.modules":
                found.add(name)
            elif path == "builtins.globals":
                found |= self._named(name)
            elif path.endswith(".__dict__") or path == "builtins":
                found.add(f"{path.removesuffix('.__dict__')}.{name}")
        return found


def _origin(statement: ast.ImportFrom, alias: ast.alias) -> str:
    """The full name of what is imported, one dot in front for each level of a relative import."""
    module = f"{statement.module}." if statement.module else ""
    return f"{'.' * statement.level}{module}{alias.name}"


def _bound(tree: ast.Module) -> set[str]:
    """Names that the source itself gives a meaning other than by importing."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names with the values that a node assigns to them."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        targets = [node.target]
    else:
        return
    for target in targets:
        if node.value is None:
            continue
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=False))
        for name, value in pairs:
            if isinstance(name, ast.Name) and not _mentions(value, name.id):
                yield name.id, value


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _text(node: ast.expr | None) -> str | None:
    """The text that an expression writes out, in one piece or in several."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return left + right if left is not None and right is not None else None
    return None
