# SPDX-License-Identifier: Apache-2.0
"""glassbox.torch.gla: on a GPU against the oracle; without one, all that surrounds the kernels, on a stand-in."""

import contextlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from cuda_standin import StandIn

import glassbox
from glassbox import _cuda

torch = pytest.importorskip("torch", minversion="2.4")
gt = pytest.importorskip("glassbox.torch")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
PLACES = ["standin", pytest.param("gpu", marks=GPU)]
NAMES = ("q", "k", "v", "g", "initial_state")


@contextlib.contextmanager
def no_stream(device):
    yield None


@pytest.fixture(params=PLACES)
def place(request, monkeypatch):
    """The device to put tensors on; place.standin is None on a GPU."""
    place = type("Place", (), {"device": "cuda", "standin": None})()
    if request.param == "standin":
        place.device, place.standin = "cpu", StandIn()
        monkeypatch.setattr(_cuda, "library", lambda: place.standin)
        monkeypatch.setattr(_cuda, "rungs", lambda: {"best": 0, "recurrent": 1})
        monkeypatch.setattr(gt, "DEVICE", "cpu")
        monkeypatch.setattr(gt, "_current_stream", no_stream)
    return place


def arguments(inputs):
    """What gla takes of a case's inputs."""
    cu = inputs.get("cu_seqlens")
    return dict(g=inputs.get("g"), initial_state=inputs.get("initial_state"), scale=inputs.get("scale"),
                cu_seqlens=cu), [inputs[name] for name in ("q", "k", "v")]


def run(case, place, change=lambda name, x: x, function=None, gradients=True, **options):
    """The outputs of a case, forward and backward, by name. change lays an input out anew."""
    leaves = case.torch(place.device, requires_grad=gradients)
    inputs = {name: change(name, x) if isinstance(x, torch.Tensor) else x for name, x in leaves.items()}
    settings, qkv = arguments(inputs)
    o, state = (function or gt.gla)(*qkv, **settings, output_final_state=True, **options)
    out = {"o": o.detach(), "final_state": state.detach()}
    if gradients:
        given = [(x, inputs[name]) for x, name in ((o, "do"), (state, "dfinal_state")) if name in inputs]
        torch.autograd.backward(*zip(*given))
        out.update({"d" + name: leaves[name].grad for name in NAMES if leaves.get(name) is not None})
    return out


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]), name


# ---- what comes out ----


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
@pytest.mark.parametrize("options", [
    dict(T=67, H=3, dk=20, dv=24), dict(T=130, H=2, dk=64, dv=32, initial_state=True),
    dict(T=100, H=2, dk=16, dv=8, varlen=True), dict(T=70, H=4, Hk=2, dk=16, dv=16, varlen=True, initial_state=True),
    dict(B=3, T=1, H=2, dk=7, dv=5, initial_state=True)], ids=["plain", "state", "varlen", "grouped", "one token"])
def test_outputs_pass_the_oracle(place, dtype, options):
    case = glassbox.generate("mild", dtype=dtype, **options)
    out = run(case, place, rung="recurrent")
    assert out["o"].dtype == case.torch()["q"].dtype and out["o"].is_contiguous()
    assert out["final_state"].dtype == torch.float32 and all(x.is_contiguous() for x in out.values())
    case.assert_accurate(out, "f32" if place.standin is None else None)


NUMBERS = {"bf16": _cuda.BF16, "f16": _cuda.F16, "f32": _cuda.F32}
CUDA = type("Place", (), {"device": "cuda", "standin": None})


def run_rung(case, rung, grade="fast"):
    """The outputs of a rung, the forward's where it has no backward, {} if it does not take the case."""
    has = [_cuda.profile(rung, NUMBERS[case.dtype], backward, grade) for backward in (0, 1)]
    try:
        return run(case, CUDA, rung=rung, grade=grade, gradients=bool(has[1])) if has[0] else {}
    except glassbox.GlassboxError as error:
        assert f"the {rung} " in str(error) and " takes " in str(error), error
        return {}


