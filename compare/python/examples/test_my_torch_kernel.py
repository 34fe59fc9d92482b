# SPDX-License-Identifier: Apache-2.0
"""The same in torch, forward and backward: the outputs and the gradients of a kernel go to the oracle in one line.

The kernel here is a naive function under autograd in float32; without torch the file is skipped.
"""

import pytest

import glassbox

torch = pytest.importorskip("torch")


def recurrent_gla(q, k, v, gk, initial_state):
    """The kernel under test."""
    S, o, scale = initial_state, [], q.shape[-1] ** -0.5
    for t in range(q.shape[1]):
        S = S * gk[:, t].exp()[..., None] + k[:, t, :, :, None] * v[:, t, :, None, :]
        o.append(((q[:, t] * scale)[..., None] * S).sum(-2))
    return torch.stack(o, 1), S


@pytest.mark.parametrize("B, T, H, K, V", [(1, 37, 2, 16, 24)])
def test_recurrent(B, T, H, K, V):
    torch.manual_seed(42)
    q, k = (torch.randn(B, T, H, K).requires_grad_() for _ in range(2))
    v = torch.randn(B, T, H, V).requires_grad_()
    g = torch.nn.functional.logsigmoid(torch.randn(B, T, H, K)).requires_grad_()
    h0 = torch.randn(B, H, K, V).requires_grad_()
    do, dht = torch.randn(B, T, H, V), torch.randn(B, H, K, V)

    o, ht = recurrent_gla(q, k, v, g, h0)
    torch.autograd.backward((o, ht), (do, dht))

    glassbox.assert_accurate(
        "gla", dict(q=q, k=k, v=v, g=g, initial_state=h0, do=do, dfinal_state=dht),
        dict(o=o, final_state=ht, dq=q.grad, dk=k.grad, dv=v.grad, dg=g.grad, dinitial_state=h0.grad))  # <- the line


def test_reference_in_place_of_a_naive_function():
    torch.manual_seed(42)
    q, k, v = (torch.randn(1, 20, 2, 8).requires_grad_() for _ in range(3))
    g = torch.nn.functional.logsigmoid(torch.randn(1, 20, 2, 8)).requires_grad_()
    ours = [x.detach().clone().requires_grad_() for x in (q, k, v, g)]

    ref, _ = glassbox.reference(q, k, v, g)
    out, _ = recurrent_gla(*ours, torch.zeros(1, 2, 8, 8))
    ref.square().sum().backward()
    out.square().sum().backward()

    torch.testing.assert_close(out, ref)
    for x, y in zip(ours, (q, k, v, g)):
        torch.testing.assert_close(x.grad, y.grad)
