"""Small faults that a module may be given: a comparison turned round, a sign, a limit, a condition, what is returned.

Faults are made in the syntax tree and written back as source. Annotations, decorators, docstrings, assertions, errors
and what is only said are left alone: nothing hangs on them that a test should hold.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("clamp_min", "clamp_max"),
    ("argmin", "argmax"),
    ("any", "all"),
    ("floor", "ceil"),
    ("mean", "sum"),
)
CALLED = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
# What such a name holds is a place in something else, where the neighbour is the usual mistake.
PLACES = {"at", "place", "unit", "cell", "number", "best", "first", "last"}
NEGATED = {"bool": "not", "float": "-", "int": "-", "Tensor": "-", "np.ndarray": "-"}
SAYING = {"warn", "warning", "info", "debug", "error", "say", "print", "cast", "field"}
SKIPPED = {"annotation", "returns", "decorator_list", "bases", "type_params"}


@dataclass(frozen=True)
class Mutant:
    """A fault: in the module's `line`, whose text is `text`, what was changed, and the source with it."""

    module: str
    line: int
    text: str
    what: str
    source: Callable[[], str]

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is recognised by when lines have moved."""
        return self.module, self.text, self.what


@dataclass(frozen=True)
class _Spot:
    """A node, where it hangs, and what its function is annotated to return."""

    parent: ast.AST
    field: str
    at: int | None
    node: ast.AST
    returns: str

    def put(self, node: ast.AST) -> None:
        if self.at is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Every fault of a module, in the order of its lines."""
    tree, lines = ast.parse(source), source.splitlines()
    found: list[Mutant] = []
    for spot in _spots(tree, ""):
        for other in _others(spot):
            line = getattr(spot.node, "lineno", getattr(spot.parent, "lineno", 1))
            what = _told(tree, spot, other)
            found.append(Mutant(module, line, lines[line - 1].strip(), what, _writer(tree, spot, other)))
    distinct = {(one.line, one.what): one for one in found}
    return sorted(distinct.values(), key=lambda one: one.line)


def _writer(tree: ast.Module, spot: _Spot, other: ast.AST) -> Callable[[], str]:
    def written() -> str:
        spot.put(other)
        try:
            return ast.unparse(ast.fix_missing_locations(tree))
        finally:
            spot.put(spot.node)

    return written


def _told(tree: ast.Module, spot: _Spot, other: ast.AST) -> str:
    """The change in words of Python. A number alone says little, so it is shown in what it belongs to."""
    if isinstance(other, ast.Pass):
        return f"{ast.unparse(spot.node)} -> left out"
    shown_in = (ast.expr, ast.keyword, ast.arguments)
    told = spot.parent if isinstance(spot.node, ast.Constant) and isinstance(spot.parent, shown_in) else spot.node
    before = ast.unparse(told)
    spot.put(other)
    after = ast.unparse(ast.fix_missing_locations(told if told is not spot.node else other))
    spot.put(spot.node)
    return f"{before} -> {after}"


def _spots(node: ast.AST, returns: str) -> Iterator[_Spot]:
    """All below a node that may be changed."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        returns = ast.unparse(node.returns) if node.returns else ""
    for name, value in ast.iter_fields(node):
        if name in SKIPPED or (name == "keywords" and isinstance(node, ast.ClassDef)):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _left_alone(child):
                yield _Spot(node, name, at, child, returns)
                yield from _spots(child, returns)


def _left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.keyword(arg="strict"):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in SAYING or name.endswith("Error")
        case _:
            return False


def _others(spot: _Spot) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    if spot.field == "ifs" or (spot.field == "test" and isinstance(spot.parent, (ast.If, ast.IfExp, ast.While))):
        yield from _conditions(spot)
    if isinstance(spot.node, ast.expr):
        yield from _expressions(spot.node)
    else:
        yield from _statements(spot)


def _statements(spot: _Spot) -> Iterator[ast.stmt]:
    match spot.node:
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in RECKONED:
            yield ast.AugAssign(target, RECKONED[type(op)](), value)
        case ast.Return(value=ast.expr()):
            yield from _returned(spot.node, spot.returns)
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case _:
            return


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BinOp():
            yield from _reckoned(node)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for at in range(len(values)):
                left = [*values[:at], *values[at + 1 :]]
                yield left[0] if len(left) == 1 else ast.BoolOp(op, left)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant():
            yield from _nudged(node)
        case ast.Call():
            yield from _called(node)
        case ast.Subscript(value=value, slice=ast.Name(id=name), ctx=ast.Load()) if name in PLACES:
            yield ast.Subscript(value, ast.BinOp(ast.Name(name), ast.Sub(), ast.Constant(1)), ast.Load())
        case _:
            return


def _conditions(spot: _Spot) -> Iterator[ast.expr]:
    assert isinstance(spot.node, ast.expr)
    if any(isinstance(one, ast.NamedExpr) for one in ast.walk(spot.node)):
        return  # without the name that it gives the rest would not run at all
    yield ast.Constant(True)
    if not isinstance(spot.parent, ast.While):
        yield ast.UnaryOp(ast.Not(), spot.node)
    if spot.field != "ifs":
        yield ast.Constant(False)


def _compared(node: ast.Compare) -> Iterator[ast.expr]:
    for at, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            yield ast.Compare(node.left, [*node.ops[:at], other(), *node.ops[at + 1 :]], node.comparators)


def _reckoned(node: ast.BinOp) -> Iterator[ast.expr]:
    texts = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict)
    if any(isinstance(side, texts) or _is_text(side) for side in (node.left, node.right)):
        return  # texts and lists can only be added: anything else fails at once, and shows nothing
    if other := RECKONED.get(type(node.op)):
        yield ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        yield from (node.left, node.right)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _nudged(node: ast.Constant) -> Iterator[ast.expr]:
    match node.value:
        case bool(value):
            yield ast.Constant(not value)
        case int(value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case float(value):
            yield from (ast.Constant(value * 2), ast.Constant(value / 2)) if value else (ast.Constant(1.0),)
        case _:
            return


def _called(node: ast.Call) -> Iterator[ast.expr]:
    match node.func:
        case ast.Name(id=name) if name in CALLED:
            yield ast.Call(ast.Name(CALLED[name], ast.Load()), node.args, node.keywords)
        case ast.Attribute(value=value, attr=name) if name in CALLED:
            yield ast.Call(ast.Attribute(value, CALLED[name], ast.Load()), node.args, node.keywords)
        case ast.Name(id="sum") if node.args:
            taken = ast.Call(ast.Name("list", ast.Load()), [node.args[0]], [])
            shorter = ast.Subscript(taken, ast.Slice(lower=ast.Constant(1)), ast.Load())
            yield ast.Call(node.func, [shorter, *node.args[1:]], node.keywords)
        case ast.Name(id="sorted") if node.args:
            yield ast.Call(ast.Name("list", ast.Load()), node.args[:1], [])
        case ast.Name(id="abs") if node.args:
            yield node.args[0]
        case _:
            return


def _returned(node: ast.Return, returns: str) -> Iterator[ast.stmt]:
    value = node.value
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return
    yield ast.Return(ast.Constant(None))
    if sign := NEGATED.get(returns):
        yield ast.Return(ast.UnaryOp(ast.Not() if sign == "not" else ast.USub(), value))
