# SPDX-License-Identifier: Apache-2.0
"""Verdicts: right outputs pass, every way of being wrong does not, and the message says what and where."""

import json
import re

import numpy as np
import pytest

import glassbox


@pytest.fixture(scope="module")
def case():
    return glassbox.generate("mild", dtype="f32", dk=8, dv=12)


@pytest.fixture
def right(case):
    """The truth in binary32: what the best binary32 kernel returns."""
    truth = glassbox.truth(**case.inputs)
    return {name: truth[name].astype(np.float32) for name in truth}


def failure(case, outputs, **options):
    with pytest.raises(AssertionError) as caught:
        glassbox.assert_accurate("gla", case.inputs, outputs, **options)
    return str(caught.value)


def test_right_outputs_pass(case, right):
    report = glassbox.assert_accurate("gla", case.inputs, right)
    assert report and report.verdict == "PASS" and report.profile == "f32"
    assert sorted(report.tensors) == sorted(right)
    for name, tensor in report.tensors.items():
        assert tensor.verdict == "PASS" and tensor.elements == right[name].size
        assert 0 < tensor.worst < 1 and tensor.first_bad is None and tensor.nan == 0
    assert "PASS against certified truth, profile f32" in str(report)


def test_a_pass_that_says_little_is_said_to():
    case = glassbox.generate("spike", dtype="bf16", dk=8, dv=8)
    truth = glassbox.truth(**case.inputs, target="bf16")
    report = case.assert_accurate({name: truth[name].astype(np.float32) for name in truth}, profile="chunk-bf16")
    assert [name for name, tensor in report.tensors.items() if tensor.says_little] == ["dg"]
    assert re.search(r"\n  dg .*\n    the bound is 0\.\d+ times the output's rms: this pass says little\n", str(report))
    assert str(report).count("says little") == 1


def one_element(x):
    x[0, 40, 1, 7] += 0.01


def not_a_number(x):
    x[0, 40, 1, 7] = np.nan


def infinite(x):
    x[0, 40, 1, 7] = -np.inf


def zeros(x):
    x[:] = 0


def shifted(x):
    x[:, 1:] = x[:, :-1].copy()


def last_token_unwritten(x):
    x[:, -1] = np.nan


def heads_exchanged(x):
    x[:, :, :2] = x[:, :, 1::-1].copy()


def a_little_off(x):
    x *= 1.001


@pytest.mark.parametrize("name", ["o", "dq", "dk", "dv", "dg"])
@pytest.mark.parametrize("spoil", [one_element, not_a_number, infinite, zeros, shifted, last_token_unwritten,
                                   heads_exchanged, a_little_off])
def test_wrong_outputs_fail(case, right, name, spoil):
    spoil(right[name])
    report = glassbox.check(case.inputs, right)
    assert report.verdict == "FAIL" and not report
    assert report.tensors[name].verdict == "FAIL" and report.tensors[name].first_bad is not None
    assert all(tensor.verdict == "PASS" for other, tensor in report.tensors.items() if other != name)


def test_the_message_speaks_torch_and_then_says_more(case, right):
    right["o"][0, 40, 1, 7] += 0.5
    text = failure(case, {"o": right["o"], "dq": right["dq"]})
    assert text.startswith("Tensor-likes are not close!\n\nMismatched elements: 1 / 2412 (0.0%)\n"
                           "Greatest absolute difference: 0.5 at index (0, 40, 1, 7) (up to ")
    relative, allowed = map(float, re.search(
        r"Greatest relative difference: (\S+) at index \(0, 40, 1, 7\) \(up to (\S+) allowed\)", text).groups())
    want = glassbox.truth(**case.inputs).o[0, 40, 1, 7]
    assert relative == pytest.approx(0.5 / abs(want), rel=1e-4) and 0 < allowed < 1e-3
    assert "First mismatch at index (0, 40, 1, 7)" in text
    assert "The failure occurred for item [o]" in text and "item [dq]" not in text
    assert re.search(r"^  o +FAIL +binary32, error/bound", text, re.MULTILINE)
    assert re.search(r"^  dq +PASS +binary32, error/bound", text, re.MULTILINE)
    assert re.search(r"reproduce: set GLASSBOX_SAVE=DIR .*\n  glassbox check DIR/case-[0-9a-f]{8}.npz --profile f32$",
                     text)


