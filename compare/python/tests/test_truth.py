# SPDX-License-Identifier: Apache-2.0
"""Truth and reference against the definition in binary64, and the pair of value and rest."""

import numpy as np
import pytest
from kernels import naive

import glassbox

OPTIONS = [dict(), dict(gv=True, initial_state=True), dict(varlen=True, initial_state=True), dict(reverse=True),
           dict(B=2, H=4, Hk=2)]
FORWARD = ("q", "k", "v", "g", "gv", "initial_state", "scale", "cu_seqlens", "reverse")


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_truth_is_the_definition(options):
    case = glassbox.generate("mild", dtype="f32", **options)
    truth = glassbox.truth(**case.inputs)
    o, states = naive(**case.inputs)
    np.testing.assert_allclose(truth.o, o, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(truth.final_state, states, rtol=1e-9, atol=1e-12)


def test_gradients_are_derivatives():
    case = glassbox.generate("mild", dtype="f32", T=5, H=2, dk=3, dv=2, gv=True, initial_state=True)
    inputs = {name: x.astype(np.float64) for name, x in case.inputs.items()}
    truth = glassbox.truth(**inputs)

    def loss(**changed):
        o, states = naive(**{**inputs, **changed})
        return np.sum(o * inputs["do"]) + np.sum(states * inputs["dfinal_state"])

    rng = np.random.default_rng(1)
    for name in ("q", "k", "v", "g", "gv", "initial_state"):
        direction = rng.standard_normal(inputs[name].shape)
        step = 1e-6  # central difference: error about 1e-12 of the third derivative, and 1e-10 of rounding
        slope = (loss(**{name: inputs[name] + step * direction})
                 - loss(**{name: inputs[name] - step * direction})) / (2 * step)
        assert slope == pytest.approx(np.sum(truth["d" + name] * direction), rel=1e-6), name


def test_targets_and_rests():
    case = glassbox.generate("mild")
    wide, narrow = glassbox.truth(**case.inputs), glassbox.truth(**case.inputs, target="bf16")
    assert list(wide) == ["o", "final_state", "dq", "dk", "dv", "dg", "dinitial_state"]
    for name in wide:
        assert getattr(wide.certified, name).all()
        np.testing.assert_array_equal(narrow[name], glassbox.round_to(wide[name], "bf16"))
        rest = getattr(wide.lo, name)
        assert np.any(rest != 0) and np.all(np.abs(rest) <= 2.0 ** -53 * np.abs(wide[name]))
        np.testing.assert_allclose(narrow[name] + getattr(narrow.lo, name), wide[name], rtol=2.0 ** -52)
        assert np.all(getattr(wide.magnitude, name) >= np.abs(wide[name]) * (1 - 1e-12))


def test_forward_alone_and_ungated():
    case = glassbox.generate("mild", backward=False)
    truth = glassbox.truth(case.inputs["q"], case.inputs["k"], case.inputs["v"])
    assert list(truth) == ["o", "final_state"]
    np.testing.assert_allclose(truth.o, naive(case.inputs["q"], case.inputs["k"], case.inputs["v"])[0], rtol=1e-9,
                               atol=1e-12)


def test_resets_are_exact():
    case = glassbox.generate("reset", backward=False)
    assert np.isneginf(case.inputs["g"]).any()
    assert np.isfinite(glassbox.truth(**case.inputs).o).all()


def test_reference_returns_what_a_naive_function_does():
    inputs = {name: x for name, x in glassbox.generate("mild", dtype="f16").inputs.items() if name in FORWARD}
    o, state = glassbox.reference(**inputs)
    assert o.dtype == np.float16 and state is None
    o, state = glassbox.reference(**inputs, output_final_state=True)
    assert state.dtype == np.float32
    np.testing.assert_array_equal(o, naive(**inputs)[0].astype(np.float16))


def test_vjp_gives_the_gradients_of_truth():
    case = glassbox.generate("mild", initial_state=True)
    inputs = {name: x for name, x in case.inputs.items() if name in FORWARD}
    (o, state), pullback = glassbox.vjp(**inputs)
    truth, grads = glassbox.truth(**case.inputs), pullback(case.inputs["do"], case.inputs["dfinal_state"])
    assert sorted(grads) == ["g", "initial_state", "k", "q", "v"]
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, truth["d" + name].astype(np.float32))
    with pytest.raises(glassbox.GlassboxError, match="needs do or dfinal_state"):
        pullback()


def test_cases_are_the_same_every_time():
    one, two, other = (glassbox.generate("mild", seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.inputs["q"], two.inputs["q"])
    assert one.id == "gla/mild/T67_H3_K20_V24/bf16/s5" == two.id != other.id
    assert not np.array_equal(one.inputs["q"], other.inputs["q"])
    np.testing.assert_array_equal(one.inputs["q"], glassbox.round_to(one.inputs["q"], "bf16"))
    assert set(glassbox.families()) >= {"mild", "reset", "integers"}
