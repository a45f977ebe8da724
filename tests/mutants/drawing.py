"""Finds the small mistakes that could be made in a file, and draws some of them with a seed."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

OTHER = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip
# Its negation says the same as the comparison with the other operator.
NEGATED_BY_OPERATOR = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
# Without these nothing works at all, so that any test would notice.
SHAPING = {"property", "staticmethod", "classmethod", "contextmanager", "dataclass", "wraps"}
NARROWING = {"filter", "exclude", "select_for_update"}
LOGS = {"log", "logger"}


@dataclass(frozen=True)
class Mutant:
    """A small mistake: in the file at `path`, the characters from `start` to `end` become `after`.

    `seen_from` are the lines whose tests could notice it; if there are none, the lines of the whole
    file.
    """

    path: str
    line: int
    where: str
    kind: str
    before: str
    after: str
    start: int
    end: int
    seen_from: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its name in equivalent.txt, without line numbers, because these change."""
        shown = [" ".join(text.split()) for text in (self.before, self.after)]
        return f"{self.path} {self.where or '-'}: {shown[0]} => {shown[1]}"

    def applied(self, text: str) -> str:
        return text[: self.start] + self.after + text[self.end :]


def draw(root: Path, paths: list[str], *, seed: int, count: int) -> list[Mutant]:
    """Draw `count` mutants of these files, all with the same probability."""
    found = [mutant for path in paths for mutant in mutants_of(path, (root / path).read_text())]
    return random.Random(seed).sample(found, min(count, len(found)))


def mutants_of(path: str, text: str) -> list[Mutant]:
    """All mutants of a file, in the order of their places."""
    finder = _Finder(path, text)
    finder.visit(ast.parse(text))
    unique = {(each.start, each.end, each.after): each for each in finder.found}
    return sorted(unique.values(), key=lambda each: (each.start, each.end, each.after))


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str, text: str) -> None:
        self.found: list[Mutant] = []
        self._path = path
        self._text = text
        self._lines = text.splitlines(keepends=True)
        self._around: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = []

    # --- Where one looks -------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._definition(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._definition(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Skip f-strings: Python 3.11 does not give the positions of their parts."""

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self._around.append(node)
        for decorator in node.decorator_list:
            if _called(decorator) not in SHAPING:
                self._without_decorator(decorator, node)
                self.visit(decorator)
        if isinstance(node, ast.FunctionDef):
            for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                self.visit(default)
        for part in node.body:
            self.visit(part)
        self._around.pop()

    # --- What could be wrong ---------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            self._changed(
                node,
                "comparison",
                lambda new, p=place, o=operator: new.ops.__setitem__(p, OTHER[type(o)]()),
            )
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._changed(node, "and/or", lambda new: setattr(new, "op", OTHER[type(node.op)]()))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in OTHER and not _is_text(node.left) and not _is_text(node.right):
            self._changed(
                node, "plus/minus", lambda new: setattr(new, "op", OTHER[type(node.op)]())
            )
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add(node, "no not", f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(node, "constant", str(not node.value))
        elif isinstance(node.value, int):
            self._add(node, "constant", str(node.value + 1))
            self._add(node, "constant", str(node.value - 1))

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return
        self._negated(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negated(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negated(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negated(test)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in NARROWING:
            self._add(node, f"no {node.func.attr}", ast.unparse(node.func.value))
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if item.optional_vars is None:
                self._add(item.context_expr, "no with", '__import__("contextlib").nullcontext()')
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        call = node.value
        if isinstance(call, ast.Call) and _root(call) in LOGS:
            return  # who reads logs is no program
        self._add(node, "no statement", "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self._add(node, "no statement", "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._add(node, "no statement", "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(node, "no statement", "pass")

    def visit_Return(self, node: ast.Return) -> None:
        told = node.value.value if isinstance(node.value, ast.Constant) else node.value
        if told:  # what is false already hardly differs from None
            self._add(node, "returns None", "return None")
        self.generic_visit(node)

    def _negated(self, test: ast.expr) -> None:
        compared = isinstance(test, ast.Compare) and isinstance(test.ops[0], NEGATED_BY_OPERATOR)
        if not compared and not isinstance(test, ast.UnaryOp):
            self._add(test, "negated", f"(not ({ast.unparse(test)}))")

    def _changed(self, node: ast.expr, kind: str, change: Callable[..., object]) -> None:
        new = copy.deepcopy(node)
        change(new)
        self._add(node, kind, f"({ast.unparse(new)})")

    def _without_decorator(self, decorator: ast.expr, node: ast.FunctionDef | ast.ClassDef) -> None:
        start, end = self._span(decorator)
        start = self._text.rindex("@", 0, start)
        lines = tuple(range(node.body[0].lineno, (node.end_lineno or 0) + 1))
        self._append(decorator, "no decorator", start, end, "", lines)

    def _add(self, node: ast.expr | ast.stmt, kind: str, after: str) -> None:
        start, end = self._span(node)
        lines: tuple[int, ...] = ()
        if any(isinstance(each, ast.FunctionDef) for each in self._around):
            lines = tuple(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        self._append(node, kind, start, end, after, lines)

    def _append(
        self,
        node: ast.expr | ast.stmt,
        kind: str,
        start: int,
        end: int,
        after: str,
        lines: tuple[int, ...],
    ) -> None:
        where = ".".join(each.name for each in self._around)
        before = self._text[start:end]
        self.found.append(
            Mutant(self._path, node.lineno, where, kind, before, after, start, end, lines)
        )

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(
            node.end_lineno, node.end_col_offset
        )

    def _at(self, line: int, column: int) -> int:
        """Convert a position: ast counts columns in bytes."""
        before = self._lines[line - 1].encode()[:column].decode()
        return sum(map(len, self._lines[: line - 1])) + len(before)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _called(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def files(root: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    """The files that match these patterns, each once, in order."""
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    yield from sorted(str(path.relative_to(root)) for path in found)
