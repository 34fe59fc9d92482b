# SPDX-License-Identifier: Apache-2.0
"""`make gpu-peers`: glassbox.torch.gla beside fla's chunk_gla and causal softmax attention (cuDNN, FlashAttention), all
through PyTorch, in one process, on the same inputs.

    python3 tests/bench/peers.py --shapes 8x2048x16x128x128 --peers glassbox,fla --csv peers.csv

Time: calls are queued behind a kernel that sleeps, so that the GPU never waits for Python, over as many sets of buffers
as fill four times the L2 cache; CUDA events around each call; median, least and most of the calls after the warm-up.
fla tunes its kernels at its first call, which is timed apart. Extra memory: the most that was allocated at once during
forward and backward, less what was there before; outputs and gradients count. Errors: relative RMS against float64,
token by token, at T = 256 with B, H, dk, dv of the shape. Inputs: q k v normal, gates logsigmoid(normal) / 16, all
bfloat16.
Softmax attention computes something else: no errors are quoted, and no time where dk is not dv.
"""

import argparse
import csv
import pathlib
import re
import statistics
import sys
import time

SKIPPED = 77
try:
    import torch
except ImportError:
    print("peers: no PyTorch for this python3 (make gpu-peers PYTHON=... names another)", file=sys.stderr)
    sys.exit(SKIPPED)

import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "compare" / "python"))

SHAPES = "8x2048x16x128x128,1x16384x16x128x128,1x131072x16x128x128,8x2048x4x128x256,8x2048x4x256x512"
SLICE = 256  # tokens, for errors
ROTATED = 240 << 20  # bytes of inputs, at least
GRADIENTS = ("dq", "dk", "dv", "dg")


# ---- peers: functions of (q, k, v, g) that return o ----


def glassbox_gla(grade):
    def make(options):
        from glassbox.torch import gla

        return lambda q, k, v, g: gla(q, k, v, g, rung=options.rung, grade=grade, segment=options.segment)[0]

    return make


def fla_gla(options):
    from fla.ops.gla import chunk_gla

    return lambda q, k, v, g: chunk_gla(q, k, v, g)[0]


def attention(backend):
    def make(options):
        def run(q, k, v, g):
            if q.shape[3] != v.shape[3]:
                raise ValueError("dk is not dv")
            with sdpa_kernel(backend):
                heads_first = (x.transpose(1, 2) for x in (q, k, v))
                return F.scaled_dot_product_attention(*heads_first, is_causal=True).transpose(1, 2)

        return run

    return make


# name: (title, is it GLA?, maker)
PEERS = {"glassbox": ("glassbox.torch.gla", True, glassbox_gla("fast")),
         "precise": ("the same, precise", True, glassbox_gla("precise")), "fla": ("fla chunk_gla", True, fla_gla),
         "cudnn": ("cuDNN attention", False, attention(SDPBackend.CUDNN_ATTENTION)),
         "flash": ("FlashAttention", False, attention(SDPBackend.FLASH_ATTENTION))}


# ---- inputs ----


def draw(B, T, H, dk, dv, seed, grad=True):
    """[q, k, v, g], do."""
    r = torch.Generator("cuda").manual_seed(seed)

    def normal(D):
        return torch.randn(B, T, H, D, device="cuda", dtype=torch.bfloat16, generator=r)

    x = [normal(dk), normal(dk), normal(dv), (F.logsigmoid(normal(dk).float()) / 16).bfloat16()]
    return [t.requires_grad_(grad) for t in x], normal(dv)