def judge_rung(case, rung, grade="fast"):
    """The same, held to what the rung declares in either direction."""
    out = run_rung(case, rung, grade)
    forward, backward = (_cuda.profile(rung, NUMBERS[case.dtype], direction, grade) for direction in (0, 1))
    first = {name: x for name, x in out.items() if name in ("o", "final_state")}
    rest = {name: x for name, x in out.items() if name not in first}
    for part, profile in [(out, forward)] if forward == backward else [(first, forward), (rest, backward)]:
        if part:
            case.assert_accurate(part, profile)
    return out


@GPU
@pytest.mark.parametrize("dtype", list(NUMBERS))
@pytest.mark.parametrize("family", glassbox.families())
def test_every_rung_passes_the_oracle_on_every_family(family, dtype):
    for options in (dict(T=67, H=3, dk=20, dv=24), dict(T=130, H=1, dk=64, dv=32, initial_state=True)):
        case = glassbox.generate(family, dtype=dtype, **options)
        truth = glassbox.truth(**case.inputs)
        if dtype == "f16" and max(np.abs(truth[name]).max() for name in truth if "state" not in name) > 65504:
            continue  # nobody can return this in f16
        best, every = run(case, CUDA), [judge_rung(case, rung) for rung in _cuda.rungs() if rung != "best"]
        for name in best:
            assert any(name in out and torch.equal(best[name], out[name]) for out in every), name


@GPU
@pytest.mark.parametrize("dtype, limit", [("bf16", 2e-2), ("f16", 3e-3), ("f32", 1e-5)])  # some roundings of the dtype
def test_rungs_agree(dtype, limit):
    case = glassbox.generate("mild", dtype=dtype, T=300, H=2, dk=64, dv=64, initial_state=True)
    want = run(case, CUDA, rung="recurrent")
    for rung in _cuda.rungs():
        for name, x in (run(case, CUDA) if rung == "best" else run_rung(case, rung)).items():
            assert (x.double() - want[name].double()).norm() <= limit * want[name].double().norm(), (rung, name)


@GPU
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("family", ["mild", "strong", "reset", "channels"])
def test_the_precise_grade_passes_the_oracle(family, dtype):
    for options in (dict(T=67, H=3, dk=20, dv=24), dict(T=130, H=1, dk=64, dv=32, initial_state=True)):
        case = glassbox.generate(family, dtype=dtype, **options)
        every = [judge_rung(case, rung, "precise") for rung in ("chunkwise", "fused")]
        assert any(every)


@GPU
@pytest.mark.parametrize("rung", ["chunkwise", "fused", "best"])
def test_precise_is_nearer_to_the_truth(rung):
    case = glassbox.generate("mild", dtype="bf16", T=512, H=2, dk=128, dv=128)
    exact = glassbox.generate("mild", dtype="f32", T=512, H=2, dk=128, dv=128)
    exact.inputs.update(case.inputs)
    want = run(exact, CUDA, rung="recurrent")
    error = {grade: {name: float((x.double() - want[name].double()).norm() / want[name].double().norm())
                     for name, x in run(case, CUDA, rung=rung, grade=grade).items()} for grade in _cuda.GRADES}
    for name in ("o", "dq", "dk", "dv", "dg"):
        assert error["precise"][name] < 0.85 * error["fast"][name], (name, error)


