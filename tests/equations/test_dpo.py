"""DPO and IPO: by hand, at their starting point, in their limits, and in the direction of their gradient."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.dpo import dpo_objective, ipo_objective, preference_margin
from tests.equations import twins
from tests.strategies import noise, seeds

BOTH = (dpo_objective, ipo_objective)
kl_coefs = st.floats(0.01, 5)


def four(seed: int, count: int = 4) -> list[torch.Tensor]:
    """chosen, rejected, ref_chosen, ref_rejected: log-likelihoods of `count` pairs."""
    return [noise((count,), seed + i) - 2 for i in range(4)]


@given(seeds, kl_coefs)
def test_objectives_are_their_plain_python_twins(seed, kl_coef):
    pairs = four(seed)
    for objective, twin in zip(BOTH, (twins.dpo, twins.ipo), strict=True):
        expected = [float(twin(*pair, kl_coef)) for pair in zip(*(x.tolist() for x in pairs), strict=True)]
        assert objective(*pairs, kl_coef=kl_coef).tolist() == pytest.approx(expected, rel=1e-9)


@given(seeds, kl_coefs)
def test_at_the_start_the_policy_is_its_own_reference_model(seed, kl_coef):
    chosen, rejected, *_ = four(seed)
    start = dpo_objective(chosen, rejected, chosen, rejected, kl_coef=kl_coef)
    torch.testing.assert_close(start, torch.full((4,), -math.log(2), dtype=torch.float64))
    assert not preference_margin(chosen, rejected, chosen, rejected).any()


@given(seeds, kl_coefs)
def test_gradient_raises_chosen_and_lowers_rejected_by_the_same_amount(seed, kl_coef):
    chosen, rejected, *refs = four(seed)
    chosen, rejected = chosen.requires_grad_(), rejected.requires_grad_()
    objective = dpo_objective(chosen, rejected, *refs, kl_coef=kl_coef)
    up, down = torch.autograd.grad(objective.sum(), (chosen, rejected))
    assert (up > 0).all()
    assert torch.equal(up, -down)
    margin = preference_margin(chosen, rejected, *refs)
    torch.testing.assert_close(up, kl_coef * torch.sigmoid(-kl_coef * margin))  # the DPO paper's gradient


@given(seeds, kl_coefs)
def test_only_the_margin_counts_and_swapping_the_pair_mirrors_it(seed, kl_coef):
    chosen, rejected, ref_chosen, ref_rejected = four(seed)
    margin = preference_margin(chosen, rejected, ref_chosen, ref_rejected)
    torch.testing.assert_close(preference_margin(rejected, chosen, ref_rejected, ref_chosen), -margin)
    for objective in BOTH:
        a = objective(chosen, rejected, ref_chosen, ref_rejected, kl_coef=kl_coef)
        b = objective(chosen + 1, rejected + 1, ref_chosen, ref_rejected, kl_coef=kl_coef)
        c = objective(chosen + 1, rejected, ref_chosen + 1, ref_rejected, kl_coef=kl_coef)
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(a, c, rtol=1e-8, atol=1e-9)


@given(seeds, kl_coefs)
def test_scale_of_the_margin_and_kl_coef_are_one_knob_in_dpo(seed, kl_coef):
    pairs = four(seed)
    torch.testing.assert_close(
        dpo_objective(*pairs, kl_coef=kl_coef), dpo_objective(*(kl_coef * x for x in pairs), kl_coef=1.0)
    )


@given(kl_coefs)
def test_ipo_is_best_at_its_target_and_dpo_never_satisfied(kl_coef):
    zero = torch.zeros(3, dtype=torch.float64)
    target = 1 / (2 * kl_coef)
    chosen = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64) * target
    ipo = ipo_objective(chosen, zero, zero, zero, kl_coef=kl_coef)
    assert ipo[1].item() == pytest.approx(0, abs=1e-12)
    assert ipo.argmax().item() == 1
    assert (dpo_objective(chosen, zero, zero, zero, kl_coef=kl_coef).diff() > 0).all()


def test_huge_margins_stay_finite():
    zero, far = torch.zeros(2), torch.tensor([1e4, -1e4])
    assert dpo_objective(far, zero, zero, zero, kl_coef=1.0).tolist() == [0.0, -1e4]


def test_the_reference_model_is_a_constant():
    chosen, rejected, ref_chosen, ref_rejected = (x.requires_grad_() for x in four(0))
    for objective in BOTH:
        objective(chosen, rejected, ref_chosen, ref_rejected, kl_coef=0.3).sum().backward()
    assert chosen.grad.any()
    assert rejected.grad.any()
    assert ref_chosen.grad is None
    assert ref_rejected.grad is None


def test_gradcheck():
    chosen, rejected, *refs = four(0)
    pair = (chosen.requires_grad_(), rejected.requires_grad_())
    for objective in BOTH:
        assert torch.autograd.gradcheck(lambda a, b, f=objective: f(a, b, *refs, kl_coef=0.3), pair)


@pytest.mark.parametrize("index", range(4))
def test_bad_input_is_named(without_shape_checks, index):
    name = ["chosen", "rejected", "ref_chosen", "ref_rejected"][index]
    for objective in (*BOTH, lambda *pairs, kl_coef: preference_margin(*pairs)):
        pairs = [torch.zeros(3)] * 4
        pairs[index] = torch.zeros(3).long()
        with pytest.raises(ValueError, match=f"^{name} must be a floating-point tensor, got a torch.int64 tensor"):
            objective(*pairs, kl_coef=0.1)
        pairs[index] = torch.zeros(1)
        with pytest.raises(ValueError, match=r"must have shape \((3|1),\), got \((3|1),\): nothing is broadcast"):
            objective(*pairs, kl_coef=0.1)


@pytest.mark.parametrize("kl_coef", [0.0, -0.1, math.nan, math.inf])
def test_bad_kl_coef_is_named(kl_coef):
    for objective in BOTH:
        with pytest.raises(ValueError, match=rf"kl_coef must be a finite number > 0, got {kl_coef}"):
            objective(*four(0), kl_coef=kl_coef)
