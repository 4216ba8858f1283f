"""Which public modules, classes and functions of the packages have a docstring.

Public is what has no leading underscore in any part of its dotted name (so no `__main__`, no `__init__`, no `__str__`)
and does not lie within a function. A method does not count where it overrides one that has a docstring in a base class
of ours, since it is told there what it does; nor does an `@overload`, or a property's setter, which are told elsewhere
in the same class. Fields are no functions; properties are.
"""

from __future__ import annotations

import ast
from collections import deque

from code_plan.imports import imports_of
from code_plan.modules import Code, Definition, Module


def documented(code: Code) -> dict[str, bool]:
    """Every public module, class and function, by place: whether it has a docstring."""
    classes = {one.name: one for one in code.definitions if isinstance(one.node, ast.ClassDef)}
    told = {one.name for one in code.definitions if ast.get_docstring(one.node)}
    bases = {name: _bases(one, classes) for name, one in classes.items()}
    modules = {
        str(module.path): ast.get_docstring(module.tree) is not None
        for module in code.packaged
        if not module.is_init and _is_public(module.name)
    }
    counted = [one for one in code.definitions if one.module.is_packaged and not one.is_local and _is_public(one.name)]
    return modules | {
        one.place: one.name in told
        for one in counted
        if not _is_told_elsewhere(one) and not _overrides(one, bases, told)
    }


def _is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def _is_told_elsewhere(one: Definition) -> bool:
    return any(ast.unparse(by).split(".")[-1] in ("overload", "setter", "deleter") for by in one.node.decorator_list)


def _overrides(one: Definition, bases: dict[str, list[str]], told: set[str]) -> bool:
    """Whether a base class of ours, however far up, has a method of that name with a docstring."""
    if not one.is_method:
        return False
    owner, _, method = one.name.rpartition(".")
    waiting, seen = deque(bases.get(owner, [])), set[str]()
    while waiting:
        base = waiting.popleft()
        if f"{base}.{method}" in told:
            return True
        if base not in seen:
            seen.add(base)
            waiting.extend(bases.get(base, []))
    return False


def _bases(one: Definition, classes: dict[str, Definition]) -> list[str]:
    """The base classes of ours, by dotted name."""
    assert isinstance(one.node, ast.ClassDef)
    known = _known_names(one.module)
    found: list[str] = []
    for base in one.node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base  # Kind[T] is a Kind
        first, dot, rest = ast.unparse(plain).partition(".")
        found += [f"{known.get(first, f'{one.module.name}.{first}')}{dot}{rest}", ast.unparse(plain)]
    return [name for name in found if name in classes]


def _known_names(module: Module) -> dict[str, str]:
    return {one.known: one.target for one in imports_of(module) if one.known}
