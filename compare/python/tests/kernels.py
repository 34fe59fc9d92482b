# SPDX-License-Identifier: Apache-2.0
"""What tests share: the definition in numpy binary64, forward only, every convention spelled out; a stand-in array."""

import numpy as np


class BFloat16:
    """An array of a library that has bfloat16: numpy sees float32 values."""

    dtype = "bfloat16"

    def __init__(self, array):
        self.array = array.astype(np.float32)

    def __array__(self, dtype=None, copy=None):
        return self.array


class Float8(BFloat16):
    """The same of one that has 8-bit floats: "float8_e4m3fn" or "float8_e5m2"."""

    def __init__(self, array, dtype):
        super().__init__(array)
        self.dtype = dtype


def naive(q, k, v, g=None, gv=None, initial_state=None, scale=None, cu_seqlens=None, reverse=False, **_):
    H = max(x.shape[2] for x in (q, k, v))
    B, T, _, K = q.shape
    V = v.shape[-1]
    wide = [np.zeros((B, T, H, D)) if x is None else np.repeat(x.astype(np.float64), H // x.shape[2], axis=2)
            for x, D in ((q, K), (k, K), (v, V), (g, K), (gv, V))]
    bounds = [(n, 0, T) for n in range(B)] if cu_seqlens is None else [
        (0, a, b) for a, b in zip(cu_seqlens, cu_seqlens[1:])]
    o, states = np.zeros((B, T, H, V)), np.zeros((len(bounds), H, K, V))
    for n, (b, start, end) in enumerate(bounds):
        S = states[n]
        if initial_state is not None:
            S += initial_state[n]
        tokens = range(start, end)
        for t in reversed(tokens) if reverse else tokens:
            qt, kt, vt, gt, gvt = (x[b, t] for x in wide)
            S *= np.exp(gt)[:, :, None] * np.exp(gvt)[:, None, :]
            S += kt[:, :, None] * vt[:, None, :]
            o[b, t] = np.einsum("hk,hkv->hv", qt * (K ** -0.5 if scale is None else scale), S)
    return o, states
