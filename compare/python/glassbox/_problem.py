# SPDX-License-Identifier: Apache-2.0
"""The inputs of one call as the C library takes them."""

import numpy as np

from . import _library as c
from ._arrays import to_offsets, to_values

ALIASES = {"gk": "g", "dgk": "dg"}
SETTINGS = ("scale", "cu_seqlens", "reverse")


def by_name(given, known, kind):
    """The mapping with aliases replaced; every name must be known."""
    out = {}
    for name, value in given.items():
        name = ALIASES.get(name, name)
        if name not in known:
            raise c.GlassboxError(f"no {kind} '{name}'; known: {', '.join(known)}")
        if name in out:
            raise c.GlassboxError(f"{kind} '{name}' is given twice, once by an alias")
        out[name] = value
    return out


class Problem:
    """Inputs in C's order, and the arguments every call begins with. Holds the memory that they point to."""

    def __init__(self, inputs, *, mechanism="gla", backward=False, allow_growth=False):
        self.mechanism = mechanism
        order = list(c.names("inputs"))
        given = by_name(inputs, order + list(SETTINGS), "input")
        for name in ("q", "k", "v"):
            if given.get(name) is None:
                raise c.GlassboxError(f"input '{name}' is missing")
        self.values, self.formats, self.gate_per_head = {}, {}, False
        for name in order:
            if given.get(name) is not None:
                self.values[name], self.formats[name] = to_values(given[name], name)
                if name == "g" and self.values[name].ndim == 3:  # [B,T,heads]
                    self.values[name], self.gate_per_head = self.values[name][..., None], True
                if self.values[name].ndim != 4:
                    raise c.GlassboxError(f"{name} has shape {self.values[name].shape}; wanted 4 axes, [B,T,heads,D] or"
                                          " for states [N,heads,dk,dv]")
        cu = given.get("cu_seqlens")
        self.cu_seqlens = None if cu is None else to_offsets(cu)
        self.scale = 0.0 if given.get("scale") is None else float(given["scale"])
        self.reverse = bool(given.get("reverse", False))
        if given.get("scale") is not None and self.scale == 0:
            raise c.GlassboxError("scale is 0: every output would be 0")
        self._flags = c.REVERSE * self.reverse + c.BACKWARD * backward + c.GROWTH * allow_growth
        self._arrays = [self.values.get(name) for name in order]

    def arguments(self):
        cu = self.cu_seqlens
        return (self.mechanism.encode(), c.addresses(self._arrays), c.shapes(self._arrays), None if cu is None else cu.ctypes.data,
                0 if cu is None else len(cu), self.scale, self._flags)

    def output_shapes(self):
        """The shapes of the outputs that this problem has."""
        order = list(c.names("outputs"))
        out = (c.Shape * len(order))()
        c.call(c.library().glassbox_shapes, *self.arguments(), out)
        return {name: tuple(shape) for name, shape in zip(order, out) if any(shape)}

    def truth(self, target, close_enough, threads):
        """(value, low, magnitude, certified), each a dictionary by output; dg has the shape of g."""
        order, shapes = list(c.names("outputs")), self.output_shapes()
        kinds = [{name: np.zeros(shape, dtype) for name, shape in shapes.items()}
                 for dtype in (np.float64, np.float64, np.float64, np.uint8)]
        rooms = [c.addresses([kind.get(name) for name in order]) for kind in kinds]
        c.call(c.library().glassbox_truth, *self.arguments(), target.encode(), close_enough, threads, *rooms)
        for kind in kinds:
            if self.gate_per_head and "dg" in kind:
                kind["dg"] = kind["dg"][..., 0]
        return kinds
