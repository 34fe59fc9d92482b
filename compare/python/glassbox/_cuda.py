# SPDX-License-Identifier: Apache-2.0
"""libglassbox_cuda.so through ctypes: the structures and calls of fast/cuda/gla_cuda.h. Loaded at first use; knows no
array library."""

import ctypes
import functools
import re
from ctypes import POINTER, byref, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_void_p

from ._library import GlassboxError, open_library

ABI = 2
F32, F16, BF16 = range(3)
GRADES = {"fast": 0, "precise": 1}
OK, NO_DEVICE, WRONG_DEVICE, UNSUPPORTED, BAD_ARGUMENT, SMALL_WORKSPACE, LAUNCH = range(7)
OF_THE_MACHINE = (NO_DEVICE, WRONG_DEVICE, LAUNCH)  # other statuses are the caller's doing


class Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_int), ("heads", c_int32), ("stride", c_int64 * 3)]


INPUTS = ("q", "k", "v", "g", "initial_state", "d_o", "d_final_state")
OUTPUTS = ("o", "final_state", "dq", "dk_", "dv_", "dg", "dinitial_state")


class Problem(ctypes.Structure):
    _fields_ = [*((name, c_int64) for name in ("B", "T", "H", "dk", "dv", "N")), ("cu_seqlens", c_void_p),
                ("scale", c_float), *((name, Tensor) for name in INPUTS + OUTPUTS)]


class Call(ctypes.Structure):
    _fields_ = [("rung", c_int), ("grade", c_int), ("segment", c_int64), ("parts", c_int64), ("stream", c_void_p),
                ("workspace", c_void_p), ("workspace_size", c_size_t), ("why", c_char * 200)]


@functools.lru_cache(maxsize=None)
def library():
    lib = open_library("libglassbox_cuda.so", "GLASSBOX_CUDA_LIBRARY", "`make cuda` builds it where nvcc is")
    speaks = lib.gla_cuda_abi() if hasattr(lib, "gla_cuda_abi") else 0
    if speaks != ABI:
        raise GlassboxError(f"libglassbox_cuda.so speaks version {speaks}, this package version {ABI}; `make cuda`"
                            " builds it again")
    lib.gla_cuda_rung_name.restype = lib.gla_cuda_rung_form.restype = c_char_p
    lib.gla_cuda_rung_name.argtypes = [c_int]
    lib.gla_cuda_rung_form.argtypes = [c_int] * 4
    lib.gla_cuda_workspace.argtypes = [POINTER(Problem), POINTER(Call), c_int, POINTER(c_size_t)]
    lib.gla_cuda_forward.argtypes = lib.gla_cuda_backward.argtypes = [POINTER(Problem), POINTER(Call)]
    return lib


@functools.lru_cache(maxsize=None)
def rungs():
    """The number of every rung by its name."""
    lib, found = library(), {}
    while (name := lib.gla_cuda_rung_name(len(found))) is not None:
        found[name.decode()] = len(found)
    return found


def rung_number(name):
    if name not in rungs():
        raise GlassboxError(f"no rung '{name}'; there are: {', '.join(rungs())}")
    return rungs()[name]


def grade_number(name):
    if name not in GRADES:
        raise GlassboxError(f"no grade '{name}'; there are: {', '.join(GRADES)}")
    return GRADES[name]


def _neighbour(form):
    """The paired form of the next limit: a channel whose gates add up to the limit may fall to either side of it."""
    found = re.fullmatch(r"(chunkwise-paired:\d+)(?::(\d+))?(.*)", form)
    return f"{found[1]}:{int(found[2] or 76) + 1}{found[3]}" if found else ""


def profile(rung, dtype, backward, grade="fast"):
    """What a rung declares, as glassbox.check takes it: binary32, or for the rungs of matrix products the arithmetic of
    chunk-bf16 or chunk-f16, in the order of its own formulation. None: it has no such kernel."""
    number = rung_number(rung), grade_number(grade)
    form = (library().gla_cuda_rung_form(*number, dtype, backward) or b"").decode()
    like = {BF16: "chunk-bf16", F16: "chunk-f16"}.get(dtype) if rung in ("chunkwise", "fused") else "f32"
    return {"name": rung, "like": like, "form": form, "also": _neighbour(form)} if form and like else None


def _heed(status, call, backward):
    if status == OK:
        return
    kind = RuntimeError if status in OF_THE_MACHINE else GlassboxError
    raise kind(f"gla, {'backward' if backward else 'forward'}: {call.why.decode()}")


def workspace(problem, call, backward):
    """Bytes on the GPU that the call needs, aligned to 256."""
    size = c_size_t()
    _heed(library().gla_cuda_workspace(byref(problem), byref(call), backward, byref(size)), call, backward)
    return size.value


def enqueue(problem, call, backward):
    lib = library()
    _heed((lib.gla_cuda_backward if backward else lib.gla_cuda_forward)(byref(problem), byref(call)), call, backward)