def sets_of(shape):
    size = 2 * shape[0] * shape[1] * shape[2] * (3 * shape[3] + 2 * shape[4])
    return [draw(*shape, seed=i) for i in range(max(2, -(-ROTATED // size)))]


def forward(peer, inputs, do):
    with torch.no_grad():
        return peer(*inputs)


def both(peer, inputs, do):
    o = peer(*inputs)
    return o, torch.autograd.grad(o, inputs, do, allow_unused=True)  # attention has no gates


# ---- time and memory ----


def time_calls(what, peer, sets, seconds):
    """Milliseconds of every call, about so many seconds in all."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for i in range(2):
        what(peer, *sets[i % len(sets)])
    enqueued = (time.perf_counter() - start) / 2  # the host's part
    torch.cuda.synchronize()
    each = (time.perf_counter() - start) / 2
    ms = []
    calls = int(max(3, min(40, seconds / each)))
    while len(ms) < calls:
        batch = min(10, calls - len(ms))
        events = [torch.cuda.Event(enable_timing=True) for _ in range(batch + 1)]
        torch.cuda._sleep(int(2e9 * (1.5 * enqueued * batch + 1e-3)))  # cycles, of at most 2 GHz
        events[0].record()
        for i in range(batch):
            what(peer, *sets[(len(ms) + i) % len(sets)])
            events[i + 1].record()
        torch.cuda.synchronize()
        ms += [a.elapsed_time(b) for a, b in zip(events, events[1:])]
    return ms, enqueued * 1e6


def extra_memory(peer, inputs, do):
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    both(peer, inputs, do)
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def copy_speed():
    """TB/s, bytes read plus bytes written; the best of five."""
    a, b = torch.empty(2, 1 << 30, dtype=torch.uint8, device="cuda")
    best = 0.0
    for _ in range(6):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        b.copy_(a)
        end.record()
        torch.cuda.synchronize()
        best = max(best, 2 * a.numel() / start.elapsed_time(end) / 1e9)
    return best


# ---- errors ----


def recurrence(q, k, v, g, do):
    """o dq dk dv dg in float64, token by token."""
    q, k, v, g, do = (x.detach().double().transpose(1, 2) for x in (q, k, v, g, do))  # [B,H,T,D]
    scale, decay = q.shape[3] ** -0.5, g.exp()[..., None]
    S = torch.zeros(*q.shape[:2], q.shape[3], v.shape[3], dtype=torch.float64, device=q.device)
    G, before = torch.zeros_like(S), []
    out = [torch.empty_like(x) for x in (v, q, k, v, g)]
    for t in range(q.shape[2]):
        before.append(S)
        S = decay[:, :, t] * S + k[:, :, t, :, None] * v[:, :, t, None, :]
        out[0][:, :, t] = scale * (q[:, :, t, None, :] @ S)[:, :, 0]
        out[1][:, :, t] = scale * (S @ do[:, :, t, :, None])[..., 0]
    for t in reversed(range(q.shape[2])):
        G = G + scale * q[:, :, t, :, None] * do[:, :, t, None, :]
        out[2][:, :, t] = (G @ v[:, :, t, :, None])[..., 0]
        out[3][:, :, t] = (k[:, :, t, None, :] @ G)[:, :, 0]
        G = decay[:, :, t] * G
        out[4][:, :, t] = (before.pop() * G).sum(3)
    return [x.transpose(1, 2) for x in out]


def errors_of(peer, inputs, do, truth):
    o, gradients = both(peer, inputs, do)
    return [float((x.double() - want).norm() / want.norm()) for x, want in zip((o.detach(), *gradients), truth)]


# ---- the table ----


def measure(name, peer, gated, shape, sets, options):
    """A row of the CSV file."""
    row = dict(zip(("B", "T", "H", "dk", "dv"), shape), peer=name)
    start = time.perf_counter()
    for what in (forward, both)[:1 if options.forward else 2]:
        what(peer, *sets[0])
        torch.cuda.synchronize()
    row["first_call_s"] = time.perf_counter() - start
    for label, what in (("forward", forward), ("both", both))[:1 if options.forward else 2]:
        ms, host = time_calls(what, peer, sets, options.seconds)
        row.update({f"{label}_ms": statistics.median(ms), f"{label}_least": min(ms), f"{label}_most": max(ms),
                    f"{label}_host_us": host})
    if not options.forward:
        row["extra_MB"] = extra_memory(peer, *sets[0])
    if gated and not options.forward:
        inputs, do = draw(shape[0], SLICE, *shape[2:], seed=99)
        row.update(zip((f"error_{x}" for x in ("o",) + GRADIENTS),
                       errors_of(peer, inputs, do, recurrence(*inputs, do))))
    return row


def as_text(title, row):
    def timing(label):
        if f"{label}_ms" not in row:
            return f"{'-':>35}"
        return f"{row[label + '_ms']:11.4f}  {row[label + '_least']:9.4f} .. {row[label + '_most']:9.4f}"

    errors = " ".join(f"{row[f'error_{x}']:8.1e}" if f"error_{x}" in row else f"{'-':>8}" for x in ("o",) + GRADIENTS)
    extra = f"{row['extra_MB']:9.0f}" if "extra_MB" in row else f"{'-':>9}"
    return f"{title:<20}{timing('forward')} {timing('both')} {extra}  {errors}"


def run_shape(shape, options):
    B, T, H, dk, dv = shape
    returned = 2e-6 * B * T * H * (3 * dk + 2 * dv)
    print(f"\nB {B}, T {T}, H {H}, dk {dk}, dv {dv}; o and the gradients are {returned:.0f} MB", flush=True)
    print(f"{'':20}{'forward ms':>11}  {'least .. most':>22} {'and back ms':>11}  {'least .. most':>22} "
          f"{'extra MB':>9}  " + " ".join(f"{'error ' + x:>8}" for x in ("o",) + GRADIENTS))
    sets, rows = sets_of(shape), []
    for name in options.peers:
        title, gated, make = PEERS[name]
        try:
            rows.append(measure(name, make(options), gated, shape, sets, options))
            print(as_text(title, rows[-1]) + (f"  (first calls: {rows[-1]['first_call_s']:.0f} s)"
                                              if rows[-1]["first_call_s"] > 10 else ""), flush=True)
        except (ImportError, ValueError, RuntimeError) as error:
            print(f"{title:<20}not measured: {str(error).splitlines()[0]}", flush=True)
    return rows


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="example: make gpu-peers, or "
                                     "python3 tests/bench/peers.py --shapes 8x2048x16x128x128 --peers glassbox,cudnn")
    parser.add_argument("--shapes", default=SHAPES, help="BxTxHxdkxdv,... (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(PEERS), help="some of %(default)s, in this order")
    parser.add_argument("--rung", default="best", help="glassbox's kernel (default %(default)s)")
    parser.add_argument("--segment", type=int, help="tokens of a segment, 0 for none (default: by the shape)")
    parser.add_argument("--forward", action="store_true", help="forward alone: no gradients, memory, errors")
    parser.add_argument("--seconds", type=float, default=0.3, help="of timed calls a figure (default %(default)s)")
    parser.add_argument("--csv", help="write the figures there")
    options = parser.parse_args(arguments)
    options.peers = options.peers.split(",")
    for name in options.peers:
        if name not in PEERS:
            parser.error(f"no peer '{name}'; there are: {', '.join(PEERS)}")
    for shape in options.shapes.split(","):
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){4}", shape):
            parser.error(f"--shapes: '{shape}' is not BxTxHxdkxdv, such as 8x2048x16x128x128")
    options.shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes.split(",")]
    return options


def main(arguments):
    options = parse(arguments)
    if not torch.cuda.is_available():
        print("peers: no GPU that PyTorch knows; nothing was measured", file=sys.stderr)
        return SKIPPED
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, copy {copy_speed():.2f} TB/s")
    torch.ones(1, device="cuda", requires_grad=True).square().backward()  # autograd's own start is nobody's time
    rows = []
    for shape in options.shapes:
        rows += run_shape(shape, options)
        torch.cuda.empty_cache()
    if options.csv and rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
