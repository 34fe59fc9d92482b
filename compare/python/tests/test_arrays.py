# SPDX-License-Identifier: Apache-2.0
"""Arrays of other kinds: layouts in memory, DLPack, bfloat16 of ml_dtypes, torch."""

import numpy as np
import pytest
from kernels import BFloat16

import glassbox


@pytest.fixture(scope="module")
def case():
    return glassbox.generate("mild", T=20)


def test_memory_layout_does_not_matter(case):
    truth = glassbox.truth(**case.inputs).o
    turned = {name: np.asfortranarray(x) for name, x in case.inputs.items()}
    padded = np.zeros((1, 40, 3, 20), np.float32)[:, ::2]
    padded[:] = case.inputs["q"]
    np.testing.assert_array_equal(glassbox.truth(**{**turned, "q": padded}).o, truth)


class OnlyDLPack:
    """An array of a library that numpy does not know."""

    def __init__(self, array):
        self.array, self.dtype = array, array.dtype

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class OnAnotherDevice:
    dtype = "float32"

    def __dlpack__(self, **options):
        raise BufferError("not a CPU tensor")

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize("wrapper", [OnlyDLPack, OnlyArray, lambda x: x.tolist()], ids=["dlpack", "array", "list"])
def test_other_arrays_are_read(case, wrapper):
    inputs = {name: wrapper(x) for name, x in case.inputs.items()}
    np.testing.assert_array_equal(glassbox.truth(**inputs).dq, glassbox.truth(**case.inputs).dq)


def test_the_format_comes_from_the_array_itself(case):
    o = glassbox.truth(**case.inputs).o.astype(np.float16)
    assert glassbox.check(case.inputs, {"o": OnlyDLPack(o)}).profile == "chunk-f16"
    assert glassbox.check(case.inputs, {"o": OnlyArray(o)}).profile == "chunk-f16"


def test_bfloat16_values_choose_their_profile(case):
    inputs = {name: BFloat16(x) if name in ("q", "k", "v") else x for name, x in case.inputs.items()}
    o = BFloat16(glassbox.round_to(glassbox.truth(**inputs).o, "bf16"))
    report = glassbox.check(inputs, {"o": o})
    assert report.profile == "chunk-bf16" and report and "  o              PASS        bf16, " in str(report)


def test_an_array_out_of_reach_is_an_error(case):
    with pytest.raises(glassbox.GlassboxError, match="q: a OnAnotherDevice that numpy cannot read.*copy it to the CPU"):
        glassbox.truth(**{**case.inputs, "q": OnAnotherDevice()})


def test_integers_are_values(case):
    ones = np.ones((1, 20, 3, 20), np.int8)
    np.testing.assert_array_equal(glassbox.truth(ones, ones, ones).o, glassbox.truth(*[ones.astype(float)] * 3).o)


def test_bfloat16_of_ml_dtypes(case):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    narrow = {name: x.astype(bfloat16) if name in ("q", "k", "v", "do") else x for name, x in case.inputs.items()}
    o = glassbox.truth(**narrow).o
    np.testing.assert_array_equal(o, glassbox.truth(**case.inputs).o)
    report = glassbox.check(narrow, {"o": o.astype(bfloat16)})
    assert report.profile == "chunk-bf16" and report


def test_torch_tensors(case):
    torch = pytest.importorskip("torch")
    inputs = case.torch(requires_grad=True)
    assert inputs["q"].dtype == torch.bfloat16 and inputs["g"].dtype == torch.float32 and inputs["q"].requires_grad
    truth = glassbox.truth(**inputs)
    np.testing.assert_array_equal(truth.dg, glassbox.truth(**case.inputs).dg)
    report = glassbox.check(inputs, {"o": torch.from_numpy(truth.o).bfloat16()})
    assert report.profile == "chunk-bf16" and report


def test_torch_reference_has_gradients(case):
    torch = pytest.importorskip("torch")
    inputs = case.torch(requires_grad=True)
    truth = glassbox.truth(**case.inputs)
    o, state = glassbox.reference(inputs["q"], inputs["k"], inputs["v"], inputs["g"], output_final_state=True)
    assert o.dtype == torch.bfloat16 and state.dtype == torch.float32
    torch.autograd.backward((o, state), (inputs["do"], inputs["dfinal_state"]))
    for name in ("q", "k", "v", "g"):
        want = torch.from_numpy(truth["d" + name]).to(inputs[name].dtype)
        assert torch.equal(inputs[name].grad, want), name
