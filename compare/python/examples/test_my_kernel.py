# SPDX-License-Identifier: Apache-2.0
"""How a kernel's own test file adopts Glassbox: one import and one line.

What comes before the marked line is a test as kernel libraries write it: a naive function, a kernel (here numpy in
float32, in chunks), random inputs. The naive function and a tolerance chosen by hand are what the line replaces.
"""

import numpy as np
import pytest

import glassbox


def naive_recurrent_gla(q, k, v, gk, initial_state=None):
    """The definition, token by token; kept for comparison."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1])) if initial_state is None else initial_state.astype(np.float64)
    o = np.zeros(v.shape)
    for t in range(T):
        S = S * np.exp(gk[:, t].astype(np.float64))[..., None] + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t] * K ** -0.5, S)
    return o, S


def chunk_gla(q, k, v, gk, initial_state=None, chunk=16):
    """The kernel under test."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1]), np.float32) if initial_state is None else initial_state.copy()
    o = np.zeros_like(v)
    for start in range(0, T, chunk):
        part = slice(start, min(start + chunk, T))
        G = np.cumsum(gk[:, part], axis=1, dtype=np.float32)
        decay = np.exp(np.minimum(G[:, :, None] - G[:, None], 0))  # [B,i,j,H,K]: from token j to token i
        P = np.einsum("bihk,bijhk,bjhk->bhij", q[:, part], decay, k[:, part])
        P = np.tril(P) * np.float32(K ** -0.5)
        o[:, part] = np.einsum("bhij,bjhv->bihv", P, v[:, part])
        o[:, part] += np.einsum("bihk,bhkv->bihv", q[:, part] * np.exp(G) * np.float32(K ** -0.5), S)
        S = S * np.exp(G[:, -1])[..., None]
        S += np.einsum("bjhk,bjhv->bhkv", k[:, part] * np.exp(G[:, -1:] - G), v[:, part])
    return o, S


@pytest.mark.parametrize("B, T, H, K, V", [(1, 63, 2, 16, 24), (2, 130, 3, 20, 16)])
def test_chunk(B, T, H, K, V):
    rng = np.random.default_rng(42)
    q, k = (rng.standard_normal((B, T, H, K), np.float32) for _ in range(2))
    v = rng.standard_normal((B, T, H, V), np.float32)
    gk = -np.logaddexp(0, -rng.standard_normal((B, T, H, K))).astype(np.float32)  # log sigmoid
    h0 = rng.standard_normal((B, H, K, V), np.float32)

    o, ht = chunk_gla(q, k, v, gk, h0)

    ref, ref_ht = naive_recurrent_gla(q, k, v, gk, h0)
    np.testing.assert_allclose(o, ref, atol=1e-3)  # a tolerance by taste

    glassbox.assert_accurate("gla", dict(q=q, k=k, v=v, gk=gk, initial_state=h0), dict(o=o, final_state=ht),
                             profile="f32-chunk")  # <- the one line


# Not "reset": gates of -inf, for which this kernel computes inf - inf. The oracle says so, if you add it.
@pytest.mark.glassbox(families=["mild", "strong", "tail"], dtypes=["f32"], backward=False)
def test_chunk_over_families(glassbox_case):
    case = glassbox_case  # e.g. gla/mild/T67_H3_K20_V24/f32/s1
    o, ht = chunk_gla(*(case.inputs[name] for name in ("q", "k", "v", "g")))
    case.assert_accurate({"o": o, "final_state": ht}, profile="f32-chunk")
