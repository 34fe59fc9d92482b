# SPDX-License-Identifier: Apache-2.0
"""Mechanisms other than gla: shapes, truth against the definition, verdicts, and what is refused."""

import numpy as np
import pytest

import glassbox


def naive(inputs, log_decay):
    """The recurrence of spec 5 token by token in float64; log_decay [B,T,H], H heads of k too."""
    q, k, v = (np.asarray(inputs[name], np.float64) for name in "qkv")
    B, T, H, dk = q.shape
    k, g = (np.repeat(x, H // x.shape[2], axis=2) for x in (k, log_decay))
    S = np.zeros((B, H, dk, v.shape[3]))
    if "initial_state" in inputs:
        S = np.asarray(inputs["initial_state"], np.float64).copy()
    o = np.zeros(v.shape)
    for t in range(T):
        S = np.exp(g[:, t])[..., None, None] * S + k[:, t][..., None] * v[:, t][..., None, :]
        o[:, t] = np.einsum("bhi,bhij->bhj", q[:, t], S) * dk ** -0.5
    return o, S


def decay_of(mechanism, inputs):
    B, T, H = inputs["q"].shape[:3]
    if mechanism == "simple_gla":
        return np.asarray(inputs["g"], np.float64)[..., 0]
    heads = np.arange(H)
    rows = {"linear_attention": np.zeros(H), "retention": np.log1p(-2.0 ** (-5 - heads)),
            "lightning": -2.0 ** (-8 * (heads + 1) / H), "lightning:linear:1/4": -8 * heads / H * 0.75}[mechanism]
    return np.broadcast_to(rows, (B, T, H))


MECHANISMS = ["simple_gla", "linear_attention", "retention", "lightning", "lightning:linear:1/4"]


@pytest.fixture(params=MECHANISMS)
def case(request):
    return glassbox.generate("mild", mechanism=request.param, dtype="f32", T=20, H=4, dk=4, dv=3, initial_state=True)


def test_truth_is_the_definition(case):
    t = glassbox.truth(**case.inputs, mechanism=case.mechanism)
    o, S = naive(case.inputs, decay_of(case.mechanism, case.inputs))
    np.testing.assert_allclose(t.o, o, rtol=0, atol=1e-12)
    np.testing.assert_allclose(t.final_state, S, rtol=0, atol=1e-12)
    assert ("dg" in list(t)) == (case.mechanism == "simple_gla")


def test_right_passes_and_gla_fails(case):
    values = glassbox.truth(**case.inputs, mechanism=case.mechanism)
    outputs = {name: np.asarray(values[name], np.float32) for name in values}
    assert case.assert_accurate(outputs).passed
    wrong = {**outputs, "o": outputs["o"] * np.float32(1.01)}
    with pytest.raises(AssertionError, match="o"):
        case.assert_accurate(wrong)


def test_gates_of_three_axes():
    case = glassbox.generate("mild", mechanism="simple_gla", dtype="f32", T=9, H=2)
    flat = {**case.inputs, "g": case.inputs["g"][..., 0]}
    four, three = (glassbox.truth(**x, mechanism="simple_gla") for x in (case.inputs, flat))
    assert four.dg.shape == (1, 9, 2, 1) and three.dg.shape == (1, 9, 2)
    assert (four.dg[..., 0] == three.dg).all()
    outputs = {"dg": np.asarray(three.dg, np.float32)}
    assert glassbox.check(flat, outputs, mechanism="simple_gla").passed
    (o, S), pullback = glassbox.vjp(**{k: v for k, v in flat.items() if k not in ("do", "dfinal_state")},
                                    mechanism="simple_gla")
    assert pullback(flat["do"], flat["dfinal_state"])["g"].shape == (1, 9, 2)


def test_a_saved_case_names_its_mechanism(tmp_path):
    import json
    import zipfile

    case = glassbox.generate("mild", mechanism="retention:linspace", dtype="f32", T=9, H=2)
    glassbox.save(tmp_path / "case.npz", case.inputs, mechanism=case.mechanism)
    with zipfile.ZipFile(tmp_path / "case.npz") as archive:
        assert json.loads(archive.read("metadata.json"))["mechanism"] == "retention:linspace"


def test_refused():
    inputs = glassbox.generate("mild", dtype="f32", T=5, H=2).inputs
    with pytest.raises(glassbox.GlassboxError, match="mechanism retention takes no g"):
        glassbox.truth(**inputs, mechanism="retention")
    with pytest.raises(glassbox.GlassboxError, match="one gate per head"):
        glassbox.truth(**inputs, mechanism="simple_gla")
    with pytest.raises(glassbox.GlassboxError, match="is not one of retention:powers"):
        glassbox.truth(**{**inputs, "g": None}, mechanism="retention:slow")
    with pytest.raises(glassbox.GlassboxError, match="no mechanism 'lstm'; known: gla, simple_gla"):
        glassbox.truth(**inputs, mechanism="lstm")
    with pytest.raises(glassbox.GlassboxError, match=r"g has shape .*, 1\)"):
        glassbox.truth(**{**inputs, "g": inputs["g"][..., 0]})


EVERY = list(glassbox.names("mechanisms")) + ["mlstm,gate=sigmoid", "linear_attention,normaliser=sum,eps=1e-3"]


@pytest.mark.parametrize("mechanism", EVERY)
def test_every_mechanism(mechanism, tmp_path):
    case = glassbox.generate("mild", mechanism=mechanism, dtype="f32", T=7, H=2, dk=4, dv=3, initial_state=True)
    values = glassbox.truth(**case.inputs, mechanism=mechanism)
    outputs = {name: np.asarray(values[name], np.float32) for name in values}
    assert case.check(outputs).passed
    for name in outputs:
        wrong = outputs[name] + (np.abs(outputs[name]).max() + 1)
        assert name == "final_m" or not case.check({**outputs, name: wrong}).passed, name
    glassbox.save(tmp_path / "case.npz", case.inputs, outputs, mechanism)
    assert (tmp_path / "case.npz").stat().st_size > 0


def test_names_and_axes():
    case = glassbox.generate("mild", mechanism="mamba2", dtype="f32", T=5, H=2)
    assert {"C", "B", "x", "dy", "A_log", "dt"} <= set(case.inputs) and case.inputs["A_log"].shape == (1, 1, 2, 1)
    usual = {"C": "q", "B": "k", "x": "v", "dy": "do"}
    short = {usual.get(name, name): x for name, x in case.inputs.items()}
    short["A_log"], short["dt"] = short["A_log"].reshape(2), short["dt"][..., 0]
    long, brief = (glassbox.truth(**x, mechanism="mamba2") for x in (case.inputs, short))
    assert long.dA_log.shape == (1, 1, 2, 1) and brief.dA_log.shape == (2,) and brief.ddt.shape == (1, 5, 2)
    assert (long.y == brief.y).all() and (long.dA_log.ravel() == brief.dA_log).all() and "dC" in list(brief)
    with pytest.raises(glassbox.GlassboxError, match="beta is missing"):
        glassbox.truth(**glassbox.generate("mild", dtype="f32", T=5, H=2).inputs, mechanism="kda")