def test_the_message_names_the_likely_cause_and_the_place(case, right):
    unscaled = glassbox.truth(**{**case.inputs, "scale": 1.0}).o
    text = failure(case, {"o": unscaled.astype(np.float32)})
    assert re.search(r"^first bad element: o\(0, 0, 0, \d+\), token 0 of sequence 0: chunk 0, row 0 of 64$", text,
                     re.MULTILINE)
    assert re.search(r"^likely cause: .*scale", text, re.MULTILINE)
    right["dq"][0, 65, 0, 0] += 1
    assert "first bad element: dq(0, 65, 0, 0), token 65 of sequence 0: chunk 1, row 1 of 64" in failure(
        case, {"dq": right["dq"]})


def test_errors_within_their_bounds_that_roundings_cannot_have():
    big = glassbox.generate("mild", dtype="bf16", T=192, H=2, dk=32, dv=32)
    truth = glassbox.truth(**big.inputs)
    noisy = truth.o + 2.0 ** -11 * truth.magnitude.o * np.random.default_rng(1).uniform(-1, 1, truth.o.shape)
    cut = (truth.o.astype(np.float32).view(np.uint32) & np.uint32(0xffff0000)).view(np.float32)  # truncated to bf16
    for o, message in ((noisy, "Errors too large together: rms z 1."), (cut, "Errors lean to one side: mean of z")):
        report = glassbox.check(big.inputs, {"o": o.astype(np.float32)}, "chunk-bf16")
        tensor = report.tensors["o"]
        assert (report.verdict, tensor.tier, tensor.over, tensor.scattered) == ("FAIL", 3, 0, tensor.elements)
        assert tensor.rms_z > tensor.rms_z_limit or abs(tensor.bias) > tensor.bias_limit
        assert message in str(report)
    assert glassbox.check(big.inputs, {"o": truth.o}, "chunk-bf16").tensors["o"].rms_z < 0.5


def test_the_report_has_the_numbers(case, right):
    right["o"][0, 40, 1, 7] = 1e6
    tensor = glassbox.check(case.inputs, right).tensors["o"]
    assert (tensor.worst_at, tensor.first_bad, tensor.over) == ((0, 40, 1, 7), (0, 40, 1, 7), 1)
    assert tensor.got == 1e6 and abs(tensor.want) < 100 and tensor.worst > 1e6
    assert isinstance(tensor.elements, int)


def test_missing_and_misshapen_outputs_are_broken(case, right):
    report = glassbox.check(case.inputs, {"o": right["o"], "dq": None, "dk": right["dk"][:, :-1], "dv": right["dv"][0]})
    assert report.verdict == "BROKEN"
    assert [report.tensors[name].verdict for name in ("o", "dq", "dk", "dv")] == ["PASS"] + ["BROKEN"] * 3
    text = failure(case, {"dk": right["dk"][:, :-1], "dq": None, "dv": right["dv"][0]})
    assert "The values for attribute 'shape' do not match: (1, 66, 3, 8) != (1, 67, 3, 8)." in text
    assert "The values for attribute 'shape' do not match: (67, 3, 12) != (1, 67, 3, 12)." in text
    assert "The output is missing.\nThe failure occurred for item [dq]" in text


def test_the_dtype_chooses_the_profile(case, right):
    half = {"o": right["o"].astype(np.float16)}
    assert glassbox.check(case.inputs, half).profile == "chunk-f16"
    assert glassbox.check(case.inputs, {"o": right["o"].astype(np.float64)}).profile == "f32"
    assert "profile chunk-bf16" in str(glassbox.check(case.inputs, right, profile="chunk-bf16"))
    # binary16's last bit is far beyond what binary32 arithmetic may lose; declared as stored in float16 it is right
    assert glassbox.check(case.inputs, {"o": half["o"].astype(np.float32)}).verdict == "FAIL"
    assert glassbox.check(case.inputs, half).verdict == "PASS"


def test_exact_cases_demand_equality():
    case = glassbox.generate("integers", dtype="f32", dk=8, dv=12)
    o = glassbox.truth(**case.inputs).o.astype(np.float32)
    tensor = case.check({"o": o}, "f32").tensors["o"]
    assert tensor.verdict == "PASS" and tensor.exact == tensor.elements
    o[0, 3, 1, 2] = np.nextafter(o[0, 3, 1, 2], np.float32(np.inf))
    text = failure(case, {"o": o})
    assert "Mismatched elements: 1 / 2412 (0.0%)" in text and "only equality passes" in text


