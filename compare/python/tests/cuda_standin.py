# SPDX-License-Identifier: Apache-2.0
"""libglassbox_cuda.so without a GPU: the calls of gla_cuda.h on the CPU's memory, the certified truth as the kernel.

It asks of its arguments what the header asks. What glassbox.torch does around the kernels is tested on it.
"""

import ctypes

import numpy as np

import glassbox
from glassbox import _cuda

STORED = {_cuda.F32: np.float32, _cuda.F16: np.float16, _cuda.BF16: np.uint16}
TARGETS = {_cuda.F32: "binary32", _cuda.F16: "f16", _cuda.BF16: "bf16"}
ORACLE = {"d_o": "do", "d_final_state": "dfinal_state", "dk_": "dk", "dv_": "dv"}  # the names there
WIDE = ("final_state", "dinitial_state")  # always binary32
RUNGS = [b"best", b"recurrent"]
WORKSPACE = 512


def _view(x, shape):
    """The elements of a tensor as numpy sees them where they lie."""
    item = np.dtype(STORED[x.dtype])
    assert x.data % 16 == 0, "misaligned"
    for n, stride in zip(shape, x.stride):
        assert n == 1 or stride >= 0 and stride * item.itemsize % 16 == 0, "a stride is not a multiple of 16 bytes"
    strides = [s if n > 1 else 0 for n, s in zip(shape, x.stride)] + [1]
    last = sum((n - 1) * s for n, s in zip(shape, strides))
    memory = (ctypes.c_char * ((last + 1) * item.itemsize)).from_address(x.data)
    return np.lib.stride_tricks.as_strided(np.frombuffer(memory, item), shape, [s * item.itemsize for s in strides])


def _shape(p, name, x):
    if name.endswith("state"):
        return p.N, x.heads, p.dk, p.dv
    return p.B, p.T, x.heads, p.dv if name in ("v", "d_o", "o", "dv_") else p.dk


def _read(p, name, x):
    words = _view(x, _shape(p, name, x))
    return (words.astype(np.uint32) << 16).view(np.float32) if x.dtype == _cuda.BF16 else words.astype(np.float32)


def _write(p, name, x, values):
    words = glassbox.round_to(values, TARGETS[x.dtype])
    if x.dtype == _cuda.BF16:
        words = (words.astype(np.float32).view(np.uint32) >> 16)
    _view(x, _shape(p, name, x))[...] = words.astype(STORED[x.dtype])


class StandIn:
    """calls lists (direction, the names of the inputs that were given, of the outputs that were asked for)."""

    def __init__(self):
        self.calls = []

    def gla_cuda_rung_name(self, i):
        return RUNGS[i] if i < len(RUNGS) else None

    def gla_cuda_workspace(self, problem, call, backward, size):
        size._obj.value = WORKSPACE if backward else 0
        return _cuda.OK

    def gla_cuda_forward(self, problem, call):
        return self._run(problem._obj, call._obj, ("o", "final_state"), "forward")

    def gla_cuda_backward(self, problem, call):
        assert call._obj.workspace_size == WORKSPACE and call._obj.workspace
        return self._run(problem._obj, call._obj, _cuda.OUTPUTS[2:], "backward")

    def _run(self, p, call, names, direction):
        if p.dk > 256:
            call.why = b"dk up to 256"
            return _cuda.UNSUPPORTED
        tensors = {name: getattr(p, name) for name in _cuda.INPUTS if getattr(p, name).data}
        inputs = {ORACLE.get(name, name): _read(p, name, x) for name, x in tensors.items()}
        if p.cu_seqlens:
            inputs["cu_seqlens"] = np.array((ctypes.c_int64 * (p.N + 1)).from_address(p.cu_seqlens))
        truth = glassbox.truth(**inputs, scale=p.scale or None)
        wanted = [name for name in names if getattr(p, name).data]
        for name in set(wanted) & set(WIDE):
            assert getattr(p, name).dtype == _cuda.F32, name
        assert not p.dg.data or p.dg.dtype in (_cuda.F32, p.q.dtype)
        for name in wanted:
            _write(p, name, getattr(p, name), truth[ORACLE.get(name, name)])
        self.calls.append((direction, list(tensors), wanted))
        return _cuda.OK
