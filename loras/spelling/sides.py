"""Outputs and inputs of a module, told from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

Shape = tuple[int, ...]
Sides = tuple[int, int]  # outputs; inputs, a convolution's with its kernel


def sides_of(shapes: Mapping[str, Shape]) -> Sides | None:
    """Outputs and inputs of the module that these tensors make up, by suffix; None where they do not tell."""
    if {"lora_up.weight", "lora_down.weight"} <= shapes.keys():
        down, kernel = shapes["lora_down.weight"], shapes.get("lora_mid.weight", ())[2:]
        return shapes["lora_up.weight"][0], prod(down[1:]) * prod(kernel)
    if {"hada_w1_a", "hada_w1_b"} <= shapes.keys():
        return _product(shapes, "hada_w1", shapes.get("hada_t1", ()))
    if {"a1.weight", "b1.weight"} <= shapes.keys():
        return shapes["b1.weight"][0], shapes["a1.weight"][0]
    if "diff" in shapes:
        return shapes["diff"][0], prod(shapes["diff"][1:])
    halves = [_half(shapes, f"lokr_w{number}", f"lokr_t{number}") for number in (1, 2)]
    if halves[0] is None or halves[1] is None:
        return None
    return halves[0][0] * halves[1][0], halves[0][1] * halves[1][1]


def _half(shapes: Mapping[str, Shape], name: str, core: str) -> Sides | None:
    """Of a Kronecker product: whole, or factored."""
    if name in shapes:
        return shapes[name][0], prod(shapes[name][1:])
    return _product(shapes, name, shapes.get(core, ())) if f"{name}_b" in shapes else None


def _product(shapes: Mapping[str, Shape], name: str, core: Shape) -> Sides:
    """`a` (out, r) @ `b` (r, columns); around a core (r, r, k, k), `a` is (r, out)."""
    a, b = shapes[f"{name}_a"], shapes[f"{name}_b"]
    return a[1 if core else 0], prod(b[1:]) * prod(core[2:])