def heads_first(name, x):
    """[B,T,H,D] as a view of [B,H,T,D]."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def columns(name, x):
    """Every second element: no dense rows."""
    return x.repeat_interleave(2, dim=3)[..., ::2]


def odd_rows(name, x):
    """Rows that begin on no 16 bytes, but the first."""
    return torch.cat([x, x[..., :1]], dim=3)[..., :-1]


def shifted(name, x):
    """Rows that lie 16 n bytes apart and begin on none of 16."""
    return torch.cat([x[..., :1], x, x[..., :7]], dim=3)[..., 1:-7]


@pytest.mark.parametrize("change", [heads_first, columns, odd_rows, shifted])
def test_layout_in_memory_does_not_matter(place, change):
    case = glassbox.generate("mild", dtype="bf16", T=66, H=2, dk=32, dv=16, initial_state=True)
    same(run(case, place, change), run(case, place))


def test_no_gate_is_no_decay_and_the_scale_is_heeded(place):
    case = glassbox.generate("mild", dtype="f32", T=20, H=2, dk=8, dv=8)
    del case.inputs["g"]
    case.inputs["scale"] = 0.3
    case.assert_accurate(run(case, place))


def test_expanded_inputs_and_gradients(place):
    case = glassbox.generate("mild", dtype="f32", T=20, H=3, dk=8, dv=8)
    x = case.torch(place.device)
    one = x["k"][:, :, :1]
    expanded = gt.gla(x["q"], one.expand(-1, -1, 3, -1), x["v"], x["g"])[0]
    assert torch.equal(expanded, gt.gla(x["q"], one.repeat(1, 1, 3, 1), x["v"], x["g"])[0])
    assert torch.equal(expanded, gt.gla(x["q"], one, x["v"], x["g"])[0])  # the same by grouped heads
    q = x["q"].requires_grad_()
    gt.gla(q, x["k"], x["v"], x["g"])[0].sum().backward()  # do: every stride 0
    want = glassbox.truth(**{**case.inputs, "do": np.ones((1, 20, 3, 8)), "dfinal_state": None}).dq
    np.testing.assert_allclose(q.grad.cpu().numpy(), want, rtol=1e-4, atol=1e-4)


def test_bf16_gates_have_bf16_gradients(place):
    case = glassbox.generate("mild", dtype="bf16", T=40, H=2, dk=16, dv=16)
    case.inputs["g"] = glassbox.round_to(case.inputs["g"], "bf16").astype(np.float32)
    x = case.torch(place.device)
    g = x["g"].bfloat16().requires_grad_()
    wide = x["g"].requires_grad_()
    for gate in (g, wide):
        gt.gla(x["q"], x["k"], x["v"], gate)[0].backward(x["do"])
    assert g.grad.dtype == torch.bfloat16 and torch.equal(g.grad, wide.grad.bfloat16())


def test_a_narrow_state_is_widened(place):
    x = glassbox.generate("mild", dtype="bf16", T=20, H=2, dk=8, dv=8, initial_state=True).torch(place.device)
    narrow = x["initial_state"].bfloat16().requires_grad_()
    wide = narrow.detach().float().requires_grad_()
    outputs = [gt.gla(x["q"], x["k"], x["v"], x["g"], initial_state=state)[0] for state in (narrow, wide)]
    for o in outputs:
        o.backward(x["do"])
    assert torch.equal(*outputs) and torch.equal(narrow.grad, wide.grad.bfloat16())


def test_packed_offsets_may_be_32_bits_wide(place):
    case = glassbox.generate("mild", dtype="f32", T=50, H=1, dk=8, dv=8, varlen=True)
    x = case.torch(place.device)
    settings, qkv = arguments(x)
    want = gt.gla(*qkv, **settings)[0]
    settings["cu_seqlens"] = settings["cu_seqlens"].int()
    assert torch.equal(gt.gla(*qkv, **settings)[0], want)


# ---- gradients ----


@pytest.mark.parametrize("wanted", [("q",), ("k", "g"), ("v",), ("initial_state",), ("g",)])
def test_only_what_is_needed_is_computed(place, wanted):
    case = glassbox.generate("mild", dtype="f32", T=30, H=2, dk=8, dv=8, initial_state=True)
    whole, x = run(case, place), case.torch(place.device)
    for name in wanted:
        x[name].requires_grad_()
    settings, qkv = arguments(x)
    o, state = gt.gla(*qkv, **settings, output_final_state=True)
    torch.autograd.backward((o, state), (x["do"], x["dfinal_state"]))
    for name in NAMES:
        assert (x[name].grad is None) == (name not in wanted)
    for name in wanted:
        assert torch.equal(x[name].grad, whole["d" + name])
    if place.standin:
        asked = {"q": "dq", "k": "dk_", "v": "dv_", "g": "dg", "initial_state": "dinitial_state"}
        assert place.standin.calls[-1][2] == [asked[name] for name in NAMES if name in wanted]


def test_the_state_alone_has_gradients(place):
    case = glassbox.generate("mild", dtype="f32", T=30, H=2, dk=8, dv=8)
    x = case.torch(place.device, requires_grad=True)
    _, state = gt.gla(x["q"], x["k"], x["v"], x["g"], output_final_state=True)
    state.backward(x["dfinal_state"])
    case.inputs["do"] = np.zeros_like(case.inputs["do"])
    case.assert_accurate({"dk": x["k"].grad, "dv": x["v"].grad, "dg": x["g"].grad})
    assert not x["q"].grad.any()
    if place.standin:
        assert place.standin.calls[-1][1] == ["q", "k", "v", "g", "d_final_state"]  # no d_o of zeros


def test_nothing_is_kept_without_gradients(place):
    x = glassbox.generate("mild", dtype="f32", T=10, H=1, dk=8, dv=8).torch(place.device)
    o, state = gt.gla(x["q"], x["k"], x["v"], x["g"])
    assert not o.requires_grad and state is None


def test_second_derivatives_are_refused(place):
    x = glassbox.generate("mild", dtype="f32", T=10, H=1, dk=8, dv=8).torch(place.device, requires_grad=True)
    o, _ = gt.gla(x["q"], x["k"], x["v"], x["g"])
    (dq,) = torch.autograd.grad(o.sum(), x["q"], create_graph=True)
    with pytest.raises(RuntimeError, match="gla_backward.*no autograd formula"):
        dq.sum().backward()


# ---- plans ----


def test_a_plan_is_kept_for_a_layout_and_knows_no_address(place):
    gt._plan.cache_clear()
    cases = [glassbox.generate("mild", dtype="f32", T=20, H=2, dk=8, dv=8, seed=seed) for seed in (1, 2)]
    outputs = [run(case, place) for case in cases]
    assert gt._plan.cache_info().misses == 2 and gt._plan.cache_info().hits == 2  # forward and backward
    for case, out in zip(cases, outputs):
        case.assert_accurate(out)
        gt._plan.cache_clear()
        same(run(case, place), out)
    plan = gt._plan(False, tuple(gt._layout(x) for x in (*(torch.zeros(1, 8, 2, 16, device=place.device),) * 3, None,
                                                         None)), None, ("o",), 0.0, "best", "fast", 0)
    x = torch.ones(1, 8, 2, 16, device=place.device)
    plan.run((x, x, x, None, None), None)
    assert not any(getattr(plan.problem, name).data for name in _cuda.INPUTS + _cuda.OUTPUTS)


def test_other_settings_are_another_plan(place):
    case = glassbox.generate("mild", dtype="f32", T=20, H=2, dk=8, dv=8)
    x = case.torch(place.device)
    once, twice = (gt.gla(x["q"], x["k"], x["v"], x["g"], scale=scale)[0] for scale in (1.0, 2.0))
    assert torch.equal(2 * once, twice)


# ---- as part of torch ----


def test_the_operators_keep_torchs_rules(place):
    case = glassbox.generate("mild", dtype="f32", T=20, H=2, dk=8, dv=5, initial_state=True)  # dv 5: padded rows
    x = case.torch(place.device, requires_grad=True)
    tensors = [x[name] for name in ("q", "k", "v", "g", "initial_state")]
    for with_state in (False, True):
        torch.library.opcheck(gt.gla_forward, (*tensors, None, 0.0, with_state, "best", "fast", 0))
    still = [t.detach() for t in tensors]
    for wanted in ([True] * 5, [True, False, False, True, False]):
        torch.library.opcheck(gt.gla_backward, (*still, None, x["do"], x["dfinal_state"], 0.0, "best", "fast", 0, wanted))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_torchs_transforms_go_by_the_operators(place):
    x = glassbox.generate("mild", dtype="f32", B=2, T=20, H=2, dk=8, dv=8).torch(place.device)
    inputs = [x[name][:, None] for name in "qkvg"]
    with torch.no_grad():
        want = gt.gla(*(x[name] for name in "qkvg"))[0]
        assert torch.equal(torch.func.vmap(lambda *one: gt.gla(*one)[0])(*inputs)[:, 0], want)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_is_the_same(place, dynamic):
    torch._dynamo.reset()
    backend = "inductor" if place.device == "cuda" else "aot_eager"

    def layer(q, k, v, **settings):
        o, state = gt.gla(q * 1, k, v, **settings)
        return o + 0, state

    compiled = torch.compile(layer, fullgraph=True, dynamic=dynamic, backend=backend)
    for options in (dict(T=40, H=2), dict(T=70, H=2, initial_state=True), dict(T=90, H=2, varlen=True)):
        case = glassbox.generate("mild", dtype="bf16", dk=16, dv=16, **options)
        same(run(case, place, function=compiled), run(case, place, function=layer))


@GPU
@pytest.mark.parametrize("segment", [0, 128])
def test_graph_replay_is_the_same(segment):
    case, other = (glassbox.generate("mild", dtype="bf16", T=300, H=2, dk=64, dv=64, seed=s) for s in (1, 2))
    x = case.torch("cuda", requires_grad=True)

    def step():
        o, state = gt.gla(x["q"], x["k"], x["v"], x["g"], output_final_state=True, segment=segment)
        return [o, state, *torch.autograd.grad((o, state), [x[n] for n in "qkvg"], (x["do"], x["dfinal_state"]))]

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        step()  # kernels are loaded outside of the capture
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = step()
    for now in (other, case, other):
        with torch.no_grad():
            for name, value in now.torch("cuda").items():
                if isinstance(value, torch.Tensor):
                    x[name].copy_(value)
        graph.replay()
        want = run(now, CUDA, segment=segment)
        for name, got in zip(("o", "final_state", "dq", "dk", "dv", "dg"), out):
            assert torch.equal(got, want[name]), name


THREAD = """
import threading, torch, glassbox
from glassbox.torch import gla
x = [torch.randn(1, 128, 1, 64, device="cuda").bfloat16() for _ in range(3)]
kept = torch.empty(1 << 22, device="cuda")
del kept  # the thread's memory comes from here, without a call to CUDA
out = []
thread = threading.Thread(target=lambda: out.append(gla(*x)[0]))
thread.start()
thread.join()
assert torch.equal(out[0], gla(*x)[0])
"""


@GPU
def test_a_thread_may_begin_with_it():
    """Autograd's own thread does: the first that it asks of CUDA is a backward."""
    folder = pathlib.Path(glassbox.__file__).parents[1]
    subprocess.run([sys.executable, "-c", THREAD], check=True, env={**os.environ, "PYTHONPATH": str(folder)})


