"""eq-3 as printed, its collapse into two terms (thm-1), its unending gradient and the repair (thm-4)."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref import (
    grao_objective,
    grao_objective_while_ahead,
    group_advantages,
    imitate_while_ahead,
    likelihood_weights,
    likelihood_weights_while_ahead,
)
from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from grao_ref.equations.reduce import batch_loss
from tests.equations import twins
from tests.strategies import FLOATS, Group, coefficients, groups, leading_shapes, noise, seeds

pools = st.sampled_from(["with_reference", "outputs"])
OBJECTIVES = (grao_objective, grao_objective_while_ahead)
WEIGHTS = (likelihood_weights, likelihood_weights_while_ahead)
close = {"rtol": 1e-9, "atol": 1e-10}


def objective_and_gradients(objective, group: Group, A_o, A_y, beta, lam):
    """The terms, and the gradient of Σ total in both log-likelihoods."""
    J_o, J_y = group.output_loglik.clone().requires_grad_(), group.reference_loglik.clone().requires_grad_()
    terms = objective(J_o, J_y, A_o, A_y, beta=beta, lam=lam)
    return terms, torch.autograd.grad(terms.total.sum(), (J_o, J_y), allow_unused=True, materialize_grads=True)


def test_eq_3_on_paper():
    # two outputs with log-likelihoods −1 and −2, a reference with −3; Â = 1 and −1, Â_y = 2; β = 1/2, λ = 3/5
    terms = grao_objective(
        torch.tensor([-1.0, -2.0]), torch.tensor(-3.0), torch.tensor([1.0, -1.0]), torch.tensor(2.0), beta=0.5, lam=0.6
    )
    assert terms.exploration.item() == pytest.approx((-1 + 2) / 2)
    assert terms.imitation.item() == pytest.approx(2 * -3)
    assert terms.alignment.item() == pytest.approx((1 * (-1 + 3) - 1 * (-2 + 3)) / 2)
    assert terms.total.item() == pytest.approx(0.5 + 0.5 * -6 + 0.6 * 0.5)


@given(groups(st.integers(2, 8)), coefficients, coefficients, seeds)
def test_eq_3_is_its_plain_python_twin(group, beta, lam, seed):
    size = group.rewards.shape[-1]
    A_o, A_y = noise(tuple(group.rewards.shape), seed), noise(tuple(group.reference_reward.shape), seed + 1)
    terms = grao_objective(group.output_loglik, group.reference_loglik, A_o, A_y, beta=beta, lam=lam)
    flat = [x.reshape(-1, size).tolist() for x in (group.output_loglik, A_o)]
    single = [x.reshape(-1).tolist() for x in (group.reference_loglik, A_y, *terms)]
    for J_o, a_o, J_y, a_y, *got in zip(*flat, *single, strict=True):
        expected = [float(x) for x in twins.grao(J_o, J_y, a_o, a_y, beta, lam)]
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(groups(), coefficients, coefficients, seeds, st.sampled_from([0, 1]))
def test_thm_1_collapse_for_any_advantages_in_value_and_gradient(group, beta, lam, seed, repair):
    A_o, A_y = noise(tuple(group.rewards.shape), seed), noise(tuple(group.reference_reward.shape), seed + 1)
    terms, gradients = objective_and_gradients(OBJECTIVES[repair], group, A_o, A_y, beta, lam)
    w_o, w_y = WEIGHTS[repair](A_o, A_y, beta=beta, lam=lam)
    collapsed = (w_o * group.output_loglik).sum(-1) + w_y * group.reference_loglik
    torch.testing.assert_close(terms.total, collapsed, **close)
    torch.testing.assert_close(gradients[0], w_o, **close)
    torch.testing.assert_close(gradients[1], w_y, **close)


@given(groups(), coefficients, coefficients)
def test_thm_1_reference_weight_in_either_pool(group, beta, lam):
    size = group.rewards.shape[-1]
    for pool, effective_beta in (("with_reference", beta + lam / size), ("outputs", beta)):
        A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
        w_o, w_y = likelihood_weights(A_o, A_y, beta=beta, lam=lam)
        scale = 1 + A_y.abs().max().item()
        torch.testing.assert_close(w_y, effective_beta * A_y, rtol=1e-9, atol=1e-9 * scale)
        torch.testing.assert_close(w_o, (1 + lam) * A_o / size, **close)


@given(groups(), coefficients)
def test_thm_1_lambda_only_rescales_exploration_over_the_outputs(group, lam):
    A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool="outputs")
    terms, (g_o, g_y) = objective_and_gradients(grao_objective, group, A_o, A_y, 0.0, lam)
    _, (plain, _) = objective_and_gradients(grao_objective, group, A_o, A_y, 0.0, 0.0)
    torch.testing.assert_close(g_o, (1 + lam) * plain, **close)
    torch.testing.assert_close(g_y, torch.zeros_like(g_y), **close)
    torch.testing.assert_close(terms.alignment, terms.exploration, **close)


@given(groups())
def test_beta_and_lambda_0_is_reinforce_with_the_advantage_of_grpo(group):
    A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool="outputs")
    _, (g_o, g_y) = objective_and_gradients(grao_objective, group, A_o, A_y, 0.0, 0.0)
    torch.testing.assert_close(g_o, grpo_advantages(group.rewards) / group.rewards.shape[-1], **close)
    assert not g_y.any()
    # and GRPO's own objective has that gradient on the policy that sampled
    logprobs = group.output_loglik[..., None].clone().requires_grad_()  # one token each
    tokens = grpo_objective(logprobs, logprobs.detach(), A_o, torch.ones_like(logprobs, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(tokens.sum() / A_o.shape[-1], logprobs)
    torch.testing.assert_close(gradient[..., 0], g_o, **close)


@given(groups(), pools, coefficients, coefficients)
def test_total_is_the_weighted_sum_of_its_terms(group, pool, beta, lam):
    A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
    for objective in OBJECTIVES:
        terms = objective(group.output_loglik, group.reference_loglik, A_o, A_y, beta=beta, lam=lam)
        expected = terms.exploration + beta * terms.imitation + lam * terms.alignment
        torch.testing.assert_close(terms.total, expected, **close)
        assert all(term.shape == group.reference_reward.shape for term in terms)


@given(groups(), pools, st.randoms(use_true_random=False))
def test_order_of_the_group_does_not_matter(group, pool, random):
    order = list(range(group.rewards.shape[-1]))
    random.shuffle(order)
    A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
    args = (group.output_loglik, group.reference_loglik, A_o, A_y)
    permuted = (group.output_loglik[..., order], group.reference_loglik, A_o[..., order], A_y)
    for objective in OBJECTIVES:
        torch.testing.assert_close(
            objective(*args, beta=0.5, lam=0.6), objective(*permuted, beta=0.5, lam=0.6), **close
        )


@given(st.integers(2, 16), st.floats(0, 2), seeds)
def test_imitation_counts_once_whatever_the_group_size(size, beta, seed):
    J_y, A_y = noise((), seed), noise((), seed + 1)
    silent = torch.zeros(size, dtype=torch.float64)
    terms = grao_objective(silent, J_y, silent, A_y, beta=beta, lam=0.6)
    assert terms.total.item() == pytest.approx((beta * A_y * J_y).item())


@given(groups(), pools, coefficients, coefficients)
def test_advantages_are_constants_of_the_objective(group, pool, beta, lam):
    A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
    A_o, A_y = A_o.requires_grad_(), A_y.requires_grad_()
    J_o, J_y = group.output_loglik.clone().requires_grad_(), group.reference_loglik.clone().requires_grad_()
    for objective in OBJECTIVES:
        total = objective(J_o, J_y, A_o, A_y, beta=beta, lam=lam).total.sum()
        advantages = torch.autograd.grad(total, (A_o, A_y), allow_unused=True)
        assert advantages == (None, None)
    for weights in WEIGHTS:
        assert not any(w.requires_grad for w in weights(A_o, A_y, beta=beta, lam=lam))
    assert not imitate_while_ahead(A_y).requires_grad


def moves_of_one_small_step(objective, logits, pool, beta, lam):
    """How a small descent step moves log π of samples with rewards in increasing order; the last action is y."""
    size, logits = len(logits) - 1, logits.requires_grad_()
    rewards = torch.linspace(0, 1, size, dtype=torch.float64)
    A_o, A_y = group_advantages(rewards, torch.tensor(0.7, dtype=torch.float64), pool=pool)
    before = logits.log_softmax(-1)
    terms = objective(before[:size], before[size], A_o, A_y, beta=beta, lam=lam)
    batch_loss(terms.total, 1).backward()
    after = (logits - 1e-4 * logits.grad).detach().log_softmax(-1)
    return (after - before).detach()[:size]


@given(st.integers(2, 16), pools, st.floats(0, 2), st.floats(0, 2), st.sampled_from(OBJECTIVES))
def test_one_small_step_from_the_uniform_policy_raises_the_better_sample_more(size, pool, beta, lam, objective):
    moved = moves_of_one_small_step(objective, torch.zeros(size + 1, dtype=torch.float64), pool, beta, lam)
    assert (moved[1:] > moved[:-1]).all()
    if beta == 0:
        assert moved[0] < 0 < moved[-1]


@given(st.integers(2, 16), seeds, st.floats(0, 2), st.sampled_from(OBJECTIVES))
def test_one_small_step_from_any_policy_raises_the_better_sample_more_without_imitation(size, seed, lam, objective):
    # the outputs' weights sum to 0, so the logits move by the weights; with imitation a policy that already
    # prefers the better sample may lose more of it to the reference than of the worse one
    moved = moves_of_one_small_step(objective, noise((size + 1,), seed), "outputs", 0.0, lam)
    assert (moved[1:] > moved[:-1]).all()


@given(st.integers(2, 16), seeds, st.floats(0.05, 2))
def test_thm_3_a_dead_group_pulls_the_reference_in(size, seed, beta):
    logits = noise((size + 1,), seed).requires_grad_()
    failures = torch.zeros(size, dtype=torch.float64)
    loglik = logits.log_softmax(-1)
    A_o, A_y = group_advantages(failures, torch.tensor(1.0, dtype=torch.float64))
    terms = grao_objective(loglik[:size], loglik[size], A_o, A_y, beta=beta, lam=0.6)
    (gradient,) = torch.autograd.grad(terms.total, logits)
    assert gradient[size] > 0
    assert not grpo_advantages(failures).any()  # control: GRPO's gradient is 0 there


def gradient_when_certain(objective, logit: float, beta: float = 0.5, lam: float = 0.6, size: int = 8) -> torch.Tensor:
    """The field at a policy that is (almost) certain of a better action than its reference, which is action 1."""
    logits = torch.tensor([logit, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    loglik = logits.log_softmax(-1)
    A_o, A_y = group_advantages(torch.ones(size, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64))
    terms = objective(loglik[0].expand(size), loglik[1], A_o, A_y, beta=beta, lam=lam)
    return torch.autograd.grad(terms.total, logits)[0]


def test_thm_4_the_gradient_as_printed_never_vanishes():
    limit = (0.5 + 0.6 / 8) * math.sqrt(8) * math.sqrt(2)
    for logit in (20.0, 40.0, 80.0):
        assert gradient_when_certain(grao_objective, logit).norm().item() == pytest.approx(limit, rel=1e-6)
    # the reference itself is pushed down, without end
    assert gradient_when_certain(grao_objective, 80.0)[1].item() == pytest.approx(-limit / math.sqrt(2), rel=1e-6)


def test_thm_4_the_repair_lets_it_vanish_and_clamping_the_advantage_alone_does_not():
    assert gradient_when_certain(grao_objective_while_ahead, 40.0).norm().item() < 1e-12

    def clamped_too_early(J_o, J_y, A_o, A_y, *, beta, lam):
        return grao_objective(J_o, J_y, A_o, imitate_while_ahead(A_y), beta=beta, lam=lam)

    left_over = 0.6 / 8 * math.sqrt(8) * math.sqrt(2)  # the regulariser's share of w_y stays
    assert gradient_when_certain(clamped_too_early, 40.0).norm().item() == pytest.approx(left_over, rel=1e-6)


@given(groups(), coefficients, coefficients)
def test_thm_4_repair_is_the_printed_objective_while_the_reference_is_ahead(group, beta, lam):
    size = group.rewards.shape[-1]
    for pool, effective_beta in (("with_reference", beta + lam / size), ("outputs", beta)):
        A_o, A_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
        printed, g_printed = objective_and_gradients(grao_objective, group, A_o, A_y, beta, lam)
        repaired, g_repaired = objective_and_gradients(grao_objective_while_ahead, group, A_o, A_y, beta, lam)
        ahead = A_y > 0
        scale = 1 + A_y.abs().max().item()
        torch.testing.assert_close(repaired.total[ahead], printed.total[ahead], rtol=1e-9, atol=1e-9 * scale)
        torch.testing.assert_close(g_repaired[0], g_printed[0], **close)  # the samples' part is the same
        torch.testing.assert_close(
            g_repaired[1], effective_beta * imitate_while_ahead(A_y), rtol=1e-9, atol=1e-9 * scale
        )
        # the weight is exactly never negative; autograd adds it up in another order, to rounding (above)
        assert (likelihood_weights_while_ahead(A_o, A_y, beta=beta, lam=lam)[1] >= 0).all()


@pytest.mark.parametrize("A_y", [-1.0, 0.0])
def test_thm_4_repair_forgets_an_impossible_reference(A_y):
    J_o, J_y = torch.tensor([-1.0, -2.0], requires_grad=True), torch.tensor(-math.inf, requires_grad=True)
    A_o = torch.tensor([1.0, -1.0])
    terms = grao_objective_while_ahead(J_o, J_y, A_o, torch.tensor(A_y), beta=0.5, lam=0.6)
    terms.total.backward()
    assert all(term.isfinite() for term in terms)
    assert J_y.grad.item() == 0


@given(leading_shapes, seeds)
def test_imitate_while_ahead_is_the_positive_part(shape, seed):
    A_y = noise(shape, seed)
    assert torch.equal(imitate_while_ahead(A_y), torch.where(A_y > 0, A_y, torch.zeros_like(A_y)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_any_float_dtype_and_leading_shape(dtype):
    J_o, A_o = noise((2, 3, 4), 0).to(dtype), noise((2, 3, 4), 1).to(dtype)
    J_y, A_y = noise((2, 3), 2).to(dtype), noise((2, 3), 3).to(dtype)
    exact = grao_objective(*(x.double() for x in (J_o, J_y, A_o, A_y)), beta=0.5, lam=0.6)
    for term, reference in zip(grao_objective(J_o, J_y, A_o, A_y, beta=0.5, lam=0.6), exact, strict=True):
        assert term.dtype == dtype
        tolerance = 20 * torch.finfo(dtype).eps
        torch.testing.assert_close(term.double(), reference, rtol=tolerance, atol=tolerance)


def test_gradcheck():
    J_o, J_y = noise((2, 3), 0).requires_grad_(), noise((2,), 1).requires_grad_()
    A_o, A_y = noise((2, 3), 2), noise((2,), 3)
    for objective in OBJECTIVES:
        terms = objective(J_o, J_y, A_o, A_y, beta=0.5, lam=0.6)
        assert all(term.requires_grad for term in terms)  # gradcheck skips those that don't
        assert torch.autograd.gradcheck(
            lambda a, b, f=objective: tuple(f(a, b, A_o, A_y, beta=0.5, lam=0.6)), (J_o, J_y)
        )


def test_exact_rational_collapse():
    # thm-1 without any rounding: G = 3, over Fractions, from the printed twin
    J_o, J_y = [Fraction(-1), Fraction(-5, 2), Fraction(-7, 3)], Fraction(-4)
    A_o, A_y, beta, lam = (
        [Fraction(3, 2), Fraction(-1), Fraction(1, 4)],
        Fraction(-2, 5),
        Fraction(1, 2),
        Fraction(3, 5),
    )
    *_, total = twins.grao(J_o, J_y, A_o, A_y, beta, lam)
    w_y = beta * A_y - lam * sum(A_o) / 3
    assert total == sum((1 + lam) * a / 3 * j for a, j in zip(A_o, J_o, strict=True)) + w_y * J_y


def bad(index: int, value: object) -> list[object]:
    arguments: list[object] = [torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 3), torch.zeros(2)]
    arguments[index] = value
    return arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (bad(0, torch.zeros(2, 1)), "output_loglik must end in a group of at least 2 samples, got shape (2, 1)"),
        (bad(0, torch.zeros(2, 4)), "advantages must have shape (2, 4), got (2, 3): nothing is broadcast"),
        (bad(1, torch.zeros(1)), "reference_loglik must have shape (2,), got (1,)"),
        (bad(1, torch.zeros(3)), "reference_loglik must have shape (2,), got (3,)"),
        (bad(2, torch.zeros(3)), "advantages must have shape (2, 3), got (3,)"),
        (bad(3, torch.tensor(0.0)), "reference_advantage must have shape (2,), got ()"),
        (bad(0, torch.zeros(2, 3).long()), "output_loglik must be a floating-point tensor, got a torch.int64 tensor"),
        (bad(1, torch.zeros(2).long()), "reference_loglik must be a floating-point tensor, got a torch.int64 tensor"),
        (bad(2, torch.zeros(2, 3).long()), "advantages must be a floating-point tensor, got a torch.int64 tensor"),
        (
            bad(3, torch.zeros(2).long()),
            "reference_advantage must be a floating-point tensor, got a torch.int64 tensor",
        ),
        (bad(2, torch.full((2, 3), math.nan)), "advantages must be finite, got nan at index (0, 0)"),
        (bad(3, torch.tensor([0.0, math.inf])), "reference_advantage must be finite, got inf at index (1,)"),
    ],
)
def test_bad_input_is_named(without_shape_checks, arguments, message):
    for objective in OBJECTIVES:
        with pytest.raises(ValueError) as error:  # noqa: PT011 compared in full below
            objective(*arguments, beta=0.5, lam=0.6)
        assert message in str(error.value)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "0.5", None, torch.tensor([0.5])])
@pytest.mark.parametrize("name", ["beta", "lam"])
def test_bad_weights_are_named(without_shape_checks, name, value):
    weights = {"beta": 0.5, "lam": 0.6} | {name: value}
    calls = [
        *((f, (torch.zeros(3), torch.tensor(0.0), torch.zeros(3), torch.tensor(0.0))) for f in OBJECTIVES),
        *((f, (torch.zeros(3), torch.tensor(0.0))) for f in WEIGHTS),
    ]
    for function, arguments in calls:
        with pytest.raises(ValueError, match=rf"{name} must be a finite number >= 0, got "):
            function(*arguments, **weights)


def test_bad_weights_input_is_named(without_shape_checks):
    for function in WEIGHTS:
        with pytest.raises(ValueError, match=r"reference_advantage must have shape \(2,\), got \(3,\)"):
            function(torch.zeros(2, 3), torch.zeros(3), beta=0.5, lam=0.6)
        with pytest.raises(ValueError, match=r"^advantages must be a floating-point tensor, got a torch.int64 tensor"):
            function(torch.zeros(2, 3).long(), torch.zeros(2), beta=0.5, lam=0.6)
        with pytest.raises(ValueError, match="advantages must end in a group of at least 2 samples"):
            function(torch.zeros(2, 1), torch.zeros(2), beta=0.5, lam=0.6)
    with pytest.raises(ValueError, match="reference_advantage must be finite, got nan at index"):
        imitate_while_ahead(torch.tensor(math.nan))
    with pytest.raises(ValueError, match="reference_advantage must be a floating-point tensor, got float"):
        imitate_while_ahead(1.0)
