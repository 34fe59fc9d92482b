# SPDX-License-Identifier: Apache-2.0
"""A plain float64 per-token loop of Gated Linear Attention, for `glassbox bench`.

    numpy_loop.py numpy|torch T dk dv fwd|bwd REPEATS

One head, S_0 = 0. Prints one line of seconds per repeat. Exits 77 when the module is not installed.
"""
import importlib
import sys
import time


def forward(x, q, k, v, alpha, scale, keep):
    S = x.zeros((k.shape[1], v.shape[1]))
    o = x.zeros(v.shape)
    states = [S]
    for t in range(len(q)):
        S = alpha[t][:, None] * S + k[t][:, None] * v[t][None, :]
        o[t] = scale * (q[t] @ S)
        if keep:
            states.append(S)
    return o, states


def backward(x, q, k, v, alpha, scale, do, states):
    F = x.zeros((k.shape[1], v.shape[1]))
    dq, dk, dv, dg = x.zeros(q.shape), x.zeros(k.shape), x.zeros(v.shape), x.zeros(k.shape)
    for t in range(len(q) - 1, -1, -1):
        R = F + scale * q[t][:, None] * do[t][None, :]
        dq[t] = scale * (states[t + 1] @ do[t])
        dk[t] = R @ v[t]
        dv[t] = k[t] @ R
        F = alpha[t][:, None] * R
        dg[t] = (F * states[t]).sum(1)
    return dq, dk, dv, dg


def main():
    name, T, dk, dv, direction, repeats = sys.argv[1:]
    T, dk, dv, repeats = int(T), int(dk), int(dv), int(repeats)
    try:
        x = importlib.import_module(name)
    except ImportError:
        sys.exit(77)
    if name == "torch":
        x.set_default_dtype(x.float64)
        x.manual_seed(1)
        normal = lambda *shape: x.randn(shape)
    else:
        normal = x.random.default_rng(1).standard_normal
        normal = (lambda f: lambda *shape: f(shape))(normal)
    q, k, v, do = normal(T, dk), normal(T, dk), normal(T, dv), normal(T, dv)
    alpha = (1 + x.exp(-normal(T, dk))) ** (-1 / 16)
    scale = dk**-0.5
    for _ in range(repeats):
        start = time.perf_counter()
        o, states = forward(x, q, k, v, alpha, scale, direction == "bwd")
        if direction == "bwd":
            backward(x, q, k, v, alpha, scale, do, states)
        print(time.perf_counter() - start, flush=True)


main()