@GPU
def test_work_goes_to_the_current_stream():
    case = glassbox.generate("mild", dtype="bf16", T=300, H=2, dk=64, dv=64)
    x = case.torch("cuda")
    want = gt.gla(x["q"], x["k"], x["v"], x["g"])[0]
    late = torch.zeros_like(x["q"])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)  # some hundredths of a second: another stream would read q before it is there
        late.copy_(x["q"])
        o = gt.gla(late, x["k"], x["v"], x["g"])[0]
    torch.cuda.synchronize()
    assert torch.equal(o, want)


@pytest.mark.parametrize("heads, T, parts", [(15, 2048, 1), (31, 64, 1), (32, 4096, 2), (32, 4097, 1), (127, 64, 2),
                                              (128, 1 << 17, 2), (1000, 64, 15)])
def test_the_parts_of_the_backward(heads, T, parts):
    assert gt._parts(heads, T) == parts


# ---- what is refused ----


@pytest.mark.parametrize("change, message", [
    (dict(q=torch.zeros(1, 8, 16)), r"q has shape \[1, 8, 16\]; wanted \[B, T, heads, dk\]"),
    (dict(k=torch.zeros(1, 9, 2, 16)), r"k has shape \[1, 9, 2, 16\]; wanted \[1, 8, heads, 16\]"),
    (dict(v=torch.zeros(2, 8, 2, 16)), r"v has shape \[2, 8, 2, 16\]; wanted \[1, 8, heads, dv\]"),
    (dict(g=torch.zeros(1, 8, 2, 15)), r"g has shape \[1, 8, 2, 15\]; wanted \[1, 8, heads, 16\]"),
    (dict(v=torch.zeros(1, 8, 2, 16).half()), "v is torch.float16; it must be torch.float32"),
    (dict(g=torch.zeros(1, 8, 2, 16).bfloat16()), "g is torch.bfloat16; it must be torch.float32"),
    (dict(q=torch.zeros(1, 8, 2, 16).double()), "q is torch.float64; it must be torch.float32 or torch.float16 or"),
    (dict(initial_state=torch.zeros(2, 2, 16, 16)), r"initial_state has shape \[2, 2, 16, 16\]; wanted \[1, heads, 16"),
    (dict(cu_seqlens=torch.zeros(1, 2)), r"cu_seqlens has shape \[1, 2\]; wanted \[N\+1\]"),
    (dict(cu_seqlens=torch.zeros(2)), "cu_seqlens is torch.float32; it must be torch.int64 or torch.int32"),
    (dict(initial_state=torch.zeros(1, 2, 16, 16).half()), "initial_state is torch.float16; it must be torch.float32"),
    (dict(scale=0), "scale is 0"), (dict(segment=-1), "segment is -1; wanted a multiple of 64"),
    (dict(rung="fastest"), "no rung 'fastest'; there are: best, recurrent"),
    (dict(grade="slow"), "no grade 'slow'; there are: fast, precise")])