def test_marginal_passes_unless_strict(case, right):
    tensor = glassbox.check(case.inputs, {"o": right["o"]}).tensors["o"]
    for factor in (1.001, 1.01, 1.1, 1.5):  # of the bound; MARGINAL reaches to twice its random part
        o = right["o"].astype(np.float64)
        o[tensor.worst_at] = tensor.want + factor * tensor.allowed
        if glassbox.check(case.inputs, {"o": o}).verdict == "MARGINAL":
            assert glassbox.assert_accurate("gla", case.inputs, {"o": o}).verdict == "MARGINAL"
            assert "MARGINAL" in failure(case, {"o": o}, strict=True)
            return
    pytest.fail("no error was marginal")


def test_a_replay_demands_every_bit(case, right):
    report = glassbox.assert_accurate("gla", case.inputs, right, replay="mpfr:200", form="recurrent")
    assert all(tensor.tier == 1 and tensor.differing == 0 for tensor in report.tensors.values())
    assert glassbox.check(case.inputs, right).tensors["o"].replayed == 0
    right["o"].view(np.uint32)[0, 66, 2, 3] ^= 1
    assert case.check(right).verdict == "PASS"
    text = failure(case, right, replay="mpfr:200", form="recurrent")
    assert "Other bits than the replay: 1 / 2412, at most 1 ulp apart; first at index (0, 66, 2, 3): got " in text
    assert text.endswith(" --profile f32 --replay mpfr:200 --form recurrent")
    tensor = case.check(right, replay="mpfr:200").tensors["o"]
    assert tensor.tier == 1 and tensor.first_differing == (0, 66, 2, 3) and tensor.ulps == 1


@pytest.mark.parametrize("change, outputs, message", [
    (dict(g=np.full((1, 67, 3, 8), 0.5)), dict(o=0), r"g\[0,0,0,0\] = 0.5 is above 0.*allow_growth=True"),
    (dict(q=np.full((1, 67, 3, 8), np.nan)), dict(o=0), r"q\[0,0,0,0\] = nan is NaN"),
    (dict(v=np.zeros((1, 66, 3, 12))), dict(o=0), r"v has shape \(1, 66, 3, 12\), wanted \(1, 67, 3, 12\)"),
    (dict(v=np.zeros((1, 67, 2, 12))), dict(o=0), "2 heads, which do not divide H = 3"),
    (dict(k=None), dict(o=0), "input 'k' is missing"),
    (dict(k=np.zeros((67, 3, 8))), dict(o=0), r"k has shape \(67, 3, 8\); wanted 4 axes"),
    (dict(beta=1), dict(o=0), "no input 'beta'; known: q, k"),
    (dict(gk=np.zeros((1, 67, 3, 8))), dict(o=0), "input 'g' is given twice"),
    (dict(scale=0), dict(o=0), "scale is 0"),
    (dict(cu_seqlens=[0, 3, 70], dfinal_state=None), dict(o=0), "cu_seqlens ends at 70 but T = 67"),
    (dict(cu_seqlens=[0.0, 67.0]), dict(o=0), "cu_seqlens has shape"),
    (dict(do=None, dfinal_state=None), dict(dq=0), "neither do nor dfinal_state is given"),
    (dict(g=None), dict(dg=0), "dg is under test, but its input is not given"),
    (dict(), dict(), "no output under test"),
    (dict(), dict(p=0), "no output 'p'; known: o"),
    (dict(q=np.zeros((1, 67, 3, 8), complex)), dict(o=0), "q has dtype complex128"),
    (dict(q=np.array([["a"]])), dict(o=0), "q has dtype"),
])
def test_what_cannot_be_judged_is_an_error_not_a_verdict(case, change, outputs, message):
    whole = {name: np.zeros((1, 67, 3, 12)) for name in outputs}
    with pytest.raises(glassbox.GlassboxError, match=message):
        glassbox.check({**case.inputs, **change}, whole)


PROFILE = {"name": "mine", "what": "f32 with a state in bf16", "like": "f32", "sites": {"state": {"format": "bf16"}}}


