"""Sampled ascent in numpy for thm-8, thm-10 and thm-11: its weights are the package's, and its steps ∇log π's."""

import numpy as np
import pytest
import torch

from grao_ref import group_advantages
from grao_ref.equations.grao import likelihood_weights_while_ahead
from grao_ref.equations.grpo import grpo_advantages
from theory import corner
from theory.groups import Array

REWARDS, Y = np.array([1.0, 0.5, 0.0, 0.0, 0.5]), 1


def drawn() -> tuple[Array, torch.Tensor]:
    """Groups as counts (N, K), dead ones among them, and as the samples' indices (N, G)."""
    counts = np.random.default_rng(5).multinomial(corner.G, [0.1, 0.3, 0.2, 0.2, 0.2], size=40)
    counts = np.concatenate([counts, corner.G * np.eye(5, dtype=int), [[0, 0, 3, 5, 0]]])
    ids = np.stack([np.repeat(np.arange(5), row) for row in counts])
    return counts.astype(float), torch.from_numpy(ids)


def by_answer(ids: torch.Tensor, weights: torch.Tensor) -> Array:
    return torch.zeros(len(ids), 5, dtype=weights.dtype).scatter_add_(1, ids, weights).numpy()


def test_grpo_s_weights_are_the_package_s():
    counts, ids = drawn()
    found, w_y = corner.grpo(counts, REWARDS, Y)
    samples = grpo_advantages(torch.from_numpy(REWARDS)[ids]) / corner.G
    assert found == pytest.approx(by_answer(ids, samples), abs=1e-14)
    assert not w_y.any()


def test_grao_s_weights_are_the_package_s_repaired():
    counts, ids = drawn()
    found, w_y = corner.grao(counts, REWARDS, Y)
    pooled = group_advantages(torch.from_numpy(REWARDS)[ids], torch.full((len(ids),), REWARDS[Y]))
    w_o, expected = likelihood_weights_while_ahead(*pooled, beta=corner.BETA, lam=corner.LAM)
    assert found == pytest.approx(by_answer(ids, w_o), abs=1e-14)
    assert w_y == pytest.approx(expected.numpy(), abs=1e-14)
    assert (w_y > 0).any()
    assert (w_y == 0).any()


@pytest.mark.parametrize("natural", [False, True])
def test_a_step_moves_the_logits_along_the_weights(natural):
    """Σ w_a ∇log π(a), by autograd; the natural one is F⁺ of it, so that F maps it back."""
    logits = np.tile(np.log([0.1, 0.3, 0.2, 0.2, 0.2]), (3, 1))
    path = corner.ascend(corner.grao, REWARDS, logits, reference=Y, rate=0.5, steps=2, natural=natural)
    (pi, counts), (after, _) = path
    weights, w_y = corner.grao(counts, REWARDS, Y)
    weights[:, Y] += w_y
    theta = torch.from_numpy(logits).requires_grad_()
    (gradient,) = torch.autograd.grad((torch.from_numpy(weights) * theta.log_softmax(-1)).sum(), theta)
    moved = np.log(after) - np.log(pi)
    if natural:  # moved / rate, up to a constant in each row, which F ignores
        fisher = np.einsum("nk,kj->nkj", pi, np.eye(5)) - np.einsum("nk,nj->nkj", pi, pi)
        assert np.einsum("nkj,nj->nk", fisher, moved / 0.5) == pytest.approx(gradient.numpy(), abs=1e-12)
    else:
        step = moved / 0.5
        assert step - step.mean(1, keepdims=True) == pytest.approx(gradient.numpy(), abs=1e-12)


def test_a_slope_of_a_power_is_its_exponent():
    path = -0.75 * np.log(np.arange(1, 401))[:, None] + np.array([0.0, 1.0, 2.0])
    assert corner.slope(path, 20) == pytest.approx((0.75, 0.0), abs=1e-9)
