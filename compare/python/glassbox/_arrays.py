# SPDX-License-Identifier: Apache-2.0
"""Arrays of any library as dense binary64, with the name of the format that their elements were stored in.

binary64 holds every element of binary32, bfloat16, float16 and the 8-bit formats exactly, so nothing is lost.
"""

import numpy as np

from ._library import GlassboxError

FORMATS = {"float64": "binary64", "float32": "binary32", "float16": "f16", "bfloat16": "bf16", "float8_e4m3fn": "e4m3",
           "float8_e5m2": "e5m2"}


def is_torch(x):
    return type(x).__module__.split(".")[0] == "torch" and hasattr(x, "detach")


def dtype_name(x):
    """'bfloat16' of a numpy, torch or JAX array; '' of anything else."""
    return str(getattr(x, "dtype", "")).replace("torch.", "")


def _torch_to_numpy(x):
    x = x.detach().cpu()
    narrow = dtype_name(x) == "bfloat16" or dtype_name(x).startswith("float8")
    return (x.float() if narrow else x).numpy()


def to_numpy(x, name):
    """The values as a numpy array, whose dtype may be wider than the original's."""
    try:
        if is_torch(x):
            return _torch_to_numpy(x)
        if hasattr(x, "__array__") or not hasattr(x, "__dlpack__"):
            return np.asarray(x)
        return np.from_dlpack(x)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise GlassboxError(f"{name}: a {type(x).__name__} that numpy cannot read: {error} (copy it to the CPU, or to"
                            " float32 if it is bfloat16)") from error


def to_values(x, name):
    """(dense binary64 values, format name) of one tensor."""
    original, array = dtype_name(x), to_numpy(x, name)
    if original not in FORMATS:
        original = array.dtype.name  # lists and integers
    if array.dtype.kind in "biu" and original not in FORMATS:
        original = "float64"
    if original not in FORMATS:
        raise GlassboxError(f"{name} has dtype {original}; known: {', '.join(FORMATS)} and integers")
    return np.ascontiguousarray(array, dtype=np.float64), FORMATS[original]


def to_offsets(x):
    """cu_seqlens as int64."""
    array = to_numpy(x, "cu_seqlens")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise GlassboxError(f"cu_seqlens has shape {array.shape} and dtype {array.dtype}; wanted [N+1] integers")
    return np.ascontiguousarray(array, dtype=np.int64)