@pytest.fixture
def coarse(case, right):
    """Outputs that f32 does not excuse, and a state in bf16 does."""
    return {**right, "final_state": glassbox.round_to(right["final_state"], "bf16").astype(np.float32)}


def test_a_profile_of_ones_own(case, coarse, tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(PROFILE))
    for profile in (PROFILE, path, str(path)):
        report = glassbox.check(case.inputs, coarse, profile=profile)
        assert report.passed and report.profile == "mine", str(report)
        assert glassbox.assert_accurate("gla", case.inputs, coarse, profile).passed
    assert not glassbox.check(case.inputs, coarse, profile="f32").passed
    numbers = {**PROFILE, "sites": {"state": {"u": 2 ** -8, "p": 8, "tiny": 2.0 ** -134}}}  # what bf16 stands for
    assert (glassbox.check(case.inputs, coarse, profile=numbers).tensors["final_state"].allowed
            == glassbox.check(case.inputs, coarse, profile=PROFILE).tensors["final_state"].allowed)
    finer = {**PROFILE, "name": "finer", "sites": {"state": {"u": 2 ** -14, "p": 14}}}
    path.write_text(json.dumps(finer))
    monkeypatch.chdir(tmp_path)
    report = glassbox.check(case.inputs, coarse, profile="mine.json")
    assert not report.passed and "profile finer: f32 with a state in bf16" in str(report)
    assert failure(case, coarse, profile="mine.json").endswith(".npz --profile mine.json")


@pytest.mark.parametrize("text, message", [
    ('{"name": "x"}', 'mine.json: "form" is missing'),
    ('{"name": "x", "like": "f33"}', '"like" names no built-in profile'),
    ('{"name": "x", "like": "f32", "op": {"format": "f31"}}', '"op" has an unknown format'),
    ('{"name": "x", "like": "f32", "op": {"u": 3}}', '"u" is no number from 0 to 0.5'),
    ('{"name": "x", "like": "f32", "sites": {"here": null}}', '"here" is no rounding site'),
    ('{"name": "x", "like": "f32", "o.u": 1}', "is no key of a profile"),
    ('{"name": "x\\nform s y", "like": "f32", "op": true}', '"op" is no rounding'),
    ('{"name": "x", "name": "y"}', '"name" stands there twice'),
    ("[]", "not list"), ("{", "not JSON"),
])
def test_a_bad_profile_is_an_error_that_names_the_key(case, right, tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(glassbox.GlassboxError, match=message):
        glassbox.check(case.inputs, right, profile=path)
    with pytest.raises(glassbox.GlassboxError, match="No such file"):
        glassbox.check(case.inputs, right, profile=tmp_path / "other.json")


def test_unknown_names_are_errors(case, right):
    with pytest.raises(glassbox.GlassboxError, match="no profile 'f31'.*f32-chunk"):
        glassbox.check(case.inputs, right, profile="f31")
    with pytest.raises(glassbox.GlassboxError, match="no number system 'binary23'"):
        glassbox.check(case.inputs, right, replay="binary23")
    with pytest.raises(glassbox.GlassboxError, match="form 'recurrent' is given, but no replay"):
        glassbox.check(case.inputs, right, form="recurrent")
    with pytest.raises(glassbox.GlassboxError, match="no mechanism 'lstm'; known: gla"):
        glassbox.assert_accurate("lstm", case.inputs, right)
    with pytest.raises(glassbox.GlassboxError, match="no format 'f12'"):
        glassbox.truth(**case.inputs, target="f12")
    with pytest.raises(glassbox.GlassboxError, match='no family "wild"'):
        glassbox.generate("wild")
    with pytest.raises(glassbox.GlassboxError, match="no dtype 'f8'"):
        glassbox.generate("mild", dtype="f8")
    with pytest.raises(glassbox.GlassboxError, match="no size 'K'"):
        glassbox.generate("mild", K=3)


def test_growth_is_judged_when_asked_for(case):
    inputs = {**case.inputs, "g": np.full((1, 67, 3, 8), 2.0 ** -6)}
    o = glassbox.truth(**inputs, allow_growth=True).o.astype(np.float32)
    assert glassbox.check(inputs, {"o": o}, allow_growth=True)
