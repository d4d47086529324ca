"""KL: exact, and what k1, k2 and k3 estimate, in value and in gradient, by enumeration of every action."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from grao_ref.equations.divergence import exact_kl, importance_corrected, k1, k2, k3
from tests.equations import twins
from tests.strategies import GARBAGE, noise, seeds, spoil, token_tables

ESTIMATORS = (k1, k2, k3)
ALL = {"dtype": torch.bool}


def two_policies(seed: int, actions: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of π (a leaf) and log-probabilities of π_ref."""
    return noise((actions,), seed).requires_grad_(), noise((actions,), seed + 1).log_softmax(-1)


def expected(estimate: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """E_π[estimate] with the weights π(a) held constant: what an average over samples converges to."""
    return (logits.detach().softmax(-1) * estimate).sum()


def gradient(value: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(value, logits, retain_graph=True)[0]


@given(seeds)
def test_exact_kl_is_its_twin_and_torch_s(seed):
    logits, ref = two_policies(seed)
    logprobs = logits.log_softmax(-1)
    value = exact_kl(logprobs, ref)
    assert value.item() == pytest.approx(float(twins.kl(logprobs.tolist(), ref.tolist())), rel=1e-9)
    torch.testing.assert_close(value, kl_divergence(Categorical(logits=logits), Categorical(logits=ref)))


@given(seeds)
def test_exact_kl_is_0_only_between_equals_and_has_a_direction(seed):
    logits, ref = two_policies(seed)
    logprobs = logits.log_softmax(-1)
    assert exact_kl(logprobs, logprobs).item() == 0
    assert exact_kl(logprobs, ref) > 0
    assert abs(exact_kl(logprobs, ref) - exact_kl(ref, logprobs)) > 1e-12  # mirrored is another number


def test_exact_kl_shows_nan_and_survives_underflow():
    assert exact_kl(torch.tensor([math.nan, math.log(0.5)]), torch.zeros(2)).isnan()
    assert exact_kl(torch.tensor([0.0, -1000.0]), torch.tensor([0.0, -math.inf])).item() == 0


def test_exact_kl_is_of_each_row():
    p, q = noise((2, 3, 4), 0).log_softmax(-1), noise((2, 3, 4), 1).log_softmax(-1)
    rows = [[exact_kl(p[i, j], q[i, j]) for j in range(3)] for i in range(2)]
    torch.testing.assert_close(exact_kl(p, q), torch.tensor(rows, dtype=torch.float64))


def test_exact_kl_with_impossible_actions():
    half = torch.tensor([math.log(0.5), math.log(0.5), -math.inf], requires_grad=True)
    third = torch.full((3,), math.log(1 / 3))
    value = exact_kl(half, third)
    assert value.item() == pytest.approx(math.log(1.5))
    value.backward()
    assert half.grad.isfinite().all()
    assert half.grad[2] == 0
    assert exact_kl(third, half.detach()).item() == math.inf


@given(seeds)
def test_k1_and_k3_are_unbiased_and_k2_is_not(seed):
    logits, ref = two_policies(seed)
    logprobs, mask = logits.log_softmax(-1), torch.ones(5, **ALL)
    exact = exact_kl(logprobs, ref).item()
    assert expected(k1(logprobs, ref, mask), logits).item() == pytest.approx(exact, rel=1e-9)
    assert expected(k3(logprobs, ref, mask), logits).item() == pytest.approx(exact, rel=1e-9)
    assert abs(expected(k2(logprobs, ref, mask), logits).item() - exact) > 1e-9


@given(seeds)
def test_gradients_of_the_estimators_are_three_different_things(seed):
    logits, ref = two_policies(seed)
    logprobs, mask = logits.log_softmax(-1), torch.ones(5, **ALL)
    forward, backward = gradient(exact_kl(logprobs, ref), logits), gradient(exact_kl(ref, logprobs), logits)
    mean = {k: gradient(expected(k(logprobs, ref, mask), logits), logits) for k in ESTIMATORS}
    torch.testing.assert_close(mean[k1], torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(mean[k2], forward)
    torch.testing.assert_close(mean[k3], backward)  # KL(π_ref ‖ π)
    assert (forward - backward).abs().max() > 1e-9


@given(seeds)
def test_importance_correction_gives_kl_and_its_gradient(seed):
    logits, ref = two_policies(seed)
    logprobs, mask = logits.log_softmax(-1), torch.ones(5, **ALL)
    forward = gradient(exact_kl(logprobs, ref), logits)
    for k in (k1, k3):
        corrected = importance_corrected(k(logprobs, ref, mask), logprobs, logprobs.detach(), mask)
        torch.testing.assert_close(gradient(expected(corrected, logits), logits), forward)
    # and for samples of another policy than π
    old = noise((5,), seed + 2).log_softmax(-1)
    corrected = importance_corrected(k3(logprobs, ref, mask), logprobs, old, mask)
    off_policy = (old.exp() * corrected).sum()
    assert off_policy.item() == pytest.approx(exact_kl(logprobs, ref).item(), rel=1e-9)
    torch.testing.assert_close(gradient(off_policy, logits), forward)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_estimators_of_one_token_are_their_twins(logprob, ref_logprob):
    arguments = (torch.tensor([logprob]).double(), torch.tensor([ref_logprob]).double(), torch.ones(1, **ALL))
    p, r = arguments[0].item(), arguments[1].item()
    assert k1(*arguments).item() == p - r
    assert k2(*arguments).item() == pytest.approx((p - r) ** 2 / 2)
    assert k3(*arguments).item() == pytest.approx(float(twins.k3(p, r)), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, -1e-2, -1e-4, -1e-6])
def test_k3_keeps_its_sign_near_0_and_is_off_by_a_rounding_of_r_at_most(gap):
    arguments = (torch.zeros(1), torch.tensor([gap]), torch.ones(1, **ALL))
    value, exact = k3(*arguments).item(), float(twins.k3(0, arguments[1].item()))
    assert value > 0
    assert abs(value - exact) <= torch.finfo(torch.float32).eps * abs(gap)


def test_control_the_naive_k3_loses_its_sign():
    r = torch.linspace(1e-5, 1e-3, 100)
    assert (r.exp() - 1 - r).min() < 0
    assert k3(torch.zeros(100), r, torch.ones(100, **ALL)).min() > 0


@given(token_tables(), seeds)
def test_k2_and_k3_are_never_negative(table, seed):
    other = noise(tuple(table.values.shape), seed)
    assert (k2(table.values, other, table.mask) >= 0).all()
    assert (k3(table.values, other, table.mask) >= 0).all()


def test_k3_overflows_openly():
    value = k3(torch.tensor([-100.0]), torch.tensor([-1.0]), torch.ones(1, **ALL))
    assert value.item() == math.inf


@given(token_tables(), seeds, st.sampled_from(GARBAGE))
def test_garbage_behind_the_mask_changes_no_value_and_no_gradient(table, seed, garbage):
    ref = noise(tuple(table.values.shape), seed)
    dirty_ref = spoil(ref, table.mask, garbage)
    for k in ESTIMATORS:
        clean, dirty = table.values.clone().requires_grad_(), table.garbage.clone().requires_grad_()
        a, b = k(clean, ref, table.mask), k(dirty, dirty_ref, table.mask)
        corrected = importance_corrected(b, dirty, dirty_ref, table.mask)
        assert torch.equal(a, b)
        assert not b[~table.mask].any()
        assert not corrected[~table.mask].any()
        (a.sum() + importance_corrected(a, clean, ref, table.mask).sum()).backward()
        (b.sum() + corrected.sum()).backward()
        assert torch.equal(clean.grad, dirty.grad)


def test_old_policy_is_a_constant_and_the_reference_model_is_not_hidden():
    old = torch.zeros(1, requires_grad=True)
    logprobs = torch.tensor([0.5], requires_grad=True)
    value = importance_corrected(torch.tensor([2.0]), logprobs, old, torch.ones(1, **ALL))
    value.backward()
    assert value.item() == pytest.approx(2 * math.exp(0.5))
    assert logprobs.grad.item() == pytest.approx(2 * math.exp(0.5))
    assert old.grad is None


def test_gradcheck():
    p, r, mask = noise((2, 3), 0).requires_grad_(), noise((2, 3), 1).requires_grad_(), torch.ones(2, 3, **ALL)
    for k in ESTIMATORS:
        assert torch.autograd.gradcheck(lambda a, b, k=k: k(a, b, mask), (p, r))
    assert torch.autograd.gradcheck(lambda a, b: exact_kl(a.log_softmax(-1), b.log_softmax(-1)), (p, r))


def test_bad_input_is_named(without_shape_checks):
    ones = torch.ones(2, 3, **ALL)
    for k in ESTIMATORS:
        with pytest.raises(ValueError, match=r"ref_logprobs must have shape \(2, 3\), got \(2, 4\)"):
            k(torch.zeros(2, 3), torch.zeros(2, 4), ones)
        with pytest.raises(ValueError, match=r"mask must have shape \(2, 3\), got \(3,\)"):
            k(torch.zeros(2, 3), torch.zeros(2, 3), ones[0])
        with pytest.raises(ValueError, match="ref_logprobs must be a floating-point tensor, got NoneType"):
            k(torch.zeros(2, 3), None, ones)
        with pytest.raises(ValueError, match=r"logprobs must be a floating-point tensor, got a torch.int64"):
            k(torch.zeros(2, 3).long(), torch.zeros(2, 3), ones)
    with pytest.raises(ValueError, match=r"ref_logprobs must have shape \(2, 3\), got \(3,\)"):
        exact_kl(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="ref_logprobs must be a floating-point tensor, got list"):
        exact_kl(torch.zeros(2), [0.0, 0.0])
    with pytest.raises(ValueError, match="logprobs must be a floating-point tensor, got list"):
        exact_kl([0.0, 0.0], torch.zeros(2))
    with pytest.raises(ValueError, match=r"divergence must have shape \(2, 3\), got \(3,\)"):
        importance_corrected(torch.zeros(3), torch.zeros(2, 3), torch.zeros(2, 3), ones)
    with pytest.raises(ValueError, match="divergence must be a floating-point tensor, got int"):
        importance_corrected(1, torch.zeros(2, 3), torch.zeros(2, 3), ones)
    with pytest.raises(ValueError, match="logprobs must be a floating-point tensor, got list"):
        importance_corrected(torch.zeros(2, 3), [0.0], torch.zeros(2, 3), ones)
