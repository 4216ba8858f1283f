"""Which parameters and returns of the packages' functions say their type."""

from __future__ import annotations

import ast

from code_plan.modules import Code, Definition, Function


def annotated(code: Code) -> dict[str, bool]:
    """Every parameter but a method's first (self, cls), and every return, by place: whether it is annotated.

    All functions count, `__init__` and functions within functions too; a lambda cannot be annotated.
    """
    return {
        f"{one.place}({slot})": told
        for one in code.definitions
        if one.module.is_packaged and isinstance(one.node, Function)
        for slot, told in _slots(one, one.node)
    }


def _slots(one: Definition, node: Function) -> list[tuple[str, bool]]:
    asked = node.args
    places = [*asked.posonlyargs, *asked.args]
    if one.is_method and not _is_static(node):
        places = places[1:]
    rest = [last for last in (asked.vararg, asked.kwarg) if last]
    told = [(slot.arg, slot.annotation is not None) for slot in (*places, *asked.kwonlyargs, *rest)]
    return [*told, ("return", node.returns is not None)]


def _is_static(node: Function) -> bool:
    return any(isinstance(by, ast.Name) and by.id == "staticmethod" for by in node.decorator_list)
