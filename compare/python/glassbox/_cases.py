# SPDX-License-Identifier: Apache-2.0
"""Generated cases: the same bits for the same name on every machine (compare/cases.h)."""

import ctypes

import numpy as np

from . import _library as c
from ._oracle import assert_accurate, check

SIZES = ("B", "T", "H", "dk", "dv", "Hk", "M")
PLAIN = ("q", "k", "v", "do", "z", "s")  # plain values over tokens, by their usual names: in the case's dtype
DTYPES = {"bf16": "bf16", "f16": "f16", "f32": "binary32"}
STORED = {"bf16": np.float32, "f16": np.float16, "f32": np.float32}


def families(mechanism="gla"):
    """The families of cases that have something to show of the mechanism, each with what a failure in it means."""
    fits = c.library().glassbox_fits
    return {name: what for name, what in c.names("families").items() if fits(mechanism.encode(), name.encode())}


class Case:
    """One generated problem. id names it; inputs are numpy arrays and settings, as check takes them: q k v do are
    rounded to the dtype (bf16 values lie in float32, since numpy has no bfloat16), gates and states to float32."""

    def __init__(self, id, family, dtype, seed, sizes, inputs, mechanism="gla"):
        self.id, self.family, self.dtype, self.seed, self.sizes, self.inputs = id, family, dtype, seed, sizes, inputs
        self.mechanism = mechanism

    def torch(self, device="cpu", requires_grad=False):
        """The inputs as torch tensors in the case's dtype; with requires_grad those that have gradients are leaves."""
        import torch

        narrow = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[self.dtype]
        out = dict(self.inputs)
        for name, x in self.inputs.items():
            if not isinstance(x, np.ndarray):
                continue
            out[name] = torch.from_numpy(x).to(device)
            usual = {own: key for key, (own, _, _) in c.tensors("inputs", self.mechanism).items()}.get(name)
            if usual in PLAIN:
                out[name] = out[name].to(narrow)
            if requires_grad and usual and usual not in ("do", "dfinal_state", "dfinal_n", "dfinal_keys"):
                out[name].requires_grad_(True)
        return out

    def check(self, outputs, profile=None, *, replay=None, form=None):
        return check(self.inputs, outputs, profile, self.mechanism, replay=replay, form=form)

    def assert_accurate(self, outputs, profile=None, *, replay=None, form=None, strict=False):
        return assert_accurate(self.mechanism, self.inputs, outputs, profile, replay=replay, form=form, strict=strict)

    def __repr__(self):
        return f"<glassbox.Case {self.id}>"


def _identity(mechanism, family, dtype, seed, size, flags):
    more = [f"Hk{size['Hk']}"] if size["Hk"] != size["H"] else []
    more += [f"M{size['M']}"] if size["M"] else []
    marks = ((c.VALUE_GATE, "gv"), (c.STATE, "state"), (c.VARLEN, "varlen"), (c.REVERSE, "reverse"))
    more += [mark for flag, mark in marks if flags & flag]
    batch = f"B{size['B']}_" if size["B"] != 1 else ""
    shape = f"{batch}T{size['T']}_H{size['H']}_K{size['dk']}_V{size['dv']}"
    return f"{mechanism}/{family}/{'_'.join([shape] + more)}/{dtype}/s{seed}"


def _inputs(made, mechanism, dtype, flags, scale):
    lib, out, own = c.library(), {}, c.tensors("inputs", mechanism)
    for i, name in enumerate(c.names("inputs")):
        shape = c.Shape()
        values = lib.glassbox_case_input(made, i, shape)
        if values:
            stored = STORED[dtype] if name in PLAIN else np.float32
            out[own[name][0]] = np.ctypeslib.as_array(values, tuple(shape)).astype(stored)
    count = ctypes.c_int64()
    offsets = lib.glassbox_case_offsets(made, ctypes.byref(count))
    if offsets:
        out["cu_seqlens"] = np.ctypeslib.as_array(offsets, (count.value,)).copy()
    if flags & c.REVERSE:
        out["reverse"] = True
    if scale:
        out["scale"] = scale
    return out


def generate(family="mild", *, dtype="bf16", seed=1, backward=True, awkward=0, gv=False, initial_state=False,
             varlen=False, reverse=False, mechanism="gla", **sizes):
    """A case of a family; inputs that the mechanism does not take are left out. sizes: B T H dk dv Hk M. awkward=C:
    instead of all of these, a shape that chunks of C find awkward, drawn by the seed."""
    if dtype not in DTYPES:
        raise c.GlassboxError(f"no dtype '{dtype}' for a case; known: {', '.join(DTYPES)}")
    if set(sizes) - set(SIZES):
        raise c.GlassboxError(f"no size '{sorted(set(sizes) - set(SIZES))[0]}'; known: {', '.join(SIZES)}")
    asked = (ctypes.c_int64 * len(SIZES))(*[sizes.get(name, 0) for name in SIZES])
    flags = (c.BACKWARD * backward | c.VALUE_GATE * gv | c.STATE * initial_state | c.VARLEN * varlen
             | c.REVERSE * reverse)
    lib, text = c.library(), ctypes.create_string_buffer(c.TEXT)
    made = lib.glassbox_generate(mechanism.encode(), family.encode(), asked, flags, awkward, seed, DTYPES[dtype].encode(), text, c.TEXT)
    if not made:
        raise c.GlassboxError(text.value.decode())
    try:
        filled, scale = ctypes.c_uint(), ctypes.c_double()
        lib.glassbox_case_sizes(made, asked, ctypes.byref(filled), ctypes.byref(scale))
        size = dict(zip(SIZES, asked))
        return Case(_identity(mechanism, family, dtype, seed, size, filled.value), family, dtype, seed, size,
                    _inputs(made, mechanism, dtype, filled.value, scale.value), mechanism)
    finally:
        lib.glassbox_case_free(made)
