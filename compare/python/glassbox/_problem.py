# SPDX-License-Identifier: Apache-2.0
"""The inputs of one call as the C library takes them."""

import numpy as np

from . import _library as c
from ._arrays import to_offsets, to_values

ALIASES = {"gk": "g", "dgk": "dg"}
SETTINGS = ("scale", "cu_seqlens", "reverse")


def by_name(given, what, mechanism="gla", more=()):
    """The mapping by usual names; every name must be one of the mechanism's, a usual one, an alias, or one of more."""
    own = {name: key for key, (name, _, _) in c.tensors(what, mechanism).items()}
    usual = [*own.values(), *(x for x in c.tensors(what, "gla") if x not in own.values())]  # C says what it does not take
    kind, out = what[:-1], {}
    for name, value in given.items():
        key = own.get(name) or ALIASES.get(name, name)
        if key not in usual and key not in more:
            known = [*own, *(x for x in usual if x not in own and x not in own.values()), *more]
            raise c.GlassboxError(f"no {kind} '{name}'; known: {', '.join(known)}")
        if key in out:
            raise c.GlassboxError(f"{kind} '{key}' is given twice, once by an alias")
        out[key] = value
    return out


def four_axes(values, before, behind):
    """The array with the axes of 1 that it has left out."""
    lacking = 4 - values.ndim
    first = before if lacking in (before, before + behind) else 0
    if 0 <= lacking - first <= behind:
        return values.reshape((1,) * first + values.shape + (1,) * (lacking - first))
    return values


class Problem:
    """Inputs in C's order, and the arguments every call begins with. Holds the memory that they point to."""

    def __init__(self, inputs, *, mechanism="gla", backward=False, allow_growth=False):
        self.mechanism = mechanism
        self.inputs, self.outputs = c.tensors("inputs", mechanism), c.tensors("outputs", mechanism)
        order = list(c.names("inputs"))
        for name in ("q", "k", "v"):
            if name in self.inputs and all(inputs.get(x) is None for x in (name, self.inputs[name][0])):
                raise c.GlassboxError(f"input '{self.inputs[name][0]}' is missing")
        given = by_name(inputs, "inputs", mechanism, SETTINGS)
        self.values, self.formats, self.given_shapes = {}, {}, {}
        for name in order:
            if given.get(name) is not None:
                self._take(name, given[name])
        cu = given.get("cu_seqlens")
        self.cu_seqlens = None if cu is None else to_offsets(cu)
        self.scale = 0.0 if given.get("scale") is None else float(given["scale"])
        self.reverse = bool(given.get("reverse", False))
        if given.get("scale") is not None and self.scale == 0:
            raise c.GlassboxError("scale is 0: every output would be 0")
        self._flags = c.REVERSE * self.reverse + c.BACKWARD * backward + c.GROWTH * allow_growth
        self._arrays = [self.values.get(name) for name in order]

    def _take(self, name, x):
        own, before, behind = self.inputs.get(name, (name, 0, 0))
        behind = 1 if name == "g" else behind  # which mechanism it is for, C says
        values, self.formats[name] = to_values(x, own)
        self.given_shapes["d" + name] = values.shape
        self.values[name] = four_axes(values, before, behind)
        if self.values[name].ndim != 4:
            raise c.GlassboxError(f"{own} has shape {values.shape}; wanted 4 axes, [B,T,heads,D] or"
                                  " for states [N,heads,dk,dv]")

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
        """(value, low, magnitude, certified), each a dictionary by output, as the mechanism names it; a gradient has
        the shape that its input was given in."""
        order, shapes = list(c.names("outputs")), self.output_shapes()
        kinds = [{name: np.zeros(shape, dtype) for name, shape in shapes.items()}
                 for dtype in (np.float64, np.float64, np.float64, np.uint8)]
        rooms = [c.addresses([kind.get(name) for name in order]) for kind in kinds]
        c.call(c.library().glassbox_truth, *self.arguments(), target.encode(), close_enough, threads, *rooms)
        return [{self.outputs[name][0]: x.reshape(self.given_shapes.get(name, x.shape)) for name, x in kind.items()}
                for kind in kinds]