def test_wrong_arguments_are_named(place, change, message):
    x = dict(q=torch.zeros(1, 8, 2, 16), k=torch.zeros(1, 8, 2, 16), v=torch.zeros(1, 8, 2, 16))
    x = {name: y.to(place.device) if isinstance(y, torch.Tensor) else y for name, y in {**x, **change}.items()}
    with pytest.raises(glassbox.GlassboxError, match=message):
        gt.gla(**x)


def test_the_kernels_own_reasons_are_passed_on(place):
    x = torch.zeros(1, 8, 2, 264, device=place.device)
    with pytest.raises(glassbox.GlassboxError, match="^gla, forward: .*dk up to 256"):
        gt.gla(x, x, x, rung="recurrent")


def test_tensors_elsewhere_are_refused():
    x = torch.zeros(1, 8, 2, 16)
    with pytest.raises(glassbox.GlassboxError, match="q is on cpu; move it to cuda"):
        gt.gla(x, x, x)


@pytest.mark.parametrize("N, H, T, segment", [(1, 16, 4095, 0), (1, 16, 4096, 2048), (4, 16, 4096, 0),
                                              (1, 63, 65535, 2048), (1, 16, 65536, 4096), (8, 16, 1 << 20, 0)])
def test_the_automatic_segment(N, H, T, segment):
    assert gt._segment(gt.AUTOMATIC, N, H, T) == segment and gt._segment(64, N, H, T) == 64
